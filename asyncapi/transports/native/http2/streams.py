"""The streams of one origin: one HTTP/2 connection at a time, and the queue of the requests that wait for it.

Rules:
1. All requests share one connection; when it goes away (GOAWAY), the next is made, and the old one ends its streams.
   The first requests of an origin share the first dial, however many they are.
2. Requests wait in one queue, first come first served, for the connection (phase "connect") and for a stream (phase
   "queue"). Each keeps to its own limits: `Timeout.connect`, and `wait=`.
3. Where ALPN chooses HTTP/1.1, each request gets a connection of its own, as in HTTP/1.1; every new connection asks
   again. An origin that refuses HTTP/2 (421, HTTP_1_1_REQUIRED) is not asked again by this client, unless the caller
   says that it speaks nothing else ("prior").
4. A wait for a stream is time in a queue of ours: it is moved from the attempt's duration to its `queued`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError, QueueFull, RequestTimeout, TLSError
from asyncapi.transports.failures import slow_connect
from asyncapi.transports.native.http1.connection import Connection
from asyncapi.transports.native.http2.connection import HTTP2Connection
from asyncapi.transports.native.http2.failures import NEW_ONE_CLOSED, not_begun
from asyncapi.transports.native.http2.stream import Stream
from asyncapi.transports.tls import EITHER, HTTP_2

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Request
    from asyncapi.settings import HTTP2
    from asyncapi.transports.native.exchange import Carrier
    from asyncapi.transports.native.origins import Origin

_NO_HTTP2 = "http2='prior': the server does not speak HTTP/2 over TLS (ALPN); http2=True takes HTTP/1.1 where it has to"


class Negotiated(asyncio.Protocol):
    """Becomes the protocol that ALPN has chosen (RFC 9113 section 3.2).

    Attributes:
        chosen: The connection; None before it is made.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.chosen: HTTP2Connection | Connection | None = None

    def connection_made(self, transport: Any) -> None:
        """Hand the transport over."""
        speaks = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        origin = self._streams.origin
        self.chosen = chosen = (
            HTTP2Connection(self._streams) if speaks == "h2" else Connection(origin, origin.pool.max_headers)
        )
        transport.set_protocol(chosen)
        chosen.connection_made(transport)


