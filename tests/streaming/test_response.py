"""A streamed response: its ways of reading, one of them at a time, and its bounds."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from asyncapi import (
    Client,
    ConfigError,
    ProtocolError,
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


async def drained(api: Client, **call) -> list[bytes]:
    async with api.stream("GET", "/", **call) as response:
        return [piece async for piece in response.bytes()]


def test_pieces_come_as_they_come_and_the_answer_tells_of_itself_before_the_first():
    async def scenario():
        source = Source(b"a", 5.0, b"", b"b")
        async with client_of(source) as api, api.stream("GET", "/x", route="/{it}") as response:
            assert (response.status, response.ok, response.url.path) == (200, True, "/x")
            assert (response.request.method, len(response.attempts), response.degraded) == ("GET", 1, "")
            assert source.given == 0
            assert repr(response) == "<StreamedResponse 200 https://h/x>"
            assert [piece async for piece in response.bytes()] == [b"a", b"b"]
            assert source.closed
            assert at_rest(api)

    run(scenario())


def test_every_way_of_reading():
    class Row(BaseModel):
        id: int

    async def read(way, *pieces, content_type=""):
        async def source():
            for piece in pieces:
                yield piece

        answer = reply(200, content=source(), headers={"Content-Type": content_type})
        async with client_of(answer) as api, api.stream("GET", "/") as response:
            found = way(response)
            return await found if asyncio.iscoroutine(found) else [one async for one in found]

    async def scenario():
        rows = b'{"id": 1}\n', b'\r\n{"id":', b" 2}"
        assert await read(lambda r: r.bytes(4), b"abcde", b"f", b"ghij") == [b"abcd", b"efgh", b"ij"]
        assert await read(lambda r: r.lines(), b"a\r\nb", b"c\n\nd") == ["a", "bc", "", "d"]
        assert await read(lambda r: r.lines(), b"\xe9\n", content_type="text/plain; charset=latin-1") == ["\u00e9"]
        assert await read(lambda r: r.json_lines(), *rows) == [{"id": 1}, {"id": 2}]
        assert await read(lambda r: r.json_lines(model=Row), *rows) == [Row(id=1), Row(id=2)]
        events = await read(lambda r: r.events(), b"id: 7\nevent: x\ndata: 1\n", b"\n")
        assert [(one.id, one.event, one.data) for one in events] == [("7", "x", "1")]
        data = b'data: {"id": 1}\n\ndata: [DONE]\n\n', b"data: more\n\n"
        assert await read(lambda r: r.events(model=Row, until="[DONE]"), *data) == [Row(id=1)]
        assert await read(lambda r: r.read(), b"ab", b"c") == b"abc"
        assert await read(lambda r: r.read()) == b""
        assert await read(lambda r: r.lines()) == []

    run(scenario())


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda r: (r.lines(), r.bytes()), "bytes\\(\\): the body is already being read by lines\\(\\)"),
        (lambda r: r.bytes(0), "size of a piece"),
        (lambda r: r.bytes(True), "size of a piece"),
        (lambda r: r.json_lines(model=print), "not a type that pydantic"),
    ],
)
def test_misuse_says_what_is_meant(misuse, message):
    async def scenario():
        async with client_of(Source(b"a")) as api, api.stream("GET", "/") as response:
            with pytest.raises(ConfigError, match=message):
                misuse(response)

    run(scenario())


def test_utf16_lines_are_refused_before_anything_is_read():
    async def scenario():
        answer = reply(200, content=aiter(Source(b"a")), headers={"Content-Type": "text/plain; charset=UTF-16"})
        async with client_of(answer) as api, api.stream("GET", "/") as response:
            with pytest.raises(ConfigError, match=r"utf-16.*read\(\) it"):
                response.lines()
            assert await response.read() == b"a"

    run(scenario())


def test_read_is_bounded_by_max_body_and_the_other_ways_are_not():
    async def scenario():
        async with client_of(Source(b"abc", b"def"), max_body=5) as api, api.stream("GET", "/") as response:
            with pytest.raises(ProtocolError, match="over max_body=5 bytes: read it piece by piece"):
                await response.read()
            assert at_rest(api)
        async with client_of(Source(b"abc", b"def"), max_body=5) as api:
            assert await drained(api) == [b"abc", b"def"]

    run(scenario())


@pytest.mark.parametrize("status", [200, 404])
def test_trailers_come_with_the_end_of_the_body(status):
    async def scenario():
        answer = reply(status, content=Source(b"a", b"b"), trailers={"Grpc-Status": "0"})
        async with (
            client_of(answer) as api,
            api.stream("GET", "/", raise_for_status=False) as response,
        ):
            assert dict(response.trailers) == ({} if status == 200 else {"Grpc-Status": "0"})
            assert await response.read() == b"ab"
            assert dict(response.trailers) == {"Grpc-Status": "0"}

    run(scenario())
