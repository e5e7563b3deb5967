"""The requests that wait for room on one HTTP/3 connection: first come, first served.

A server says how many streams may be opened in all (RFC 9000 section 4.6), and raises that number as streams end. qh3
takes no stream beyond it, so requests wait here. That is time in a queue of ours: it is moved from the attempt's
duration to its `queued`, and `wait=` bounds it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from asyncapi.errors import QueueFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.call import Call


class Places:
    """The queue of one connection.

    Args:
        room: Returns how many streams may be opened now.
        name: The host and port, as errors name them.

    Attributes:
        over: Whether no request is admitted any more.
    """

    __slots__ = ("_name", "_promised", "_queue", "_room", "over")

    def __init__(self, room: Callable[[], int], name: str) -> None:
        self._room = room
        self._name = name
        self._queue: deque[asyncio.Future[bool]] = deque()
        self._promised = 0  # places that were given to waiting requests, which they have yet to take
        self.over: bool = False

    @property
    def free(self) -> int:
        """How many requests are admitted without waiting."""
        return 0 if self.over or self._queue else self._room() - self._promised

    @property
    def waiting(self) -> int:
        """How many requests wait, or have yet to take the place that they were given."""
        return len(self._queue) + self._promised

    async def wait(self, call: Call) -> bool:
        """Wait for a place, in turn; False where there will be none. It has to be taken in the same turn of the loop.

        Raises:
            QueueFull: The call doesn't wait, or has waited for as long as it may.
        """
        if self.over or self.free > 0:
            return not self.over
        loop = asyncio.get_running_loop()
        began, before = loop.time(), len(self._queue)
        call.phase = "queue"
        waiter: asyncio.Future[bool] = loop.create_future()
        if call.settings.max_wait != 0.0:
            self._queue.append(waiter)
        try:
            if call.settings.max_wait is None:
                admitted = await waiter
            else:
                async with asyncio.timeout(call.settings.max_wait):
                    admitted = await waiter
        except (asyncio.CancelledError, TimeoutError) as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise QueueFull(f"all streams of the connection to {self._name} are in use") from None
            raise
        finally:
            _note_wait(call, loop.time() - began, before)
        self._promised -= admitted
        return admitted

    def admit(self) -> None:
        """Give places to those who wait, in turn; or the news that there will be none."""
        queue = self._queue
        while queue and (self.over or self._room() > self._promised):
            waiter = queue.popleft()
            if not waiter.done():
                waiter.set_result(not self.over)
                self._promised += not self.over

    def close(self) -> None:
        """Admit nobody any more."""
        self.over = True
        self.admit()

    def _leave(self, waiter: asyncio.Future[bool]) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif waiter.done() and not waiter.cancelled():
            self._promised -= waiter.result()
            self.admit()


def _note_wait(call: Call, waited: float, before: int) -> None:
    """Move a wait from the attempt's duration to its `queued`."""
    if not call.attempts:
        return
    record = call.attempts[-1]
    record.started += waited
    record.queued += waited
    text = f"stream {waited:.3g} s behind {before}"
    record.held = f"{record.held}, {text}" if record.held else text
