"""How a conversation over a WebSocket ends, and what the statistics say of it; seen by a plain aiohttp client."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType

from asyncapi.serve import Faults, FaultServer

SUBSCRIBE = {"subscribe": "ada", "after": 0}


async def heard(ws, count=1_000):
    """What a socket brings until it ends, at most `count` messages; and the message that ended it."""
    messages = []
    while len(messages) < count:
        message = await ws.receive(timeout=20)
        if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            return messages, message
        messages.append(message.data)
    return messages, None


async def settled(server):
    """Wait until the server has let go of every request."""
    async with asyncio.timeout(20):
        while server.stats.in_flight:
            await asyncio.sleep(0.01)


async def test_messages_go_through_permessage_deflate(http):
    async with http.ws_connect("/ws", compress=15) as ws:
        assert ws.compress
        await ws.send_str("a" * 10_000)
        assert (await heard(ws, 1))[0] == ["a" * 10_000]


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
@pytest.mark.parametrize("code", [1000, 1012, 4000])
async def test_it_closes_with_a_code_and_a_reason_after_some_messages(http, path, code):
    async with http.ws_connect(f"{path}?messages=2&code={code}&reason=so+be+it&pause=0") as ws:
        for _ in range(2):
            await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type, end.data, end.extra) == (2, WSMsgType.CLOSE, code, "so be it")


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_drops_the_connection_without_a_close_frame(http, server, path):
    async with http.ws_connect(f"{path}?messages=1&then=drop&pause=0") as ws:
        await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type, ws.close_code) == (1, WSMsgType.CLOSED, 1006)
    await settled(server)
    assert server.stats.by_status == {"dropped": 1}


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_sends_what_is_no_frame(http, path):
    async with http.ws_connect(f"{path}?messages=1&then=garbage&pause=0") as ws:
        await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type) == (1, WSMsgType.ERROR)


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_stalls_and_answers_no_ping_any_more(http, server, path):
    async with http.ws_connect(f"{path}?messages=1&then=stall&pause=0", autoping=False) as ws:
        await ws.ping()
        assert (await ws.receive(timeout=20)).type is WSMsgType.PONG
        await ws.send_json(SUBSCRIBE)
        assert (await ws.receive(timeout=20)).type is WSMsgType.TEXT
        await ws.ping()
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.3)
        ws._response.close()  # leaves without a close frame
    await settled(server)


@pytest.mark.parametrize(("fault", "count"), [("drop-headers", 0), ("drop-body", 1)])
async def test_a_dropped_conversation_ends_after_its_handshake_or_a_message(http, fault, count):
    async with http.ws_connect(f"/ws?fault={fault}") as ws:
        await ws.send_str("a")
        messages, _ = await heard(ws)
        assert (len(messages), ws.close_code) == (count, 1006)


async def test_a_stop_closes_every_socket_with_1001(server, http):
    async with http.ws_connect("/ws") as echo, http.ws_connect("/ws/feed") as feed:
        stop = asyncio.create_task(server.aclose())
        for ws in (echo, feed):
            _, end = await heard(ws)
            assert (end.type, end.data) == (WSMsgType.CLOSE, 1001)
        await stop


async def test_sockets_are_counted(http, server):
    async with http.ws_connect("/ws") as ws:
        assert server.stats.in_flight == 1
        await ws.close()
    await settled(server)
    assert (server.stats.by_status, server.stats.by_prefix) == ({"101": 1}, {"/ws": 1})


async def test_a_slow_body_is_a_silence_after_the_first_message():
    async with (
        FaultServer(Faults(slow=1.0)) as server,
        aiohttp.ClientSession(server.url) as http,
        http.ws_connect("/ws?fault=slow-body") as ws,
    ):
        await ws.send_str("a")
        await ws.send_str("b")
        assert (await heard(ws, 1))[0] == ["a"]
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.05)
        assert (await heard(ws, 1))[0] == ["b"]
