"""What tests of connections share: a protocol that notes what happens to it, and how to see what is left open."""

from __future__ import annotations

import asyncio
from typing import Any

from asyncapi.clock import SYSTEM
from asyncapi.transports.native.dialing.dialer import Dialer
from asyncapi.transports.native.dialing.place import Place
from asyncapi.transports.tls import Handshakes


class Wire(asyncio.Protocol):
    """One end of a connection.

    Attributes:
        transport: Its transport, once it is connected.
        came: What has come.
        lost: Whether it is closed.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.came = bytearray()
        self.lost = False
        self._news = asyncio.Event()

    def connection_made(self, transport) -> None:
        assert self.transport is None, "a protocol is connected once"
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None, "nothing comes before the connection"
        self.came += data
        self._news.set()

    def connection_lost(self, error) -> None:
        self.lost = True
        self._news.set()

    async def reads(self, number: int) -> bytes:
        """The first bytes that come."""
        async with asyncio.timeout(20):
            while len(self.came) < number and not self.lost:
                self._news.clear()
                await self._news.wait()
        return bytes(self.came)


def dialer(**settings) -> Dialer:
    """A dialer of the system's own clock, which trusts what the system trusts."""
    return Dialer(**{"clock": SYSTEM, "tls": Handshakes(), **settings})


def place(url: str, proxy: str | None = None) -> Place:
    """The place that a URL names."""
    scheme, _, authority = url.partition("://")
    return Place.of(authority.partition("/")[0], secure=scheme == "https", proxy=proxy)


def resolving(**addresses):
    """A resolver that knows these names only, a dot as an underscore: each has a list of addresses."""

    async def resolve(host, port):
        found = addresses.get(host.rstrip(".").replace(".", "_"))
        if found is None:
            raise OSError(f"no such host: {host}")
        loop = asyncio.get_running_loop()
        return [info for each in found for info in await loop.getaddrinfo(each, port, type=1)]

    return resolve


async def hung_up(server) -> None:
    """Wait until all connections to a server, whose script waits for that, are closed by the client."""
    while server.tasks:
        await asyncio.wait(server.tasks)


async def settled() -> None:
    """Let the loop do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)
