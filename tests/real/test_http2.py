"""HTTP/2 with real servers: nginx, caddy, nghttpd, haproxy, Envoy, hypercorn."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

import asyncapi
import http2_peers
from asyncapi import Client, NotFound, Retry, blocking
from certificates import Authority
from http2_engines import engine  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.usefixtures("engine"),
    pytest.mark.lane("native", reason="HTTP/2 is the native transport's"),
]

MB = 1024 * 1024
PACKAGE = str(Path(asyncapi.__file__).parent)


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


def client(peer, ours, **settings) -> Client:
    settings.setdefault("http2", True)
    settings.setdefault("timeout", 60.0)
    settings.setdefault("pace", False)
    return Client(peer.url, tls=ours.file, **settings)


@contextlib.asynccontextmanager
async def left_nothing(api: Client):
    """Afterwards no stream is open, and when the client is closed no connection and no task is left."""
    async with api:
        yield
        pool = api._transport._pool
        for origin in pool.origins.values():
            assert not any(getattr(connection, "streams", None) for connection in origin.open)
    assert not pool.origins
    assert not pool.alive
    assert not [task for task in asyncio.all_tasks() if task.get_coro().cr_code.co_filename.startswith(PACKAGE)]


async def test_nginx_serves_bodies_both_ways_over_one_connection(ours, upstream):
    async def echo(request, arrival):
        from aiohttp import web

        return web.Response(body=await request.read())

    upstream.answer = echo
    server = "client_max_body_size 8m;"
    with http2_peers.nginx(ours, upstream.address, server=server) as peer:
        api = client(peer, ours)
        async with left_nothing(api):
            for content in (b"", b"x", b"x" * 70_000, b"x" * (2 * MB)):
                response = await api.post("/", content=content)
                assert (response.content == content, response.http_version) == (True, "2")
            assert len(await api.gather(["/x"] * 500)) == 500
            assert len(next(iter(api._transport._pool.origins.values())).open) == 1
            with pytest.raises(Exception, match="413"):
                await api.post("/", content=b"x" * (10 * MB))
            assert (await api.get("/")).status == 200


@pytest.mark.parametrize("calls", [3000, pytest.param(20_000, marks=pytest.mark.soak)])
async def test_nginx_lets_connections_go_and_no_post_is_lost_or_repeated(ours, upstream, calls):
    server = "keepalive_requests 1000;"
    with http2_peers.nginx(ours, upstream.address, server=server) as peer:
        api = client(peer, ours, retry=None)
        async with left_nothing(api):
            statuses = [
                response.status
                for response in await asyncio.gather(*[api.post(f"/{number}", json={}) for number in range(calls)])
            ]
        assert statuses == [200] * calls
        assert len(upstream.arrivals) == calls
        assert set(upstream.visits.values()) == {1}


@pytest.mark.parametrize("calls", [4000, pytest.param(20_000, marks=pytest.mark.soak)])
async def test_envoy_drains_connections_and_no_post_is_lost_or_repeated(ours, upstream, calls):
    with http2_peers.envoy(ours, upstream.address, requests_per_connection=500) as peer:
        api = client(peer, ours, retry=None)
        async with left_nothing(api):
            statuses = [
                response.status
                for response in await asyncio.gather(*[api.post(f"/{number}", json={}) for number in range(calls)])
            ]
        assert statuses == [200] * calls
        assert len(upstream.arrivals) == calls
        assert set(upstream.visits.values()) == {1}


@pytest.mark.parametrize("tls", [True, False])
async def test_caddy_speaks_it_with_and_without_tls(ours, tls):
    with http2_peers.caddy(ours, tls=tls) as peer:
        api = client(peer, ours, http2=True if tls else "prior")
        async with left_nothing(api):
            responses = await api.gather([f"/{number}" for number in range(300)])
            assert {response.http_version for response in responses} == {"2"}
            assert [response.text for response in responses] == [f"GET /{number}" for number in range(300)]
            assert (await api.post("/p", content=b"x" * 300_000)).text == "POST /p"


@pytest.mark.parametrize("tls", [True, False])
async def test_nghttpd_serves_files_and_echoes(ours, tls):
    files = {"small": b"hello", "large": bytes(range(256)) * 20_000}
    with http2_peers.nghttpd(ours, files, tls=tls) as peer:
        api = client(peer, ours, http2=True if tls else "prior")
        async with left_nothing(api):
            assert (await api.get("/small")).content == b"hello"
            assert (await api.get("/large")).content == files["large"]
            async with api.stream("GET", "/large") as response:
                assert b"".join([piece async for piece in response.bytes()]) == files["large"]
            with pytest.raises(NotFound):
                await api.get("/none")
            assert {len(response.content) for response in await api.gather(["/small"] * 400)} == {5}


async def test_haproxy_passes_requests_on(ours, upstream):
    with http2_peers.haproxy(ours, upstream.address) as peer:
        api = client(peer, ours)
        async with left_nothing(api):
            responses = await api.gather([f"/{number}" for number in range(300)])
            assert {(response.status, response.http_version) for response in responses} == {(200, "2")}
            assert (await api.post("/p", content=b"x" * 300_000)).status == 200


async def test_hypercorn_serves_an_asgi_application(ours):
    with http2_peers.hypercorn(ours) as peer:
        api = client(peer, ours)
        async with left_nothing(api):
            assert (await api.get("/a")).text == "2 GET /a 0"
            assert (await api.post("/b", content=b"x" * 200_000)).text == "2 POST /b 200000"
            assert len(await api.gather(["/c"] * 150)) == 150


async def test_cancelled_calls_leave_nginx_serving_on_the_same_connection(ours, upstream):
    async def slow(request, arrival):
        from aiohttp import web

        await asyncio.sleep(5 if request.path == "/slow" else 0)
        return web.Response()

    upstream.answer = slow
    with http2_peers.nginx(ours, upstream.address) as peer:
        api = client(peer, ours, retry=Retry(1))
        async with left_nothing(api):
            for _ in range(2):
                calls = [asyncio.create_task(api.get("/slow")) for _ in range(90)]
                await asyncio.sleep(0.3)
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
            assert [response.status for response in await api.gather(["/"] * 90)] == [200] * 90
            assert len(next(iter(api._transport._pool.origins.values())).open) == 1


def test_a_blocking_client_speaks_it(ours):
    with http2_peers.caddy(ours, tls=False) as peer, blocking.Client(peer.url, http2="prior") as api:
        response = api.get("/blocking")
        assert (response.text, response.http_version) == ("GET /blocking", "2")
        assert api.stats.http2["connections"] == 1
