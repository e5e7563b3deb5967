"""Where connections lead to: the origins of one transport, their idle connections, and the making of new ones.

Rules:
1. The connection that went idle last is used first: the others age, and are closed together by one timer.
2. Connections are unbounded: the concurrency layer, which is the one queue, bounds them.
3. The request that finds no idle connection waits for one of its own. Its origin is one object from then on, however
   many requests come at once.
4. An origin without connections is forgotten: a client that calls a million hosts holds those in use.
5. New TLS files retire the connections that were made with the old ones: idle ones at once, the others after
   their response.
6. Small heads that are sent in one turn of the loop are written at its end, together: the process wakes its peers, and
   warms its caches, once.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.transports.native.dialing.tunnels import forwarder
from asyncapi.transports.native.http1.connection import Connection
from asyncapi.transports.native.http1.head import Heads
from asyncapi.transports.native.http2.fields import FieldLines

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.transports.native.dialing.dialer import Dialer
    from asyncapi.transports.native.dialing.place import Place
    from asyncapi.transports.native.exchange import Carrier
    from asyncapi.transports.native.http2.connection import HTTP2Connection
    from asyncapi.transports.native.http2.streams import Streams
    from asyncapi.transports.native.http3.alternatives import Alternatives

_REMEMBERED = 10_000  # origins that refuse HTTP/2


class Origin:
    """The connections to one place.

    Args:
        pool: The pool that it belongs to.
        key: What the pool knows it by.
        place: Where the connections lead to.

    Attributes:
        host: The line of `Host`.
        proxied: Scheme and host, where an HTTP proxy forwards the requests; else "".
        authorization: The line of `Proxy-Authorization` for that proxy, or "".
        idle: Those that wait to be used again, the youngest last.
        open: All of them.
        dialing: How many requests wait for a new connection.
        streams: Its HTTP/2; None where HTTP/1.1 alone is spoken.
    """

    __slots__ = ("authorization", "dialing", "host", "idle", "key", "open", "place", "pool", "proxied", "streams")

    def __init__(self, pool: Pool, key: Any, place: Place) -> None:
        self.pool: Pool = pool
        self.key: Any = key
        self.place: Place = place
        self.host: str = f"Host: {place.authority}\r\n"
        proxy = None if place.proxy is None else forwarder(place)
        self.proxied: str = "" if proxy is None else f"http://{place.authority}"
        known = proxy is not None and proxy.authorization
        self.authorization: str = f"Proxy-Authorization: {known}\r\n" if known else ""
        self.idle: list[Connection] = []
        self.open: set[Connection | HTTP2Connection] = set()
        self.dialing: int = 0
        self.streams: Streams | None = None

    def take(self) -> Carrier | None:
        """Return an idle connection (rule 1), or a stream of HTTP/2's; None where there is none."""
        if self.streams is not None and (stream := self.streams.take()) is not None:
            return stream
        idle, pool = self.idle, self.pool
        while idle:
            connection = idle.pop()
            if connection.idle_since >= pool.loop.time() - pool.keepalive and connection.usable():
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        pool = self.pool
        connection.idle_since = pool.loop.time()
        self.idle.append(connection)
        if pool.sweeper is None:
            pool.sweep_later()

    def adopt(self, connection: Connection | HTTP2Connection) -> None:
        """Take in a new connection, which may be lost in the turn in which it was made."""
        if not connection.gone:
            self.open.add(connection)
            self.pool.lives(connection)

    def forget(self, connection: Connection | HTTP2Connection) -> None:
        """Take in that a connection is closed; among the idle ones, where it may still be, nobody takes it."""
        self.open.discard(connection)
        self.forget_if_unused()

    def forget_if_unused(self) -> None:
        """Leave the pool where nothing is left (rule 4)."""
        if self.open or self.dialing or self.pool.origins.get(self.key) is not self:
            return
        if self.streams is None or self.streams.unused:
            del self.pool.origins[self.key]

    async def connect(self, request: Request) -> Carrier:
        """Make a new connection for a request (rule 3).

        Raises:
            TransportError: It can't be made, or not in time.
            EgressDenied: The guard refuses the address.
            ConfigError: Such a place can't be connected to.
        """
        call, pool = request.call, self.pool
        if self.streams is not None:
            return await self.streams.connect(request)
        call.phase, call.reused = "connect", False
        self.dialing += 1
        pool.origins[self.key] = self  # `take` may have closed the last of its connections
        try:
            _, connection = await pool.dialer.dial(
                self.place, partial(Connection, self, pool.max_headers), limit=call.settings.connect
            )
            self.adopt(connection)
        finally:
            self.dialing -= 1
            self.forget_if_unused()
        return connection


