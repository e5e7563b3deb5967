"""The items of a stream: loops that resume, items that do not fit, and where they end."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from asyncapi import (
    Client,
    DecodeError,
    ProtocolError,
    SchemaError,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run
from bodies import Source, at_rest


def client_of(*answers, **settings) -> Client:
    """A client whose requests get these answers in turn; a Source is the body of a 200."""
    left = list(answers)
    clock = FakeClock()

    def handler(request):
        answer = left.pop(0) if len(left) > 1 else left[0]
        return reply(200, content=answer) if isinstance(answer, Source) else answer

    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def test_a_loop_that_was_left_is_gone_on_with():
    async def scenario():
        async with client_of(Source(b"1\n2\n3", b"\n4\n")) as api, api.stream("GET", "/") as response:
            lines = response.json_lines()
            async for one in lines:
                if one == 2:
                    break
            assert [one async for one in lines] == [3, 4]
            assert [one async for one in lines] == []

    run(scenario())


def test_a_line_that_does_not_fit_is_named_and_the_next_one_comes():
    class Row(BaseModel):
        id: int

    async def scenario():
        async with (
            client_of(Source(b'{"id": 1}\n{"id": "x"}\nnope\n{"id": 4}\n')) as api,
            api.stream("GET", "/rows?token=s3cret") as response,
        ):
            rows = response.json_lines(model=Row)
            assert await anext(rows) == Row(id=1)
            with pytest.raises(SchemaError, match="item 2: the response doesn't match Row") as caught:
                await anext(rows)
            assert caught.value.body == b'{"id": "x"}'
            assert len(caught.value.attempts) == 1
            assert "s3cret" not in str(caught.value)
            with pytest.raises(DecodeError, match="item 3: the response isn't valid JSON"):
                await anext(rows)
            assert await anext(rows) == Row(id=4)

    run(scenario())


def test_a_line_or_an_event_without_end_ends_the_body():
    async def scenario():
        for way, what in [
            (lambda r: r.lines(max_line=100), "max_line=100"),
            (lambda r: r.json_lines(max_line=100), "max_line=100"),
            (lambda r: r.events(max_event=100), "max_event=100"),
        ]:
            async with (
                client_of(Source(*[b"data: 12345"] * 100), concurrency=1) as api,
                api.stream("GET", "/") as response,
            ):
                with pytest.raises(ProtocolError, match=what) as caught:
                    await anext(way(response))
                assert (caught.value.request.method, len(caught.value.attempts)) == ("GET", 1)
                assert at_rest(api, 1)

    run(scenario())


def test_until_leaves_the_rest_unread_and_ends_for_good():
    async def scenario():
        async with (
            client_of(Source(b"data: a\n\ndata: X\n\ndata: b\n\n", b"data: c\n\n")) as api,
            api.stream("GET", "/") as response,
        ):
            events = response.events(until="X")
            assert [one.data async for one in events] == ["a"]
            assert [one.data async for one in events] == []

    run(scenario())
