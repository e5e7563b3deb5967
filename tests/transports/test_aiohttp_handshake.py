"""Handshakes of WebSockets: what a server may grant, and the ways to it: proxies, Unix sockets, sessions, the guard."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import pytest

from asyncapi import Client, ClientError, ConnectError, EgressDenied, ProtocolError, Retry
from bodies import at_rest
from servers import Peer, always, scripted
from websocket_peers import Line, close, echo, peer, saying
from websocket_peers import Peer as Served

pytestmark = pytest.mark.lanes

QUICK = Retry(attempts=5, base=0.001, cap=0.002)


async def test_the_server_chooses_among_the_subprotocols():
    async def script(line: Line) -> None:
        assert line.head["sec-websocket-protocol"] == "a, b"
        await line.accept("Sec-WebSocket-Protocol: b")
        await line.hear_out()

    async with (
        peer(script) as server,
        Client(server.url) as api,
        api.websocket("/x", subprotocols=("a", "b")) as ws,
    ):
        assert ws.subprotocol == "b"


@pytest.mark.parametrize(
    ("lines", "proof", "match"),
    [
        (["Sec-WebSocket-Protocol: z"], None, "which was not offered"),
        (["Sec-WebSocket-Extensions: x-odd"], None, "which was not offered"),
        ([], "d3Jvbmc=", "proof"),
    ],
)
async def test_a_server_that_does_what_it_was_not_asked_for_is_refused(lines, proof, match):
    async def script(line: Line) -> None:
        await line.accept(*lines, proof=proof)
        await line.hear_out()

    async with peer(script) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(ProtocolError, match=match) as error:
            async with api.websocket("/x"):
                pass
        assert len(error.value.attempts) == 1
        await server.quiet()
        assert at_rest(api)


async def forward(peer: Peer) -> None:
    """A proxy for tunnels alone."""
    seen = await peer.head()
    if seen.method != "CONNECT":
        await peer.answer(status="405 Method Not Allowed")
        return
    host, _, port = seen.target.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
    ways = [asyncio.ensure_future(_pipe(peer.reader, writer)), asyncio.ensure_future(_pipe(reader, peer.writer))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    writer.close()
    await asyncio.wait(ways)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def exchanged(ws) -> None:
    await ws.send("x")
    assert await ws.receive() == "x"


async def test_a_proxy_is_asked_for_a_tunnel_without_tls_too():
    """RFC 6455 section 4.1. A plain request to the same server goes to the proxy as ever, over another connection."""
    async with peer(echo) as server, scripted(forward) as proxy:
        async with Client(server.url, proxy=proxy.url.replace("//", "//me:pw@"), retry=None) as api:
            async with api.websocket("/x?y=1") as ws:
                await exchanged(ws)
            with pytest.raises(ClientError):
                await api.get("/plain")
        assert [seen.method for seen in proxy.seen] == ["CONNECT", "GET"]
        assert proxy.seen[0].headers["Proxy-Authorization"] == "Basic bWU6cHc="
        assert "proxy-authorization" not in server.lines[0].head
        assert server.lines[0].path == "/x?y=1"


async def test_a_proxy_that_refuses_the_tunnel_is_a_connect_error():
    async with (
        scripted(always(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as proxy,
        Client("http://127.0.0.1:9", proxy=proxy.url, retry=None) as api,
    ):
        with pytest.raises(ConnectError, match="403"):
            async with api.websocket("/x"):
                pass


async def test_a_unix_socket_takes_the_place_of_the_host(tmp_path):
    made = Served(echo)
    server = await asyncio.start_unix_server(made.handle, str(tmp_path / "s"))
    async with Client("http://docker", unix_socket=str(tmp_path / "s")) as api, api.websocket("/x") as ws:
        await exchanged(ws)
        assert made.lines[0].head["host"] == "docker"
    server.close()
    await made.stop()


async def test_the_guard_holds_for_sockets():
    async with peer(echo) as server, Client(egress="public") as api:
        with pytest.raises(EgressDenied):
            async with api.websocket(server.url):
                pass
        assert server.lines == []


async def test_cookies_are_sent_and_those_of_the_handshake_are_kept():
    async def script(line: Line) -> None:
        await line.accept("Set-Cookie: a=1")
        await line.hear_out()

    async with peer(script) as server, Client(server.url, cookies=True) as api:
        for _ in range(2):
            async with api.websocket("/x"):
                pass
        assert ["cookie" in line.head for line in server.lines] == [False, True]


@pytest.mark.lane("aiohttp", reason="a session of aiohttp's")
async def test_a_shared_session_carries_sockets():
    async with peer(echo) as server, aiohttp.ClientSession() as session, Client(server.url, session=session) as api:
        for _ in range(3):
            async with api.websocket("/x") as ws:
                await exchanged(ws)
        server.scripts = [saying("a", "b", then=close(1000))]
        async with api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]


async def test_a_refused_handshake_keeps_its_body_and_its_connection():
    async def script(line: Line) -> None:
        await line.refuse(426, body=b"use v14")
        await line.read_head()
        await line.accept()
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api:
        with pytest.raises(ClientError) as error:
            async with api.websocket("/x"):
                pass
        assert error.value.body == b"use v14"
        async with api.websocket("/x"):
            pass
        assert len(server.lines) == 1


async def test_a_101_that_was_not_asked_for_is_no_response():
    async with (
        scripted(always(b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nxx")) as server,
        Client(server.url, retry=None) as api,
    ):
        with pytest.raises(ProtocolError):
            await api.get("/")
