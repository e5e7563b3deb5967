"""Where connections lead to: the origins of one transport, their idle connections, and the making of new ones.

Rules:
1. The connection that went idle last is used first: the others age, and are closed together by one timer.
2. Connections are unbounded: the concurrency layer, which is the one queue, bounds them.
3. The request that finds no idle connection waits for one of its own. Its origin is one object from then on, however
   many requests come at once.
4. An origin without connections is forgotten: a client that calls a million hosts holds those in use.
5. New TLS files retire the connections that were made with the old ones: idle ones at once, others after their response.
6. Small heads that are sent in one turn of the loop are written at its end, together: the process wakes its peers, and
   warms its caches, once.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError, final_error
from asyncapi.transports.native.connection import Connection

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.transports.native.dialing import Dialer
    from asyncapi.transports.native.place import Place


class Origin:
    """The connections to one place.

    Args:
        pool: The pool that it belongs to.
        key: What the pool knows it by.
        place: Where the connections lead to.

    Attributes:
        idle: Those that wait to be used again, the youngest last.
        open: All of them.
        dialing: How many requests wait for a new connection.
    """

    __slots__ = ("dialing", "host", "idle", "key", "open", "place", "pool", "proxied")

    def __init__(self, pool: Pool, key: Any, place: Place) -> None:
        self.pool: Pool = pool
        self.key: Any = key
        self.place: Place = place
        self.host: str = f"Host: {place.authority}\r\n"
        self.proxied: str = ""
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()
        self.dialing: int = 0

    def take(self) -> Connection | None:
        """Return an idle connection (rule 1), or None."""
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

    def forget(self, connection: Connection) -> None:
        """Take in that a connection is closed."""
        if connection in self.idle:
            self.idle.remove(connection)
        self.open.discard(connection)
        self.forget_if_unused()

    def forget_if_unused(self) -> None:
        """Leave the pool where nothing is left (rule 4)."""
        if not self.open and not self.dialing and self.pool.origins.get(self.key) is self:
            del self.pool.origins[self.key]

    async def connect(self, request: Request) -> Connection:
        """Make a new connection for a request (rule 3).

        Raises:
            TransportError: It can't be made, or not in time.
            EgressDenied: The guard refuses the address.
        """
        call, pool = request.call, self.pool
        call.phase, call.reused = "connect", False
        self.dialing += 1
        pool.origins[self.key] = self  # `take` may have closed the last of its connections
        task = pool.loop.create_task(self._dial(call.settings.connect))
        pool.dials.add(task)
        task.add_done_callback(pool.dials.discard)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.add_done_callback(_close_unused)
            task.cancel()
            raise
        finally:
            self.dialing -= 1
            self.forget_if_unused()
        if task.cancelled():
            raise final_error("the client was closed while the request was under way", request)
        connection = task.result()
        call.phase = "headers"
        return connection

    async def _dial(self, limit: float | None) -> Connection:
        pool = self.pool
        factory = partial(Connection, self, pool.max_headers)
        _, connection = await pool.dialer.dial(self.place, factory, limit=limit)
        assert isinstance(connection, Connection)  # noqa: S101 - the factory's
        self.open.add(connection)
        if connection.gone:  # it was lost in the turn in which it was made
            self.open.discard(connection)
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
        alive: How many connections the system still has.
        dials: The tasks that make new connections.
        sweeper: The timer that closes old idle connections; None while there are none.
    """

    dialer: Dialer

    def __init__(self, *, keepalive: float, max_headers: int) -> None:
        self.keepalive: float = keepalive
        self.max_headers: int = max_headers
        self.origins: dict[Any, Origin] = {}
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.closed: bool = False
        self.alive: int = 0
        self._quiet: asyncio.Future[None] | None = None
        self.dials: set[asyncio.Task[Connection]] = set()
        self.sweeper: asyncio.TimerHandle | None = None
        self._heads: list[tuple[Connection, bytes]] = []

    def write_later(self, connection: Connection, head: bytes) -> None:
        """Write a head at the end of this turn of the loop (rule 6)."""
        if not self._heads:
            self.loop.call_soon(self._write)
        self._heads.append((connection, head))

    def _write(self) -> None:
        heads, self._heads = self._heads, []
        for connection, head in heads:
            if not connection.gone:  # its exchange was cancelled meanwhile
                connection.transport.write(head)

    def retire(self) -> None:
        """Let go of all TLS connections (rule 5)."""
        for origin in list(self.origins.values()):
            if origin.place.secure:
                for connection in list(origin.open):
                    if connection.exchange is None:
                        connection.close()
                    else:
                        connection.retired = True

    def sweep_later(self) -> None:
        """Look after the idle connections in a while (rule 1)."""
        self.sweeper = self.loop.call_later(self.keepalive, self._sweep)

    def _sweep(self) -> None:
        self.sweeper = None
        oldest, left = self.loop.time() - self.keepalive, False
        for origin in list(self.origins.values()):
            for connection in [each for each in origin.idle if each.idle_since <= oldest]:
                connection.close()
            left = left or bool(origin.idle)
        if left:
            self.sweep_later()

    def close(self) -> None:
        """Close every connection; requests that wait for one fail."""
        self.closed = True
        if self.sweeper is not None:
            self.sweeper.cancel()
            self.sweeper = None
        for task in self.dials:
            task.cancel()
        for origin in list(self.origins.values()):
            for connection in list(origin.open):
                if (exchange := connection.exchange) is not None:
                    connection.fail(
                        final_error("the client was closed while the request was under way", exchange.request)
                    )
                else:
                    connection.close()

    def lost(self) -> None:
        """Take in that the system has closed a connection."""
        self.alive -= 1
        if self._quiet is not None and not self.alive and not self._quiet.done():
            self._quiet.set_result(None)

    def abandon(self) -> None:
        """Do nothing in a forked process: the connections are its parent's."""

    async def wait_closed(self) -> None:
        """Wait until the system has closed every connection, which takes it a turn of the loop or two."""
        if self.dials:
            await asyncio.wait(self.dials)
        if self.alive:
            self._quiet = self.loop.create_future()
            await asyncio.wait((self._quiet,), timeout=1.0)

    def check_open(self) -> None:
        """Check that the transport is open.

        Raises:
            ConfigError: It is closed.
        """
        if self.closed:
            raise ConfigError("this client is closed: make a new one")


def _close_unused(task: asyncio.Task[Connection]) -> None:
    """Close a connection that was made although its request was cancelled."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
