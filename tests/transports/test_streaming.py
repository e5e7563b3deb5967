"""Streamed bodies over real sockets: nothing lost, nothing made up, nothing kept open; a slow reader slows the server."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from contextlib import suppress

import pytest
from aiohttp import web

from asyncapi import Client, ConfigError, ProtocolError, RequestTimeout, Timeout
from servers import always, application, saying, scripted

pytestmark = pytest.mark.lanes

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"


def whole(api: Client) -> bool:
    assert (api.stats.in_flight, api._state.gate.free) == (0, 100)
    return True


async def told(api: Client, path: str = "/", found: list[bytes] | None = None) -> bytes:
    pieces = [] if found is None else found
    async with api.stream("GET", path) as response:
        async for piece in response.bytes():
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("answer", [CHUNKED, COUNTED], ids=["chunked", "counted"])
@pytest.mark.parametrize("reset", [False, True])
async def test_cut_at_any_byte_it_is_an_error_and_what_came_before_is_right(answer, reset):
    for cut in range(len(answer)):

        async def script(peer, cut=cut):
            await peer.request()
            await peer.write(answer[:cut])
            if reset:
                peer.abort()

        found: list[bytes] = []
        async with scripted(script) as server, Client(server.url, retry=None) as api:
            with pytest.raises(ProtocolError):
                await told(api, found=found)
            assert b"hello world".startswith(b"".join(found))
            assert whole(api)
            assert sum(api.stats.by_error.values()) == 1


@pytest.mark.parametrize("answer", [CHUNKED, COUNTED], ids=["chunked", "counted"])
async def test_byte_by_byte_it_is_the_same(answer):
    async def script(peer):
        await peer.request()
        for at in range(len(answer)):
            await peer.write(answer[at : at + 1])
            await asyncio.sleep(0)
        await peer.gone()

    async with scripted(script) as server, Client(server.url) as api:
        assert await told(api) == b"hello world"


async def test_a_body_without_a_length_ends_with_its_connection():
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world"
    async with scripted(saying(answer)) as server, Client(server.url) as api:
        assert await told(api) == b"hello world"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_answer_without_a_body_ends_at_once(method):
    empty = "HTTP/1.1 204 No Content\r\n\r\n" if method == "GET" else "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    async with scripted(always(empty)) as server, Client(server.url) as api:
        for _ in range(2):
            async with api.stream(method, "/") as response:
                assert await response.read() == b""
        assert len(server.peers) == 1


async def test_a_connection_is_used_again_once_its_body_was_read():
    """A connection whose body was left unread is closed."""

    async def script(peer):
        while await peer.request() is not None:
            await peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            if peer.requests == 1:
                await peer.write("0\r\n\r\n")

    async with scripted(script) as server, Client(server.url) as api:
        assert await told(api) == b"a"
        async with api.stream("GET", "/") as response:
            assert await anext(response.bytes()) == b"a"
            assert len(server.peers) == 1
        await asyncio.wait_for(asyncio.gather(*server.tasks), 5)  # the script ends when the client has closed
        assert await told(api) == b"a"
        assert len(server.peers) == 2


async def test_a_piece_is_handed_over_while_the_next_is_not_made_yet():
    go = asyncio.Event()

    async def handler(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first\n")
        await go.wait()
        await answer.write(b"second\n")
        return answer

    async with application(web.get("/", handler)) as url, Client(url) as api, api.stream("GET", "/") as response:
        lines = response.lines()
        assert await anext(lines) == "first"
        go.set()
        assert [line async for line in lines] == ["second"]


async def test_a_read_that_is_cancelled_loses_nothing():
    go = asyncio.Event()

    async def handler(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"a\nb")
        await go.wait()
        await answer.write(b"c\n")
        return answer

    async with application(web.get("/", handler)) as url, Client(url) as api, api.stream("GET", "/") as response:
        lines = response.lines()
        assert await anext(lines) == "a"
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(lines)
        go.set()
        assert [line async for line in lines] == ["bc"]


async def test_a_silent_server_is_a_time_out_in_the_body():
    async def script(peer):
        await peer.request()
        await peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await peer.gone()

    async with scripted(script) as server, Client(server.url, timeout=Timeout(read=0.1)) as api:
        with pytest.raises(RequestTimeout) as caught:
            await told(api)
        assert caught.value.phase == "body"
        assert whole(api)
        await asyncio.wait_for(asyncio.gather(*server.tasks), 5)


async def test_a_client_that_is_closed_ends_its_streams():
    async def script(peer):
        await peer.request()
        await peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await peer.gone()

    async with scripted(script) as server:
        api = Client(server.url)
        async with api.stream("GET", "/") as response:
            pieces = response.bytes()
            await anext(pieces)
            waiting = asyncio.create_task(anext(pieces))
            await asyncio.sleep(0)
            await api.aclose()
            assert whole(api)
            with pytest.raises(ProtocolError, match="client was closed"):
                await waiting
            with pytest.raises(ConfigError):
                await anext(pieces)
        assert whole(api)


class Endless:
    """A handler that writes as much as is taken, and counts it."""

    def __init__(self) -> None:
        self.written = 0

    async def serve(self, request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        piece = b"x" * 65536
        while True:
            await answer.write(piece)
            self.written += len(piece)


async def test_a_reader_that_stops_stops_the_server():
    endless = Endless()
    async with application(web.get("/", endless.serve)) as url, Client(url) as api, api.stream("GET", "/") as response:
        pieces = response.bytes()
        await anext(pieces)
        before = -1
        while endless.written != before:  # until the buffers on the way are full
            before = endless.written
            await asyncio.sleep(0.2)
        assert endless.written < 32 * 1024 * 1024
        taken = 0
        while taken <= before:
            taken += len(await anext(pieces))
        assert endless.written > before  # it goes on with its reader


async def test_memory_does_not_grow_with_the_body():
    endless = Endless()
    async with application(web.get("/", endless.serve)) as url, Client(url) as api, api.stream("GET", "/") as response:
        seen = 0
        tracemalloc.start()
        try:
            async for piece in response.bytes(1_000_000):
                seen += len(piece)
                if seen > 200_000_000:
                    break
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16_000_000


async def test_what_unpacks_to_far_more_than_it_is_unpacks_as_it_is_read():
    size = 100_000_000
    packed = gzip.compress(b"\0" * size)

    async def handler(_):
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with application(web.get("/", handler)) as url, Client(url) as api:
        tracemalloc.start()
        try:
            largest = seen = 0
            async with api.stream("GET", "/") as response:
                async for piece in response.bytes():
                    largest, seen = max(largest, len(piece)), seen + len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert seen == size
        assert largest <= 2**21
        assert peak < 16_000_000


async def test_a_stream_may_be_left_while_its_request_is_still_being_sent():
    async def forever():
        with suppress(GeneratorExit):
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)

    async def script(peer):
        await peer.head()
        await peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()

    async with scripted(script) as server, Client(server.url) as api:
        async with api.stream("POST", "/", content=forever()) as response:
            assert await anext(response.bytes()) == b"a"
        await asyncio.wait_for(asyncio.gather(*server.tasks), 5)
        assert whole(api)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_that_is_closed_ends_plain_bodies_too():
    async def script(peer):
        await peer.request()
        await peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await peer.gone()

    async with scripted(script) as server:
        api = Client(server.url)
        call = asyncio.create_task(api.get("/"))
        while not server.seen:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)  # until the head has come; either way it ends
        await api.aclose()
        with pytest.raises(ProtocolError, match="client was closed"):
            await asyncio.wait_for(call, 5)
