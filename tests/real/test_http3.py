"""HTTP/3 with a real server: caddy."""

from __future__ import annotations

import asyncio

import pytest

import http3_peers
from asyncapi import TLS, Client, TLSError
from certificates import Authority

pytestmark = pytest.mark.lane("native", reason="HTTP/3 is the native lane's")

MB = 1024 * 1024
FILES = {"small": b"hello", "large": bytes(range(256)) * 40_000}


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture
def caddy(ours, upstream):
    async def echo(request, arrival):
        from aiohttp import web

        return web.Response(body=await request.read() or request.path.encode())

    upstream.answer = echo
    with http3_peers.caddy(ours, upstream.address, FILES) as peer:
        yield peer


def client(peer, ours, **settings) -> Client:
    return Client(peer.url, **{"tls": ours.file, "http3": True, "timeout": 60.0, "pace": False, **settings})


async def test_calls_move_from_http2_to_http3(caddy, ours):
    async with client(caddy, ours) as api:
        assert [(await api.get("/a")).http_version for _ in range(3)] == ["2", "3", "3"]
        responses = await api.gather([f"/{number}" for number in range(1000)])
        assert [response.text for response in responses] == [f"/{number}" for number in range(1000)]
        assert {response.http_version for response in responses} == {"3"}
    assert api._transport._pool.alive == 0


async def test_bodies_go_both_ways(caddy, ours):
    async def pieces():
        for number in range(50):
            yield bytes([number]) * 20_000

    async with client(caddy, ours, http3="prior") as api:
        response = await api.get("/files/large")
        assert (response.content, response.http_version) == (FILES["large"], "3")
        for content in (b"x", b"x" * 70_000, b"x" * (2 * MB)):
            assert (await api.post("/", content=content)).content == content
        sent = b"".join([piece async for piece in pieces()])
        # this caddy drops a body without Content-Length over HTTP/3
        response = await api.post("/", content=pieces(), headers={"Content-Length": str(len(sent))})
        assert response.content == sent
        assert (await api.head("/files/large")).content == b""


async def test_streams_are_read_slowly_or_left_early(caddy, ours):
    async with client(caddy, ours, http3="prior") as api:
        got = bytearray()
        async with api.stream("GET", "/files/large") as response:
            async for piece in response.bytes():
                got += piece
                if len(got) < 200_000:
                    await asyncio.sleep(0.05)
        assert bytes(got) == FILES["large"]
        for _ in range(20):
            async with api.stream("GET", "/files/large") as response:
                async for _ in response.bytes():
                    break
        assert (await api.get("/files/small")).content == b"hello"


async def test_cancelled_calls_leave_the_connection_alone(caddy, ours):
    async with client(caddy, ours, http3="prior") as api:
        await api.get("/a")
        for _ in range(180):
            call = asyncio.ensure_future(api.get("/files/large"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait((call,))
        responses = await api.gather(["/files/small"] * 90)
        assert {response.content for response in responses} == {b"hello"}
        assert api._transport._pool.alive == 1


async def test_a_client_certificate_is_shown(ours, upstream, tmp_path):
    with http3_peers.caddy(ours, upstream.address, FILES, asks=True) as peer:
        with_one = TLS(ca=ours.file, cert=ours.client(tmp_path))
        async with client(peer, ours, http3="prior", tls=with_one) as api:
            response = await api.get("/files/small")
            assert (response.content, response.http_version) == (b"hello", "3")
        async with client(peer, ours, http3="prior", retry=None) as api:
            with pytest.raises(TLSError, match="certificate"):
                await api.get("/files/small")
