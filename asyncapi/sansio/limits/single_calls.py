"""A pacer as single calls ask it: what is told binds them, what is inferred does not."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.bucket import TOLERANCE

if TYPE_CHECKING:
    from asyncapi.sansio.limits.pacing import Pacer


class SingleCalls:
    """A pacer as single calls ask it: what is inferred does not bind them.

    Args:
        pacer: Decides.
    """

    __slots__ = ("_pacer",)

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def delay(self, now: float, weight: float = 1.0) -> float:
        """As of `Pacer`."""
        return self._pacer.delay(now, weight, backlog=False)

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """As of `Pacer`."""
        return self._pacer.try_take(now, weight, backlog=False)

    def take(self, now: float, weight: float = 1.0) -> None:
        """As of `Pacer`."""
        self._pacer.take(now, weight, backlog=False)

    def give_back(self, weight: float = 1.0) -> None:
        """As of `Pacer`."""
        self._pacer.give_back(weight)

    def available(self, now: float) -> float:
        """As of `Pacer`."""
        return inf if not self._pacer.active else float(self.delay(now) <= TOLERANCE)

    @property
    def interval(self) -> float:
        """As of `Pacer`."""
        return self._pacer.interval
