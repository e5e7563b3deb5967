"""Streams without await, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi import ConfigError, NotFound, ProtocolError, RequestTimeout, SchemaError, Timeout
from asyncapi.blocking import Client
from servers import application

pytestmark = pytest.mark.lanes


class Row(BaseModel):
    id: int


async def rows(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    for number in range(int(request.query.get("n", 3))):
        await answer.write(b'{"id": %d}\n' % number)
    if "cut" in request.query:
        request.transport.abort()
    if "hang" in request.query:
        await asyncio.sleep(60)
    return answer


async def events(request):
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    start = int(request.headers.get("Last-Event-ID", "0"))
    for number in range(start + 1, start + 3):
        await answer.write(b'retry: 1\nid: %d\ndata: {"id": %d}\n\n' % (number, number))
    return answer


@contextmanager
def served():
    """The server in a loop and thread of its own."""
    ready, end, found = threading.Event(), None, []

    async def main():
        nonlocal end
        end = asyncio.Event()
        async with application(web.get("/rows", rows), web.get("/events", events)) as url:
            found.extend((url, asyncio.get_running_loop()))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    ready.wait(20)
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(end.set)
        thread.join(20)


def test_every_way_of_reading():
    with served() as url, Client(url) as api:
        with api.stream("GET", "/rows") as response:
            assert (response.status, response.ok, response.url.path, len(response.attempts)) == (200, True, "/rows", 1)
            assert (response.request.method, response.headers["Transfer-Encoding"]) == ("GET", "chunked")
            assert response.elapsed > 0
            assert list(response.json_lines(model=Row)) == [Row(id=0), Row(id=1), Row(id=2)]
        with api.stream("GET", "/rows", params={"n": 2}) as response:
            assert list(response.lines()) == ['{"id": 0}', '{"id": 1}']
        with api.stream("GET", "/rows") as response:
            assert b"".join(response.bytes(7)) == b'{"id": 0}\n{"id": 1}\n{"id": 2}\n'
        with api.stream("GET", "/rows", params={"n": 1}) as response:
            assert response.read() == b'{"id": 0}\n'
        with api.stream("GET", "/events") as response:
            assert [event.id for event in response.events()] == ["1", "2"]
        with api.stream("GET", "/events") as response:
            assert list(response.events(model=Row)) == [Row(id=1), Row(id=2)]
        assert api.stats.in_flight == 0


def test_a_stream_that_is_left_is_closed_and_a_loop_gone_on_with():
    with served() as url, Client(url, concurrency=1) as api:
        for _ in range(3):
            with api.stream("GET", "/rows", params={"n": 100_000}) as response:
                lines = response.json_lines()
                assert [next(lines), next(lines)] == [{"id": 0}, {"id": 1}]
                for line in lines:
                    assert line == {"id": 2}
                    break
                assert api.stats.in_flight == 1
            assert api.stats.in_flight == 0
        with api.stream("GET", "/rows") as response:
            response.close()
            assert api.stats.in_flight == 0


def test_errors_are_those_of_the_async_client():
    with served() as url, Client(url) as api:
        with pytest.raises(NotFound), api.stream("GET", "/nowhere"):
            pass
        with api.stream("GET", "/rows?cut=1") as response, pytest.raises(ProtocolError):
            response.read()
        with (
            api.stream("GET", "/rows?hang=1", timeout=Timeout(read=0.05)) as response,
            pytest.raises(RequestTimeout),
        ):
            list(response.lines())
        with api.stream("GET", "/rows") as response:
            with pytest.raises(SchemaError, match="item 1"):
                next(response.json_lines(model=list[int]))
            with pytest.raises(ConfigError, match="read by json_lines"):
                response.lines()


def test_a_subscription_goes_on():
    with served() as url, Client(url) as api, api.events("/events", model=Row) as found:
        assert [next(found).id for _ in range(5)] == [1, 2, 3, 4, 5]
        assert found.last_id == "5"
    with served() as url, Client(url) as api, api.events("/events", retry=None) as found:
        assert [event.id for event in found] == ["1", "2"]


def test_a_client_that_is_closed_first_leaves_the_block_quietly():
    with served() as url:
        api = Client(url)
        with api.stream("GET", "/rows", params={"n": 100_000}) as response:
            next(response.lines())
            api.close()
        with Client(url) as api, api.events("/events") as found:
            next(found)
            api.close()


def test_a_body_is_saved(tmp_path):
    seen = []
    with served() as url, Client(url) as api, api.stream("GET", "/rows") as response:
        size = response.save(tmp_path / "rows", progress=lambda *told: seen.append(told))
    assert (tmp_path / "rows").read_bytes().count(b"\n") == 3
    assert seen[-1] == (size, None)
