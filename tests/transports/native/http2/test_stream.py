"""One stream of HTTP/2: uploads under windows, bodies that are read as they come, and calls that leave early."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest

from asyncapi import HTTP2, ConfigError, RequestTimeout
from asyncapi.transports.native.http2 import connection as http2_connection
from asyncapi.transports.native.transport import NativeTransport
from http2_engines import engine  # noqa: F401 - a fixture
from http2_server import CANCEL, DATA, NO_ERROR, RST_STREAM, at_rest, client, frame, http2_server, ok, until

pytestmark = pytest.mark.usefixtures("engine")

MB = 1024 * 1024


# --- Expect ---------------------------------------------------------------------------------------------------------
async def test_a_body_waits_for_100_continue():
    async def script(peer, asked):
        await asyncio.sleep(0.05)
        early = bytes(asked.body)
        await peer.write(peer.head(asked.stream, [(":status", "100")]))
        await asked.ended.wait()
        await peer.respond(asked.stream, body=str(len(early)).encode())

    async with http2_server(script) as server, client(server) as api:
        response = await api.post("/", content=b"x" * 1000, headers={"Expect": "100-continue"})
        assert response.content == b"0"
        assert len(server.requests[0].body) == 1000


async def test_a_refusal_instead_of_100_continue_spares_the_body():
    async def script(peer, asked):
        await peer.respond(asked.stream, 413, body=b"no")

    async with http2_server(script) as server, client(server, raise_for_status=False) as api:
        response = await api.post("/", content=b"x" * 200_000, headers={"Expect": "100-continue"})
        assert (response.status, response.content) == (413, b"no")
        await server.requests[0].gone.wait()
        assert server.requests[0].body == b""
        assert (await api.get("/")).status == 413
        assert len(server.peers) == 1


# --- a response that begins before its request has ended ---------------------------------------------------------------
@pytest.mark.parametrize("fails", [False, True], ids=["well", "with an error of the caller's"])
async def test_a_server_may_send_back_what_it_receives(fails):
    async def script(peer, asked):
        await peer.write(peer.head(asked.stream, [(":status", "200")]))
        sent = 0
        while not asked.ended.is_set() and not asked.gone.is_set():
            await asyncio.sleep(0)
            if len(asked.body) > sent:
                data = bytes(asked.body[sent:])
                sent += len(data)
                await peer.send(asked.stream, data, end=False)
        if asked.ended.is_set():
            await peer.send(asked.stream, b"")

    async with http2_server(script) as server, client(server) as api:
        read = []

        async def body():
            for number in range(3):
                while len(read) < number:  # nothing more before the server has sent that back
                    await asyncio.sleep(0)
                yield b"%d" % number
            if fails:
                raise KeyError("mine")

        async def call():
            async with api.stream("POST", "/", content=body()) as response:
                async for piece in response.bytes():
                    read.append(piece)

        if fails:
            with pytest.raises(ConfigError, match="reading the request body failed: KeyError"):
                await call()
            await server.requests[0].gone.wait()
        else:
            await call()
            assert read == [b"0", b"1", b"2"]
        assert at_rest(api)
        assert len(server.peers) == 1


# --- cancellation ---------------------------------------------------------------------------------------------------
async def test_a_cancelled_call_resets_its_stream_and_the_connection_stays():
    async def script(peer, asked):
        if asked.path == "/slow":
            await asked.gone.wait()
            return
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        for many in (90, 180):
            calls = [asyncio.create_task(api.get("/slow")) for _ in range(90)]
            await until(lambda many=many: len(server.requests) == many)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await until(lambda many=many: len(server.resets) == many)
        assert server.resets == [CANCEL] * 180
        assert [response.status for response in await api.gather(["/"] * 90)] == [200] * 90
        assert len(server.peers) == 1
        assert at_rest(api)


async def test_a_call_cancelled_before_it_is_written_leaves_the_connection_as_it_was():
    async with http2_server(ok) as server, client(server) as api:
        await api.get("/")
        call = asyncio.create_task(api.get("/x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        assert (await api.get("/")).status == 200
        assert len(server.peers) == 1
        assert at_rest(api)


async def test_an_attempt_that_takes_too_long_is_reset():
    async def script(peer, asked):
        await asked.gone.wait()

    async with http2_server(script) as server, client(server, timeout=0.2) as api:
        with pytest.raises(RequestTimeout):
            await api.get("/")
        await until(lambda: server.resets)
        assert (server.resets, server.open) == ([CANCEL], 1)


# --- streams that are read while they come --------------------------------------------------------------------------
async def test_room_is_given_back_only_as_the_reader_takes_it():
    window = 65_535
    sent = 0

    async def script(peer, asked):
        nonlocal sent
        await peer.write(peer.head(asked.stream, [(":status", "200")]))
        for number in range(40):
            await peer.send(asked.stream, b"x" * 10_000, end=number == 39)
            sent += 10_000

    async with http2_server(script) as server, client(server, http2=HTTP2(window=window)) as api:
        async with api.stream("GET", "/") as response:
            await asyncio.sleep(0.3)
            assert sent <= window
            unread = server.peers[0].room(1)
            await asyncio.sleep(0.1)
            assert server.peers[0].room(1) == unread  # nothing moves while nobody reads
            assert len(await response.read()) == 400_000
        assert sent == 400_000
        assert at_rest(api)


async def test_streams_left_half_read_give_their_room_back(monkeypatch):
    monkeypatch.setattr(http2_connection, "_WINDOWS", 1)  # the connection's window is that of one stream

    async def script(peer, asked):
        await peer.write(peer.head(asked.stream, [(":status", "200")]))
        await peer.send(asked.stream, b"x" * 10_000, end=False)
        await asyncio.sleep(0.02)
        await peer.send(asked.stream, b"x" * 50_000, end=asked.path == "/whole")
        if asked.path != "/whole":
            await asked.gone.wait()

    async with http2_server(script) as server, client(server) as api:
        api._transport._http2 = HTTP2(window=65_535)
        for path in ("/half", "/whole") * 5:  # ten times the window of the connection
            async with asyncio.timeout(10), api.stream("GET", path) as response:
                assert await anext(aiter(response.bytes()))
                await asyncio.sleep(0.05)  # what comes meanwhile is never read
        assert len(server.peers) == 1
        assert at_rest(api)


async def test_a_stream_that_is_left_early_is_reset_and_its_connection_used_again():
    async def script(peer, asked):
        await peer.write(peer.head(asked.stream, [(":status", "200")]), frame(DATA, 0, asked.stream, b"part"))
        await asked.gone.wait()

    async with http2_server(script) as server, client(server) as api:
        for _ in range(3):
            async with api.stream("GET", "/") as response:
                assert await anext(aiter(response.bytes())) == b"part"
        await until(lambda: len(server.resets) == 3)
        assert (server.resets, len(server.peers)) == ([CANCEL] * 3, 1)


# --- uploads --------------------------------------------------------------------------------------------------------
async def test_an_upload_waits_for_the_windows_and_its_wait_can_be_cancelled():
    async def script(peer, asked):
        await asked.gone.wait()

    async with http2_server(script, reads=False) as server, client(server, timeout=0.5) as api:
        with pytest.raises(RequestTimeout) as caught:
            await api.post("/", content=b"x" * MB)
        assert caught.value.phase == "send"
        await until(lambda: server.resets)
        assert len(server.requests[0].body) == 65_535
        assert at_rest(api)


async def test_an_early_response_ends_the_upload_and_is_the_response():
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 1
            yield b"x" * 10_000
            await asyncio.sleep(0)

    async def script(peer, asked):
        if asked.method == "GET":
            await ok(peer, asked)
            return
        await until(lambda: asked.body)
        await peer.respond(asked.stream, 413, body=b"too much")

    async with http2_server(script) as server, client(server, raise_for_status=False) as api:
        for content in (endless(), b"x" * (20 * MB)):
            response = await api.post("/", content=content)
            assert (response.status, response.content) == (413, b"too much")
        await until(lambda: len(server.resets) == 2)
        assert set(server.resets) == {NO_ERROR}
        assert (await api.get("/")).status == 200
        assert len(server.peers) == 1
        assert at_rest(api)


async def test_a_server_that_wants_no_more_may_say_so_by_a_reset_after_its_response():
    """RFC 9113 section 8.1: such a reset is no reason to discard the response."""

    async def script(peer, asked):
        head = peer.head(asked.stream, [(":status", "200")])
        body = frame(DATA, 1, asked.stream, b"enough")
        await peer.write(head, body, frame(RST_STREAM, 0, asked.stream, struct.pack(">L", NO_ERROR)))

    async with http2_server(script, reads=False) as server, client(server) as api:
        assert (await api.post("/", content=b"x" * MB)).content == b"enough"


async def test_a_body_of_the_callers_that_fails_resets_the_stream():
    async def broken():
        yield b"x"
        raise ValueError("no more")

    async with http2_server(ok) as server, client(server) as api:
        with pytest.raises(ConfigError, match="reading the request body failed: ValueError: no more"):
            await api.post("/", content=broken())
        await until(lambda: server.resets)
        assert (await api.get("/")).status == 200
        assert (server.resets, len(server.peers)) == ([CANCEL], 1)


async def test_a_header_that_could_break_out_is_refused_and_nothing_is_sent():
    async with http2_server(ok) as server, client(server) as api:
        await api.get("/")
        transport = api._transport
        request = api._builder.build("GET", "/")
        request.headers["X"] = "a\r\nEvil: 1"
        with pytest.raises(ConfigError, match="header injection"):
            await transport.send(request)
        assert len(server.requests) == 1
        assert at_rest(api)


async def test_a_body_that_nobody_reads_holds_back_no_other_call():
    """Rows of an export that are looked up over the same connection, one call each, while the export goes on."""

    async def script(peer, asked):
        if asked.path != "/export":
            await peer.respond(asked.stream, body=b"x" * 5_000)
            return
        await peer.write(peer.head(asked.stream, [(":status", "200")]))
        await peer.send(asked.stream, b"row\n" * 100_000)

    async with http2_server(script) as server, client(server, http2=HTTP2(window=65_535)) as api:
        async with asyncio.timeout(20), contextlib.AsyncExitStack() as stack:
            exports = [await stack.enter_async_context(api.stream("GET", "/export")) for _ in range(10)]
            await until(lambda: all(server.peers[0].room(asked.stream) == 0 for asked in server.requests))
            for _ in range(20):
                assert len((await api.get("/row")).content) == 5_000
            assert {len(await export.read()) for export in exports} == {400_000}
        assert len(server.peers) == 1


# --- the look before the head ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [None, b"body", b"x" * 300_000])
async def test_a_request_that_is_refused_before_its_head_is_not_sent(monkeypatch, content):
    inner, refusals = NativeTransport.send, [ZeroDivisionError]

    def look():
        if refusals:
            raise refusals.pop()

    async def send(self, request):
        request.call.before_write = look
        return await inner(self, request)

    monkeypatch.setattr(NativeTransport, "send", send)
    async with http2_server(ok) as server, client(server) as api:
        with pytest.raises(ZeroDivisionError):
            await api.post("/", content=content)
        assert server.requests == []
        assert (await api.post("/", content=content)).status == 200
        assert len(server.requests) == 1
