"""The body of a streamed call: bytes as they come, and a server that is held back while nobody reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError

if TYPE_CHECKING:
    from asyncapi.transports.native.exchange import Exchange

UNREAD = 64 * 1024  # bytes that may wait for their reader before the connection is paused


class IncomingBody:
    """A body that one reader pulls.

    Args:
        exchange: The exchange that it is the body of.
    """

    __slots__ = ("_error", "_exchange", "_over", "_paused", "_pieces", "_size", "_waiter")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._over = self._paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def over(self) -> bool:
        """Whether its end has come, or a failure."""
        return self._over or self._error is not None

    def push(self, data: bytes) -> None:
        """Take in bytes; many that nobody reads pause the connection."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > UNREAD and not self._paused:
            self._paused = True
            self._exchange.carrier.pause(self._exchange)
        self._wake()

    def finish(self) -> None:
        """Take in its end."""
        self._over = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Take in that it broke off; what has come before is read first."""
        if not self.over:
            self._error = error
            self._wake()

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end. Cancelling it loses nothing.

        Raises:
            TransportError: It broke off.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._over:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces = self._pieces
        data = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        self._paused = False
        self._exchange.carrier.resume(self._exchange, len(data))
        return data

    def stop(self) -> None:
        """Let go of the connection: it is used again only where the body was received to its end."""
        self.fail(ProtocolError("the stream was closed before its end", request=self._exchange.request))
        self._exchange.let_go()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
