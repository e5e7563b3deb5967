"""One stream of an HTTP/2 connection: it carries one exchange, as an HTTP/1.1 connection does.

Rules:
1. Nothing that happens to a stream touches its neighbours: to give up is to reset it (RST_STREAM), and the connection
   stays.
2. Room for a streamed body is given back to the server as its reader takes the bytes, and not before: what waits
   unread is bounded by the window (RFC 9113 section 5.2).
3. A response that is whole before the request is ends the upload: the stream is reset (section 8.1).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.transports.native import sending
from asyncapi.transports.native.http2.failures import INJECTION

if TYPE_CHECKING:
    from asyncapi.errors import ProtocolError
    from asyncapi.sansio.http2.events import Head
    from asyncapi.transports.native.exchange import Exchange
    from asyncapi.transports.native.http2.connection import HTTP2Connection


class Stream:
    """A stream: a place for one request, until `start` or `upload` opens it.

    Args:
        connection: The connection that it is on.
        reserved: Whether the connection keeps the place free until then.

    Attributes:
        connection: As above.
        id: The stream's identifier; 0 until it is open.
        exchange: What it carries, from then on.
        head: The final head, while nothing is known of the body.
        sent: Whether the whole request is sent.
        written: Whether its head has been written to the connection.
        heard: How often the connection had received something when the stream was opened.
    """

    __slots__ = (
        "_proceed", "_rest", "_room", "_unread", "connection", "exchange", "head", "heard", "id", "reserved", "sent",
        "written",
    )  # fmt: skip

    exchange: Exchange

    def __init__(self, connection: HTTP2Connection, *, reserved: bool = False) -> None:
        self.connection: HTTP2Connection = connection
        self.reserved: bool = reserved
        self.id: int = 0
        self.head: Head | None = None
        self.sent: bool = False
        self.written: bool = False
        self.heard: int = 0
        self._rest: memoryview | None = None  # of a small body, what the windows have not allowed yet
        self._unread = 0  # bytes of a streamed body for which no room was given back yet (rule 2)
        self._room: asyncio.Future[None] | None = None  # there while an upload waits for its windows
        self._proceed: asyncio.Future[None] | None = None  # there while `100 Continue` is waited for

    @property
    def open(self) -> bool:
        """Whether something may still come of it."""
        return self.id in self.connection.streams

    @property
    def ready(self) -> bool:
        """Whether it can be opened."""
        return not self.connection.leaving and self.connection.engine.free > 0

    # --- what the transport calls: it is a `Carrier` -----------------------------------------------------------------

    def start(self, exchange: Exchange) -> None:
        """Send a request that has no body, or a small one."""
        content = exchange.request.content
        self._begin(exchange, end=not content)
        if content and self.open:
            self._rest = memoryview(content)  # type: ignore[arg-type]  # the transport knows that it is bytes
            self.go_on()

    async def upload(self, exchange: Exchange) -> None:
        """Send a request with a body that is large, streamed or waits for `100 Continue`."""
        self._begin(exchange, end=False)
        if "Expect" in exchange.headers and self.open:
            self._proceed = exchange.waiter.get_loop().create_future()
            proceeds = await sending.wait_to_proceed(self._proceed, exchange)
            self._proceed = None
            if not proceeds:
                return
        await sending.send(exchange, self._write, self._end)

    def _end(self) -> None:
        if self.open:
            self.connection.engine.send(self.id, b"", end=True)
            self.connection.write_soon()
            self.sent = True

    def abandon(self, exchange: Exchange) -> None:
        """Reset the stream where it is still open (rule 1), and give back the room of what nobody will read."""
        del exchange
        self.connection.abandon(self)
        self._give_back(self._unread)

    def pause(self, exchange: Exchange) -> None:
        """Do nothing: the window holds the server back (rule 2)."""

    def resume(self, exchange: Exchange, count: int) -> None:
        """Give room back for what was read (rule 2)."""
        del exchange
        self._give_back(count)

    def _begin(self, exchange: Exchange, *, end: bool) -> None:
        self.exchange, self.sent = exchange, end
        exchange.look()
        try:
            self.connection.open_stream(self, end=end)
        except ValueError:
            raise ConfigError(INJECTION, request=exchange.request) from None

    def _give_back(self, count: int) -> None:
        if count:
            self._unread -= count
            self.connection.engine.acknowledge(self.id, count)
            self.connection.write_soon()

    # --- what the connection calls -----------------------------------------------------------------------------------

    def take(self, data: bytes) -> ProtocolError | None:
        """Take in a piece of the body; returns the failure where it is too large."""
        exchange = self.exchange
        if exchange.body is None:  # collected: max_body bounds it
            self.connection.engine.acknowledge(self.id, len(data))
        else:
            self._unread += len(data)
        return exchange.feed(data)

    def go_on(self) -> None:
        """Send on, now that the windows allow it."""
        rest = self._rest
        if rest is not None:
            taken = self.connection.engine.send(self.id, rest, end=True)
            self._rest = rest[taken:] if taken < len(rest) else None
            self.sent = self._rest is None
            self.connection.write_soon()
        self.wake()

    def proceed(self) -> None:
        """Take in a `100 Continue`."""
        if self._proceed is not None and not self._proceed.done():
            self._proceed.set_result(None)

    def wake(self) -> None:
        """Let an upload look again: there is room, or the stream has ended."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _write(self, data: bytes) -> bool:
        """Send a piece as the windows allow; returns False where nobody takes more (rule 3)."""
        connection, left = self.connection, memoryview(data)
        while self.open:
            if connection.drained is not None:
                await asyncio.shield(connection.drained)
                continue
            taken = connection.engine.send(self.id, left, end=False)
            connection.write_soon()
            if taken == len(left):
                return True
            left = left[taken:]
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
        return False
