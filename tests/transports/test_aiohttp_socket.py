"""Connections of WebSockets: back-pressure both ways, peers that do harm, and closes that take no longer than we say."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from pathlib import Path

import pytest
import websockets

from asyncapi import (
    Client,
    Retry,
    SocketClosed,
)
from bodies import at_rest
from websocket_peers import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Line,
    bomb,
    close,
    echo,
    frame,
    peer,
    saying,
    text,
)  # fmt: skip

pytestmark = pytest.mark.lanes

QUICK = Retry(attempts=5, base=0.001, cap=0.002)


async def test_messages_in_pieces_and_in_the_packet_of_the_handshake_arrive_whole():
    pieces = frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(0, b"b", fin=False) + frame(0, b"c")
    async with peer(saying("first", then=pieces)) as server, Client(server.url) as api, api.websocket("/x") as ws:
        assert [await ws.receive(), await ws.receive()] == ["first", "abc"]
    assert server.lines[0].heard[0] == (PONG, b"p")


async def test_compression_is_used_where_the_server_accepts_it():
    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}") as api:
            for compress in (True, False):
                async with api.websocket("/", compress=compress) as ws:
                    assert (ws._socket._writer.compress > 0) is compress
                    for message in ("a" * 100_000, "b", bytes(30_000)):
                        await ws.send(message)
                        assert await ws.receive() == message


async def test_a_silent_peer_is_told_from_one_that_is_quiet():
    async def silent(line: Line) -> None:
        await line.accept()
        await asyncio.sleep(60)

    async with (
        peer(silent) as server,
        Client(server.url) as api,
        api.websocket("/x", heartbeat=0.1, reconnect=None) as ws,
    ):
        with pytest.raises(SocketClosed, match="no PONG") as error:
            await ws.receive()
        assert error.value.code == 1006
    async with (
        peer(echo) as server,
        Client(server.url) as api,
        api.websocket("/x", heartbeat=0.02, reconnect=None) as ws,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.receive(), 0.3)
        await ws.send("still")
        assert await ws.receive() == "still"
        assert sum(kind == PING for kind, _ in server.lines[0].heard) > 3


async def test_a_slow_reader_does_not_take_its_peer_for_dead_and_loses_nothing():
    """The PONG waits behind messages that were not read yet."""

    async def script(line: Line) -> None:
        await line.accept()
        await line.write(b"".join(text(f"{number} " + "x" * 10_000) for number in range(2000)) + close(1000))
        await line.hear_out()

    async with (
        peer(script) as server,
        Client(server.url) as api,
        api.websocket("/x", heartbeat=0.05, reconnect=None) as ws,
    ):
        await asyncio.sleep(0.5)
        assert [int(message.partition(" ")[0]) async for message in ws] == [*range(2000)]


async def test_pings_get_their_pong_while_nobody_reads():
    async def script(line: Line) -> None:
        await line.accept(then=text("a") + frame(PING, b"there?"))
        assert await line.hear() == (PONG, b"there?")
        heard.set()
        await line.hear_out()

    heard = asyncio.Event()
    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        await asyncio.wait_for(heard.wait(), 5)
        assert await ws.receive() == "a"


async def test_an_unread_flood_stops_the_sender():
    async def flood(line: Line) -> None:
        await line.accept()
        for _ in range(40_000):
            await line.write(text("x" * 10_000))

    async with peer(flood) as server, Client(server.url) as api, api.websocket("/x") as ws:
        before = -1
        while before != (before := server.lines[0].sent if server.lines else 0) or not before:
            await asyncio.sleep(0.2)
        assert server.lines[0].sent < 20_000_000
        for _ in range(5000):
            assert len(await ws.receive()) == 10_000
        assert server.lines[0].sent > 40_000_000


async def test_a_sender_waits_for_a_slow_reader_and_learns_of_the_end():
    async def slow(line: Line) -> None:
        await line.accept()
        await stopped.wait()
        line.kill()

    stopped = asyncio.Event()
    async with (
        peer(slow) as server,
        Client(server.url) as api,
        api.websocket("/x", reconnect=None, compress=False) as ws,
    ):
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await ws.send(bytes(100_000))
                sent += 1

        task = asyncio.create_task(send())
        before = -1
        while before != (before := sent):
            await asyncio.sleep(0.2)
        assert sent < 200
        stopped.set()
        with pytest.raises(SocketClosed):
            await task


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def test_a_bomb_is_an_error_and_takes_no_memory():
    packed = bomb(900)

    async def script(line: Line) -> None:
        await line.accept("Sec-WebSocket-Extensions: permessage-deflate", then=text("warm"))
        await line.write(packed)
        await line.hear_out()

    async with peer(script) as server, Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
        assert await ws.receive() == "warm"
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024
        with pytest.raises(SocketClosed, match="1009") as error:
            await ws.receive()
        status = Path("/proc/self/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) / 1024 < before + 10
        assert error.value.code == 1009
        await server.quiet()
        assert server.lines[0].heard[-1] == (CLOSE, (1009).to_bytes(2, "big") + server.lines[0].heard[-1][1][2:])
        assert len(server.lines) == 1


async def test_endless_fragments_are_an_error():
    async def script(line: Line) -> None:
        await line.accept(then=frame(TEXT, b"x", fin=False))
        for _ in range(30_000):
            await line.write(frame(0, b"y" * 10_000, fin=False))

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        with pytest.raises(SocketClosed, match="1009"):
            await ws.receive()
        await server.quiet()
        assert server.lines[0].sent < 40_000_000


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x8f\x00", 1002), (b"\xf1\x01a", 1002), (frame(0, b"x"), 1002), (frame(PING, bytes(126)), 1002),
        (frame(TEXT, b"\xff"), 1007), (frame(CLOSE, b"\x03"), 1002), (frame(CLOSE, b"\x03\xec"), 1002),
        (frame(PING, b"", fin=False), 1002), (b"\x81\x7f" + b"\xff" * 8, 1009),
        (b"\x81\x7f" + (5 << 20).to_bytes(8, "big"), 1009), (b"HTTP/1.1 200 OK\r\n\r\n", 1002),
    ],
)  # fmt: skip
async def test_a_bad_frame_ends_the_connection_whether_it_is_read_or_not(bad, code):
    """What came before it is handed out; the server is told why, and not listened to any more."""

    async def script(line: Line) -> None:
        await line.accept(then=text("before") + bad)
        for _ in range(30_000):
            await line.write(b"z" * 10_000)

    async with peer(script) as server, Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
        await server.quiet()
        assert server.lines[0].sent < 40_000_000
        assert await ws.receive() == "before"
        with pytest.raises(SocketClosed) as error:
            await ws.receive()
        assert error.value.code == code
        with pytest.raises(SocketClosed):
            await ws.send("x")
        assert len(server.lines) == 1


async def test_a_message_as_large_as_is_taken_is_taken():
    async with peer(saying("x" * 1000, "x" * 1001)) as server, Client(server.url) as api:
        async with api.websocket("/x", max_message=1000) as ws:
            assert len(await ws.receive()) == 1000
            with pytest.raises(SocketClosed):
                await ws.receive()
        async with api.websocket("/x", max_message=None) as ws:
            assert [len(await ws.receive()) for _ in range(2)] == [1000, 1001]


async def test_a_flood_of_pings_piles_up_no_pongs():
    async def script(line: Line) -> None:
        await line.accept()
        for _ in range(3000):
            await line.write(frame(PING, bytes(125)) * 100)
        await line.say("end")
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        assert await ws.receive() == "end"
        assert ws._socket.unsent < 1 << 20


async def dumb(line: Line) -> None:
    await line.accept()
    await asyncio.sleep(60)


async def never_done(line: Line) -> None:
    await line.accept()
    while True:
        await line.say("more" * 1000)


@pytest.mark.parametrize("script", [dumb, never_done])
async def test_close_takes_two_seconds_at_the_most_whatever_the_peer_does(script):
    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x") as ws:
            if script is never_done:
                await asyncio.sleep(0.3)
            began = time.monotonic()
            await ws.close()
            assert time.monotonic() - began < 4
            assert ws._response.open_body.closed
        assert at_rest(api)


async def test_close_is_not_held_up_by_what_the_peer_does_not_read():
    async with peer(dumb) as server, Client(server.url) as api, api.websocket("/x", compress=False) as ws:
        task = asyncio.create_task(ws.send(bytes(50_000_000)))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await ws.close()
        assert time.monotonic() - began < 4
        with pytest.raises(SocketClosed):
            await task


async def test_a_socket_ends_with_its_client():
    async with peer(echo) as server:
        api = Client(server.url)
        async with api.websocket("/x", reconnect=None) as ws:
            await api.aclose()
            with pytest.raises(SocketClosed):
                await ws.receive()
        await server.quiet()


async def test_a_cancelled_receive_loses_no_message():
    async def script(line: Line) -> None:
        await line.accept()
        for number in range(100):
            await line.say(str(number))
            await asyncio.sleep(0.002)
        await line.write(close(1000))
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        found = []
        while len(found) < 100:
            with contextlib.suppress(TimeoutError):
                found.append(int(await asyncio.wait_for(ws.receive(), 0.003)))
        assert found == [*range(100)]