class _Ticket:
    """A request that waits for a stream."""

    __slots__ = ("behind", "future", "request", "since", "timer")

    def __init__(self, request: Request, future: asyncio.Future[Any]) -> None:
        self.request = request
        self.future = future  # its result is a carrier, None for a connection of HTTP/1.1 of its own, or a failure
        self.timer: asyncio.TimerHandle | None = None
        self.since: float | None = None  # when it began to wait for a stream, not for a connection
        self.behind = 0

    def settle(self, result: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.future.done():
            self.future.set_result(result)


class Streams:
    """The streams of one origin.

    Args:
        origin: The origin.
        settings: How its connections are kept.
        prior: Whether HTTP/2 is spoken without asking.

    Attributes:
        origin: As above.
        settings: As above.
        prior: As above.
        http1: Whether the last connection was HTTP/1.1's (rule 3).
        current: The connection whose streams may be used; None while there is none.
    """

    def __init__(self, origin: Origin, settings: HTTP2, *, prior: bool) -> None:
        self.origin: Origin = origin
        self.settings: HTTP2 = settings
        self.http1: bool = False
        self.current: HTTP2Connection | None = None
        self.prior: bool = prior
        self._refused = False
        self._queue: deque[_Ticket] = deque()
        self._dial: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for a stream."""
        return sum(ticket.since is not None for ticket in self._queue)

    def count(self, counts: dict[str, int]) -> None:
        """Add what is open here to the counts of the client."""
        for connection in self.origin.open:
            if isinstance(connection, HTTP2Connection):
                counts["connections"] += 1
                counts["streams"] += len(connection.streams)
        counts["waiting"] += self.waiting

    @property
    def unused(self) -> bool:
        """Whether nothing waits here."""
        return not self._queue and self._dial is None

    def take(self) -> Stream | None:
        """Return a free stream of the connection; None where the request has to wait for something."""
        connection = self.current
        if connection is None or self._queue or connection.free < 1:
            return None
        if not connection.streams and not connection.quiet():
            return None  # what has come meanwhile may be its end
        return Stream(connection)

    async def connect(self, request: Request) -> Carrier:
        """Wait for a stream, or for a connection of HTTP/1.1 where that is what the origin speaks.

        Raises:
            TransportError: No connection can be made, or not in time.
            QueueFull: No stream is free, and the call doesn't wait, or has waited for as long as it may.
            EgressDenied: The guard refuses the address.
            ConfigError: Such a place can't be connected to.
        """
        if self.http1:
            return await self._own(request)
        loop, call = self.origin.pool.loop, request.call
        call.reused = self.current is not None
        ticket = _Ticket(request, loop.create_future())
        self._queue.append(ticket)
        if self.current is None:
            self._wait_for_connection(ticket)
            self.advance()
        else:
            # the loop has to read first what may be the end of the connection: that takes it two turns
            loop.call_soon(loop.call_soon, self.advance)
        try:
            while True:
                result = await ticket.future
                if not isinstance(result, Stream) or result.ready:
                    break
                result.connection.abandon(result)  # it has gone in the turn in which its stream was promised
                if not result.connection.opened:
                    raise not_begun(NEW_ONE_CLOSED, request)
                ticket.future = loop.create_future()
                self._queue.appendleft(ticket)
                self.advance()
        except asyncio.CancelledError:
            self._leave(ticket)
            raise
        finally:
            _note_wait(ticket, loop.time())
        if result is None:
            return await self._own(request)
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]  # a carrier

    def advance(self) -> None:
        """Hand out free streams, and see to it that there is a connection for those who wait (rule 2)."""
        queue = self._queue
        while queue and self.current is not None and self.current.free > 0:
            ticket = queue.popleft()
            if ticket.future.done():
                continue
            self.current.reserved += 1
            ticket.settle(Stream(self.current, reserved=True))
        if not queue:
            return
        if self.current is None:
            for ticket in queue:
                self._wait_for_connection(ticket)
            if self._dial is None:
                pool = self.origin.pool
                self._dial = pool.loop.create_task(self._connect())
                pool.dials.add(self._dial)
                self._dial.add_done_callback(pool.dials.discard)
        else:
            for ticket in list(queue):
                self._wait_for_stream(ticket)

    def left(self, connection: HTTP2Connection) -> None:
        """Take in that a connection takes no new streams."""
        if connection is not self.current:
            return
        self.current = None
        if not connection.opened:  # a server that sends every connection away at once would be dialed for ever
            self._refuse(lambda ticket: not_begun(NEW_ONE_CLOSED, ticket.request))
        if self._queue:
            self.advance()

    def require_http1(self) -> None:
        """Remember that the origin refuses HTTP/2 (rule 3)."""
        self.http1 = self._refused = True
        self.origin.pool.speaks_http1(self.origin.key)
        self._refuse(lambda _: None)  # first, so that no connection is made for those who wait
        if self.current is not None:
            self.current.retire()

    # --- the connection ----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Make the connection that the queue waits for."""
        try:
            made = await self._make(None)
        except AsyncAPIError as error:
            self._dial = None
            self._refuse(partial(_copied, error))
        else:
            self._dial = None
            self._arrived(made)
        self.origin.forget_if_unused()

    def _arrived(self, made: HTTP2Connection | Connection) -> None:
        """Take in the new connection."""
        if isinstance(made, Connection):
            self.http1 = True
            first = next((ticket for ticket in self._queue if not ticket.future.done()), None)
            if first is None:
                made.close()
            else:
                first.settle(made)
            self._refuse(lambda _: None)
            return
        if made.gone or made.leaving:
            self._refuse(lambda ticket: not_begun(NEW_ONE_CLOSED, ticket.request))
            return
        self.current = made
        self.advance()

    async def _own(self, request: Request) -> Carrier:
        """Make a connection for one request alone."""
        request.call.phase, request.call.reused = "connect", False
        made = await self._make(request.call.settings.connect)
        if isinstance(made, Connection):
            return made
        self.http1 = False  # the server has learned it
        if self.current is None and not made.leaving:
            self.current = made
        return Stream(made)

    async def _make(self, limit: float | None) -> HTTP2Connection | Connection:
        """Dial, and take what ALPN has chosen.

        Raises:
            TransportError: As of `Dialer.dial`.
            TLSError: The server doesn't speak HTTP/2, and is to speak nothing else.
        """
        origin = self.origin
        origin.dialing += 1
        origin.pool.origins[origin.key] = origin
        try:
            made = await self._dialed(limit)
            if isinstance(made, HTTP2Connection):
                made.begin()
            origin.adopt(made)
        finally:
            origin.dialing -= 1
            origin.forget_if_unused()
        return made

    async def _dialed(self, limit: float | None) -> HTTP2Connection | Connection:
        origin, dial = self.origin, self.origin.pool.dialer.dial
        if self._refused:
            return (await dial(origin.place, partial(Connection, origin, origin.pool.max_headers), limit=limit))[1]
        if not origin.place.secure:
            return (await dial(origin.place, partial(HTTP2Connection, self), limit=limit))[1]
        offer = HTTP_2 if self.prior else EITHER
        transport, arrived = await dial(origin.place, partial(Negotiated, self), protocols=offer, limit=limit)
        chosen = arrived.chosen
        if chosen is None or (self.prior and isinstance(chosen, Connection)):
            transport.abort()
            raise TLSError(_NO_HTTP2)
        return chosen

    # --- the queue -------------------------------------------------------------------------------------------------

    def _wait_for_connection(self, ticket: _Ticket) -> None:
        call = ticket.request.call
        if ticket.since is not None:  # its connection has gone away meanwhile
            _note_wait(ticket, self.origin.pool.loop.time())
        if call.phase != "connect" or ticket.timer is None:
            call.phase, call.reused = "connect", False
            limit = call.settings.connect
            self._set_timer(ticket, limit, lambda: RequestTimeout(slow_connect(limit), phase="connect"))

    def _wait_for_stream(self, ticket: _Ticket) -> None:
        if ticket.since is not None:
            return
        call, connection = ticket.request.call, self.current
        ticket.since, ticket.behind = self.origin.pool.loop.time(), self._queue.index(ticket)
        call.phase = "queue"
        limit = call.settings.max_wait
        most = 0 if connection is None else len(connection.streams)

        def full() -> QueueFull:
            return QueueFull(f"all {most} streams of the connection to {self.origin.place.authority} are in use")

        self._set_timer(ticket, limit, full)
        if limit == 0.0:
            self._late(ticket, full)

    def _set_timer(self, ticket: _Ticket, limit: float | None, error: Callable[[], AsyncAPIError]) -> None:
        if ticket.timer is not None:
            ticket.timer.cancel()
        loop = self.origin.pool.loop
        ticket.timer = None if limit is None else loop.call_later(limit, self._late, ticket, error)

    def _late(self, ticket: _Ticket, error: Callable[[], AsyncAPIError]) -> None:
        self._leave(ticket)
        ticket.settle(error())

    def _leave(self, ticket: _Ticket) -> None:
        """Take a request out of the queue, or give back the stream that it was promised."""
        if ticket in self._queue:
            self._queue.remove(ticket)
        elif ticket.future.done() and not ticket.future.cancelled():
            result = ticket.future.result()
            if isinstance(result, Stream):
                result.connection.abandon(result)
            elif isinstance(result, Connection):
                result.close()
        if ticket.timer is not None:
            ticket.timer.cancel()
            ticket.timer = None
        if self._dial is not None and not self._queue:
            dial, self._dial = self._dial, None
            dial.cancel()

    def _refuse(self, result: Callable[[_Ticket], AsyncAPIError | None]) -> None:
        """Settle every request that waits."""
        waiting, self._queue = self._queue, deque()
        for ticket in waiting:
            ticket.settle(result(ticket))


def _note_wait(ticket: _Ticket, now: float) -> None:
    """Move the wait for a stream into the record of the attempt (rule 4)."""
    if ticket.since is None:
        return
    waited, call = now - ticket.since, ticket.request.call
    ticket.since = None
    if waited > 0 and call.attempts:
        record = call.attempts[-1]
        record.started += waited
        record.queued += waited
        text = f"stream {waited:.3g} s behind {ticket.behind}"
        record.held = f"{record.held}, {text}" if record.held else text


def _copied(error: AsyncAPIError, ticket: _Ticket) -> AsyncAPIError:
    """Return an error of the ticket's own: each gets the request and the records of its call."""
    twin = copy(error)
    twin.__cause__ = error.__cause__
    twin.__suppress_context__ = True
    twin.request = ticket.request.redacted()
    return twin
