"""The semaphore: at most `limit` attempts at a time, the rest in line, first come first served.

A free place costs one comparison; only when there is none does a task wait. A place that becomes free while others
wait is handed to the first of them, so nobody overtakes. It is given back in `finally`, synchronously.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.waiting import Line

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.types import Layer, Request, Response, Send


class Gate:
    """Places for attempts.

    Attributes:
        limit: Places in all.
        free: Places nobody has.
        line: Those who wait.
    """

    __slots__ = ("free", "limit", "line")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.free = limit
        self.line = Line()

    async def enter(self) -> None:
        """Take a place, waiting in line for it if need be."""
        if self.free > 0:  # a free place means that nobody waits: it would have been handed on
            self.free -= 1
        else:
            await self.line.wait(self.leave)

    def leave(self, _: object = None) -> None:
        """Give a place back: to the first in line, if any."""
        if not self.line.call():
            self.free += 1


def concurrency(gate: Gate, clock: Clock) -> Layer:
    """Hold a place during every attempt."""

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            if gate.free > 0:  # as `enter`, without a coroutine for the common case
                gate.free -= 1
            else:
                call = request.call
                call.phase, began = "queue", clock.now()
                await gate.line.wait(gate.leave)
                call.queued += clock.now() - began
            try:
                return await inner(request)
            finally:
                gate.leave()

        return send

    return layer
