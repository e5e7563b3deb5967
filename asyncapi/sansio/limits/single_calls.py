"""Ask a pacer for single calls: what the server states binds them, what is inferred from refusals does not."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.bucket import TOLERANCE

if TYPE_CHECKING:
    from asyncapi.sansio.limits.pacing import Pacer


class SingleCalls:
    """A pacer as single calls ask it. Each method is the one of `Pacer` with `backlog=False`.

    Args:
        pacer: Decides.
    """

    __slots__ = ("_pacer",)

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def delay(self, now: float, weight: float = 1.0) -> float:
        """Seconds until an attempt may go; 0 or less if it may now."""
        return self._pacer.delay(now, weight, backlog=False)

    def forecast(self, now: float, weight: float = 1.0, ahead: float = 0.0) -> float:
        """Seconds until the turn of an attempt that so many tokens are to be taken before."""
        return self.delay(now, weight) + ahead * self.interval

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """Take a turn, if an attempt may go now."""
        return self._pacer.try_take(now, weight, backlog=False)

    def take(self, now: float, weight: float = 1.0) -> None:
        """Take a turn: an attempt is sent."""
        self._pacer.take(now, weight, backlog=False)

    def give_back(self, weight: float = 1.0) -> None:
        """Give a turn back: its attempt is not sent after all."""
        self._pacer.give_back(weight)

    def available(self, now: float) -> float:
        """Attempts that may go now: 1 or 0, or any number while no limit is known."""
        return inf if not self._pacer.active else float(self.delay(now) <= TOLERANCE)

    @property
    def interval(self) -> float:
        """Seconds between attempts, as far as the server states limits."""
        return self._pacer.interval
