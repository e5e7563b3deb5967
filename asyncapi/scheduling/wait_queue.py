"""Queue waiting tasks: by priority, fair between tenants, first come first served, safe to leave at any moment.

Limits (places, tokens) are plain numbers; only when one is exhausted does a task wait in a `WaitQueue`. There are two
cases of cancellation:

1. While the task waits: it is skipped.
2. After it was called, but before it ran: what it got is handed back through `give_back`, so that nothing is lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_FROM = 64

Weights = tuple[float, ...]


class Ticket:
    """One waiting task: `weights` is how much it needs, in as many kinds as the queue counts."""

    __slots__ = ("future", "priority", "weights")

    def __init__(self, weights: Weights, priority: int) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.weights: Weights = weights
        self.priority: int = priority


def _waits(ticket: Ticket) -> bool:
    return not ticket.future.done()


class WaitQueue:
    """Tasks that wait for their turn; `sansio/limits/fair_queue.py` orders them.

    Attributes:
        length: How many wait.
    """

    __slots__ = ("_ahead", "_kinds", "_tickets", "length")

    def __init__(self, kinds: int = 0) -> None:
        self._tickets: FairQueue[Ticket] | None = None  # most queues are never used: there is one per host
        self.length: int = 0
        self._kinds = kinds
        self._ahead: dict[int, list[float]] = {}  # by priority: the sum of weights, a figure per kind

    async def wait(
        self,
        give_back: Callable[[Weights], object],
        weights: Weights = (),
        *,
        priority: int = 0,
        tenant: str = "",
    ) -> None:
        """Wait in the queue until called.

        Args:
            give_back: Called with `weights` if the task was called but cancelled before it could run.
            weights: How much the task needs.
            priority: The higher goes first.
            tenant: Tenants of the same priority take turns.
        """
        ticket = Ticket(weights, priority)
        if self._tickets is None:
            self._tickets = FairQueue(_waits)
        self._tickets.push(ticket, priority, tenant)
        self._count(ticket, 1)
        try:
            await ticket.future
        except BaseException:
            if ticket.future.done() and not ticket.future.cancelled():  # case 2
                give_back(weights)
            else:  # case 1
                ticket.future.cancel()  # the coroutine may have been closed instead of cancelled
                self._count(ticket, -1)
                self._sweep()
            raise

    def ahead(self, priority: int) -> list[float]:
        """How much those need who would be called before a newcomer of this priority, a figure per kind."""
        sums = [0.0] * self._kinds
        for level, weights in self._ahead.items():
            if level >= priority:
                sums = [total + weight for total, weight in zip(sums, weights, strict=True)]
        return sums

    def head(self) -> Ticket | None:
        """The task whose turn it is, or None."""
        return None if self._tickets is None else self._tickets.head()

    def call(self) -> bool:
        """Call the task whose turn it is; False if nobody waits."""
        ticket = None if self._tickets is None else self._tickets.pop()
        if ticket is None:
            return False
        self._count(ticket, -1)
        ticket.future.set_result(None)
        return True

    def _count(self, ticket: Ticket, sign: int) -> None:
        self.length += sign
        if not self.length:
            self._ahead.clear()  # and with the sums what rounding has left in them
        elif ticket.weights:
            sums = self._ahead.setdefault(ticket.priority, [0.0] * self._kinds)
            for kind, weight in enumerate(ticket.weights):
                sums[kind] += sign * weight

    def _sweep(self) -> None:
        """Forget the tasks that left before their turn, once they are the greater part."""
        if self._tickets is not None and self._tickets.size > 2 * self.length + _SWEEP_FROM:
            self._tickets.prune()