class Pool:
    """All connections of one transport.

    Args:
        keepalive: Seconds an idle connection is kept.
        max_headers: Most bytes of a response's header section.

    Attributes:
        dialer: Makes connections.
        origins: Those that have connections, or requests that wait for one.
        loop: The loop that the connections live in.
        closed: Whether the transport is closed.
        heads: Writes the heads of requests.
        sweeper: The timer that closes old idle connections; None while there are none.
        fields: Makes the header lines of requests over HTTP/2.
        refused: How many streams the servers have refused.
        http1: The origins that refuse HTTP/2, by their keys.
        dials: The tasks that make connections for HTTP/2.
        alternatives: Its HTTP/3; None where that is not spoken.
    """

    dialer: Dialer

    def __init__(self, *, keepalive: float, max_headers: int) -> None:
        self.keepalive: float = keepalive
        self.max_headers: int = max_headers
        self.origins: dict[Any, Origin] = {}
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.closed: bool = False
        self._living: set[object] = set()  # those that a dial has returned: uvloop tells no other of its end
        self._quiet: asyncio.Future[None] | None = None
        self.heads: Heads = Heads()
        self.sweeper: asyncio.TimerHandle | None = None
        self.fields: FieldLines = FieldLines()
        self.refused: int = 0
        self.http1: dict[Any, None] = {}
        self.dials: set[asyncio.Task[None]] = set()
        self.alternatives: Alternatives | None = None
        self._unwritten: list[tuple[Connection, bytes]] = []

    def write_later(self, connection: Connection, head: bytes) -> None:
        """Write a head at the end of this turn of the loop (rule 6)."""
        if not self._unwritten:
            self.loop.call_soon(self._write)
        self._unwritten.append((connection, head))

    def _write(self) -> None:
        heads, self._unwritten = self._unwritten, []
        for connection, head in heads:
            if not connection.gone:  # its exchange was cancelled meanwhile
                connection.transport.write(head)

    def retire(self) -> None:
        """Let go of all TLS connections (rule 5)."""
        for origin in list(self.origins.values()):
            if origin.place.secure:
                for connection in list(origin.open):
                    connection.retire()
        if self.alternatives is not None:
            self.alternatives.retire()

    def sweep_later(self) -> None:
        """Look after the idle connections in a while (rule 1)."""
        self.sweeper = self.loop.call_later(self.keepalive, self._sweep)

    def _sweep(self) -> None:
        self.sweeper = None
        oldest, left = self.loop.time() - self.keepalive, False
        for origin in list(self.origins.values()):
            for connection in origin.idle:
                if connection.idle_since <= oldest:
                    connection.close()
            origin.idle = [each for each in origin.idle if not each.gone]
            left = left or bool(origin.idle)
        if left:
            self.sweep_later()

    def close(self) -> None:
        """Close every connection; requests that wait for one fail."""
        self.closed = True
        if self.loop.is_closed():  # a program that has ended without closing its client: the system closes the sockets
            return
        if self.sweeper is not None:
            self.sweeper.cancel()
            self.sweeper = None
        self.dialer.close()
        for origin in list(self.origins.values()):
            for connection in list(origin.open):
                connection.shut()
        if self.alternatives is not None:
            self.alternatives.close()

    def speaks_http1(self, key: Any) -> None:
        """Remember an origin that refuses HTTP/2, for as long as the client lives."""
        if len(self.http1) >= _REMEMBERED:
            del self.http1[next(iter(self.http1))]
        self.http1[key] = None

    @property
    def alive(self) -> int:
        """How many connections the system still has."""
        return len(self._living)

    def lives(self, connection: object) -> None:
        """Take in that a connection is there, until it is `lost`."""
        self._living.add(connection)

    def lost(self, connection: object) -> None:
        """Take in that the system has closed a connection."""
        self._living.discard(connection)
        if self._quiet is not None and not self.alive and not self._quiet.done():
            self._quiet.set_result(None)

    def abandon(self) -> None:
        """Do nothing in a forked process: the connections are its parent's."""

    async def wait_closed(self) -> None:
        """Wait until the system has closed every connection, which takes it a turn of the loop or two."""
        if self.alternatives is not None:
            await self.alternatives.wait_closed()
        if self.dials:
            await asyncio.wait(self.dials)
        if self.alive and not self.loop.is_closed():
            self._quiet = self._quiet or self.loop.create_future()  # two may wait
            await asyncio.wait((self._quiet,), timeout=1.0)

    def check_open(self) -> None:
        """Check that the transport is open.

        Raises:
            ConfigError: It is closed.
        """
        if self.closed:
            raise ConfigError("this client is closed: make a new one")
