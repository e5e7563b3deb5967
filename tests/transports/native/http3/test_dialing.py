"""A new HTTP/3 connection: names, addresses, the guard; what fails says why and leaves nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from asyncapi.clock import SYSTEM
from asyncapi.sansio.http.altsvc import Alternative
from asyncapi.sansio.http.egress import Guard
from asyncapi.transports.native.dialing.dialer import Dialer
from asyncapi.transports.native.dialing.place import Place
from asyncapi.transports.native.http3.dialing import Unreachable, dial
from asyncapi.transports.native.http3.trust import Trust
from asyncapi.transports.native.origins import Pool
from asyncapi.transports.tls import Handshakes
from http3_server import http3_server
from servers import IPV6

pytestmark = pytest.mark.filterwarnings("error")


async def hello(asked):
    asked.respond(body=b"hello")


@pytest.fixture
async def pool():
    made = Pool(keepalive=15.0, max_headers=8192)
    yield made
    made.closed = True
    await made.wait_closed()
    assert made.alive == 0


def dialing(pool, ours, *, guard=None, found=None, pins=None):
    """A function that dials, in a world where these addresses are found."""
    tls = Handshakes(ca=ours.file, pins=pins)

    async def resolve(host, port):
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    pool.dialer = Dialer(clock=SYSTEM, tls=tls, guard=guard, resolve=resolve if found is not None else None)
    trust = Trust(tls)

    async def call(server, host="", *, origin="127.0.0.1", named=False):
        place = Place.of(f"{origin}:{server.port}", secure=True)
        return await dial(pool, place, Alternative(host, server.port), trust, named=named)

    return call


async def test_a_connection_is_made(pool, ours):
    call = dialing(pool, ours)
    async with http3_server(hello, ours) as server:
        connection = await call(server)
        assert connection.places.free == 100
        assert connection.free
        assert pool.alive == 1
        connection.close()


async def test_an_address_that_is_refused_is_followed_by_the_next(pool, ours):
    call = dialing(pool, ours, found=["127.0.0.3", "127.0.0.1"])
    async with http3_server(hello, ours, "alt.example") as server:
        connection = await call(server, "alt.example", origin="alt.example")
        connection.close()


@pytest.mark.skipif(not IPV6, reason="this machine has no IPv6")
async def test_localhost_is_reached_by_whichever_family_it_is_served(pool, ours):
    call = dialing(pool, ours, found=["::1", "127.0.0.1"])
    async with http3_server(hello, ours) as server:
        connection = await call(server, origin="localhost")
        connection.close()


@pytest.mark.parametrize(
    ("settings", "host", "why"),
    [
        ({"guard": Guard(deny=["alt.example"])}, "alt.example", "alt.example is denied"),
        ({"guard": Guard(), "found": ["127.0.0.1"]}, "alt.example", "loopback"),
        ({"found": []}, "alt.example", "no address"),
        ({}, "nowhere.invalid", "does not resolve"),
        ({"found": ["127.0.0.3"]}, "alt.example", "ConnectionRefused"),
        ({"pins": ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]}, "", "not pinned"),
    ],
)
async def test_what_fails_says_why(pool, ours, settings, host, why):
    call = dialing(pool, ours, **settings)
    async with http3_server(hello, ours) as server:
        with pytest.raises(Unreachable, match=why):
            await call(server, host)
        assert server.seen == []


async def test_a_certificate_for_another_host_is_no_connection(pool, ours):
    call = dialing(pool, ours, found=["127.0.0.1"])
    async with http3_server(hello, ours, "alt.example") as server:
        with pytest.raises(Unreachable, match="certificate"):
            await call(server, "alt.example", origin="h.example")


async def test_a_cancelled_dial_leaves_no_socket(pool, ours):
    call = dialing(pool, ours)
    async with http3_server(hello, ours) as server:
        server.path.dead = True
        task = asyncio.ensure_future(call(server))
        while not pool.alive:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while pool.alive:
            await asyncio.sleep(0)
