"""Speak to a Redis server over one connection of redis-py: questions go out as they come, replies come in their order.

redis-py opens the connection (TLS, sockets, user and password) and reads the protocol. Its pool, and its time-out for
each read, cost more than a question itself: one task reads all replies, and one timer for each question is enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PASSES = 3  # of the event loop, in which a reply that is there already is read


class Wire:
    """One open connection.

    Args:
        connection: redis-py's, connected.
        failures: `redis.exceptions`.
        lost: Called once with the error when it breaks.
    """

    def __init__(self, connection: Any, failures: Any, lost: Callable[[Exception], object]) -> None:
        self._connection = connection
        self._failures = failures
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._awaited: deque[asyncio.Future[Any]] = deque()
        self._reader = self._loop.create_task(self._read())
        self._broken: Exception | None = None

    async def ask(self, *parts: Any, timeout: float) -> Any:
        """Send a command, and return the reply.

        Raises:
            TimeoutError: No reply came in so many seconds; the connection is given up, since replies have no names.
            RedisError, OSError: It broke, or the server refuses.
        """
        if self._broken is not None:
            raise self._broken
        reply = self._loop.create_future()
        self._awaited.append(reply)
        timer = self._loop.call_later(timeout, self._overdue, reply, _PASSES)
        try:
            await self._connection.send_packed_command(self._connection.pack_command(*parts), check_health=False)
            return await reply
        except (self._failures.ConnectionError, OSError) as error:
            self._break(error)
            raise
        finally:
            # a caller that is cancelled: its reply will be read, and dropped, or be found to be overdue
            if reply.done() and not reply.cancelled():
                timer.cancel()
            reply.cancel()

    def close(self) -> None:
        """Close it; nobody is told."""
        if self._broken is None:
            self._lost = _nobody
            self._break(ConnectionError("closed"))

    async def closed(self) -> None:
        """Wait until its task has ended, and its socket is closed."""
        await asyncio.wait((self._reader,))
        await self._connection.disconnect(nowait=True)

    def _overdue(self, reply: asyncio.Future[Any], passes: int) -> None:
        """Give a question up. The time may have passed in this process, with the reply waiting to be read."""
        if reply not in self._awaited:
            return
        if passes:
            self._loop.call_soon(self._overdue, reply, passes - 1)
        else:
            self._break(TimeoutError())

    async def _read(self) -> None:
        """Read replies as they come."""
        try:
            while True:
                try:
                    result = await self._connection.read_response()
                except self._failures.ResponseError as error:
                    self._settle(error=error)
                else:
                    self._settle(result)
        except (self._failures.RedisError, OSError) as error:
            self._break(error)

    def _settle(self, result: Any = None, error: Exception | None = None) -> None:
        """Hand a reply to whoever has asked first."""
        if not self._awaited:
            return
        reply = self._awaited.popleft()
        if not reply.done():
            if error is None:
                reply.set_result(result)
            else:
                reply.set_exception(error)

    def _break(self, error: Exception) -> None:
        """End with an error, for all who wait."""
        if self._broken is not None:
            return
        self._broken = error
        self._reader.cancel()
        while self._awaited:
            reply = self._awaited.popleft()
            if not reply.done():
                reply.set_exception(error)
        self._lost(error)


def _nobody(_: Exception) -> None:
    """Tell nobody."""
