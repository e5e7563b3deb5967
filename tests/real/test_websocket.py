"""WebSockets with real peers: Starlette on uvicorn by both of its engines, `ws` of npm, and what stands before servers.

Every peer echoes at /ws, and has the ends of `asyncapi serve`: `?messages=&code=&reason=`, `?fault=`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from asyncapi import (
    Client,
    ConnectError,
    Egress,
    EgressDenied,
    OAuth2ClientCredentials,
    Retry,
    SocketClosed,
    StatusError,
    TLSError,
)
from asyncapi.serve import FaultServer
from certificates import Authority
from daemons import haproxy, nginx, squid, tinyproxy
from envoy_proxy import backend, envoy, route
from node_peers import node_peer
from websocket_app import uvicorn

pytestmark = pytest.mark.lanes

FAST = Retry(attempts=30, base=0.05, cap=0.3)
UPGRADES = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'


@contextmanager
def before(server):
    """Nothing."""
    yield server


def envoy_before(server):
    return envoy(backend(f"127.0.0.1:{server.port}"), route(timeout="0s", websocket=True))


PROXIES = {
    "serve": before,
    "nginx": lambda server: nginx(f"127.0.0.1:{server.port}", location=UPGRADES),
    "haproxy": lambda server: haproxy(f"127.0.0.1:{server.port}"),
    "envoy": envoy_before,
}
SERVERS = {
    "starlette-websockets": lambda: uvicorn("websockets"),
    "starlette-websockets-sansio": lambda: uvicorn("websockets-sansio"),
    "starlette-wsproto": lambda: uvicorn("wsproto"),
    "npm-ws": lambda: node_peer("websocket.mjs"),
}


@asynccontextmanager
async def serving(name):
    """The URL of this peer."""
    if name in SERVERS:
        with SERVERS[name]() as peer:
            yield peer.url
    else:
        async with FaultServer() as server:
            with PROXIES[name](server) as proxy:
                yield proxy.url


@pytest.fixture(params=[*SERVERS, *PROXIES])
async def url(request):
    async with serving(request.param) as url:
        yield url


async def test_a_peer_talks_closes_and_refuses(url):
    """One test for each peer: they take their time to start."""
    async with Client(url, retry=None) as api:
        for compress in (True, False):
            await talks(api, compress)
        await closes(api)
        await refuses(api)
        assert api.stats.in_flight == 0


async def talks(api, compress):
    async with api.websocket("/ws", subprotocols=("chat", "other"), compress=compress) as ws:
        assert ws.subprotocol == "chat"
        messages = ["", "a", "ö" * 70_000, b"\x00\xff", bytes(range(256)) * 4_000]
        for message in messages:
            await ws.send(message)
            assert await ws.receive() == message
        sender = asyncio.create_task(burst(ws))
        assert [await ws.receive() for _ in range(300)] == [f"{number}" for number in range(300)]
        await sender
    assert ws.close_code == 1000


async def burst(ws):
    for number in range(300):
        await ws.send(f"{number}")


async def closes(api):
    for code, reason in ((1000, ""), (4000, "enough")):
        async with api.websocket(f"/ws?messages=1&code={code}&reason={reason}") as ws:
            await ws.send("last")
            assert await ws.receive() == "last"
            with pytest.raises(SocketClosed) as ended:
                await ws.receive()
            assert (ended.value.code, ended.value.reason) == (code, reason)


async def refuses(api):
    with pytest.raises(StatusError) as refused:
        async with api.websocket("/ws?fault=403"):
            raise AssertionError
    assert refused.value.status == 403


@pytest.mark.parametrize("name", ["serve", "nginx", "haproxy", "envoy", "npm-ws"])
async def test_a_dropped_connection_is_followed_by_another(name):
    async def greet(ws):
        await ws.send(f"hello {ws.reconnects}")

    async with serving(name) as url, Client(url, retry=FAST) as api:
        async with api.websocket("/ws?messages=1&then=drop", on_open=greet) as ws:
            seen = [await ws.receive() for _ in range(4)]
            assert ws.close_code in {1006, 1011, 1012, 1014}
        assert seen == [f"hello {number}" for number in range(4)]


@pytest.mark.parametrize("engine", ["websockets", "wsproto"])
async def test_a_killed_uvicorn_is_connected_to_again_when_it_is_back(engine):
    opened = []
    with uvicorn(engine) as server:
        async with (
            Client(server.url) as api,
            api.websocket("/ws", on_open=lambda ws: opened.append(1), reconnect=FAST) as ws,
        ):
            await ws.send("before")
            assert await ws.receive() == "before"
            waiting = asyncio.create_task(ws.receive())
            server.kill()
            await asyncio.to_thread(server.start)
            while len(opened) < 2:
                await asyncio.sleep(0.01)
            await ws.send("after")
            assert await waiting == "after"
            assert ws.reconnects == 1


@pytest.mark.parametrize("name", ["nginx", "haproxy", "envoy"])
async def test_a_proxy_without_its_server_refuses_and_is_tried_again(name):
    """502 or 503 is retried like that of any call."""
    server = FaultServer()
    await server.start()
    with PROXIES[name](server) as proxy:
        async with Client(proxy.url, retry=Retry(attempts=3, base=0.01)) as api:
            async with api.websocket("/ws") as ws:
                await ws.send("a")
                assert await ws.receive() == "a"
            await server.aclose()
            with pytest.raises(StatusError) as refused:
                async with api.websocket("/ws"):
                    raise AssertionError
            assert refused.value.status in {502, 503}
            assert len(refused.value.attempts) == 3


# --- TLS, proxies of ours, egress ----------------------------------------------------------------------------------


@pytest.fixture
def ours(tmp_path):
    return Authority(tmp_path)


async def greeted(api, url="/ws"):
    async with api.websocket(url) as ws:
        await ws.send("hello")
        return await ws.receive()


async def test_wss_checks_the_certificate(ours):
    async with FaultServer(tls=ours.server()) as server:
        wss = server.url.replace("https", "wss")
        async with Client(server.url, tls=ours.file) as api:
            assert await greeted(api) == "hello"
            assert await greeted(api, f"{wss}/ws") == "hello"
        async with Client(retry=None) as api:
            with pytest.raises(TLSError):
                await greeted(api, f"{wss}/ws")


@pytest.mark.parametrize("made", [squid, tinyproxy])
@pytest.mark.parametrize("secure", [True, False], ids=["wss", "ws"])
async def test_an_http_proxy_is_asked_for_a_tunnel(made, secure, ours):
    """By CONNECT, without TLS too: proxies do not forward an upgrade (RFC 6455 section 4.1)."""
    async with FaultServer(tls=ours.server() if secure else None) as server:
        with made() as proxy:
            async with Client(server.url, proxy=proxy.url, tls=ours.file, retry=None) as api:
                assert await greeted(api) == "hello"
            proxy.kill()
            async with Client(server.url, proxy=proxy.url, tls=ours.file, retry=None) as api:
                with pytest.raises(ConnectError):
                    await greeted(api)


async def test_egress_refuses_a_socket_like_any_request():
    async with FaultServer() as server:
        async with Client(egress=Egress()) as api:
            with pytest.raises(EgressDenied):
                await greeted(api, f"ws://127.0.0.1:{server.port}/ws")
        assert server.stats.connections == 0
        async with Client(egress=Egress(allow=["127.0.0.1"])) as api:
            assert await greeted(api, f"ws://127.0.0.1:{server.port}/ws") == "hello"


async def test_a_feed_goes_on_with_a_fresh_token_when_the_last_one_has_expired():
    ids, opened = [], []

    async def subscribe(ws):
        opened.append(ws.signed_headers)
        await ws.send({"subscribe": "ada", "after": ids[-1] if ids else 0})

    async with FaultServer() as server:
        auth = OAuth2ClientCredentials(f"{server.url}/oauth/token?expires_in=1.5", "demo", "secret")
        async with Client(server.url, auth=auth, retry=FAST) as api:
            path = "/ws/private?pause=0.02"
            async with api.websocket(path, model=dict[str, Any], on_open=subscribe) as ws:
                async for message in ws:
                    ids.append(message["id"])
                    if ws.reconnects == 1:
                        break
            assert ws.close_code == 1000
    assert ids == list(range(1, len(ids) + 1))
    assert len(set(opened)) == 2


@pytest.mark.parametrize("how", [{"http2": True}, {"http2": True, "trust_env": True}])
async def test_sockets_are_opened_over_http_1_1_by_a_client_of_http_2(how, ours):
    async with FaultServer(tls=ours.server()) as server, Client(server.url, tls=ours.file, **how) as api:
        assert await greeted(api) == "hello"
        assert (await api.get("/items/1")).status == 200
