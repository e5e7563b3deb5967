"""Start, stop, and what is in flight meanwhile."""

from __future__ import annotations

import asyncio
import ssl
import time

import aiohttp
import pytest
import trustme

from asyncapi.errors import ConfigError
from asyncapi.serve import FaultServer


async def test_it_listens_on_a_free_loopback_port_and_refuses_after_its_close():
    async with FaultServer() as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        async with aiohttp.ClientSession() as http:
            assert (await http.get(f"{server.url}/items/7")).status == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_close_lets_a_request_in_flight_end():
    async with aiohttp.ClientSession() as http:
        server = FaultServer(grace=10)
        await server.start()
        answer = asyncio.create_task(http.get(f"{server.url}/delay/0.3"))
        await in_flight(server, 1)
        await server.aclose()
        assert (await answer).status == 200


@pytest.mark.parametrize("grace", [0, 0.1])
async def test_a_close_cuts_off_what_outlasts_its_grace_and_leaves_no_task(grace):
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        server = FaultServer(grace=grace)
        await server.start()
        answers = [asyncio.create_task(http.get(f"{server.url}/delay/60")) for _ in range(5)]
        await in_flight(server, 5)
        started = time.monotonic()
        await server.aclose()
        assert time.monotonic() - started < 10
        for answer in answers:
            with pytest.raises(aiohttp.ClientError):
                await answer
    assert server.stats.in_flight == 0
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_a_close_does_not_wait_for_idle_connections():
    server = FaultServer(grace=60)
    await server.start()
    async with aiohttp.ClientSession() as http:
        await (await http.get(f"{server.url}/items/7")).read()
        async with asyncio.timeout(10):
            await server.aclose()
            await server.aclose()


async def test_a_port_in_use_is_one_clear_error(server):
    with pytest.raises(ConfigError, match=rf"port {server.port}: address already in use; choose another port"):
        await FaultServer(port=server.port).start()


async def test_an_address_of_another_machine_is_one_clear_error():
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        await FaultServer(host="192.0.2.1").start()


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ConfigError, match="a port is a number from 0 to 65535"):
        FaultServer(port=port)


async def test_it_serves_https():
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with FaultServer(tls=tls) as server, aiohttp.ClientSession(server.url) as http:
        assert server.url.startswith("https://")
        assert (await http.get("/items/7", ssl=trusting)).status == 200


async def test_the_log_gets_a_line_per_request():
    lines = []
    async with FaultServer(log=lines.append) as server, aiohttp.ClientSession(server.url) as http:
        await http.get("/status/404?x=1")
    assert len(lines) == 1
    assert lines[0].startswith("GET /status/404?x=1 404 ")


async def in_flight(server, count):
    """Wait until the server has so many requests in its hands."""
    async with asyncio.timeout(10):
        while server.stats.in_flight < count:
            await asyncio.sleep(0.005)
