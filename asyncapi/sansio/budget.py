"""A retry budget: retries may be a share of the traffic, plus a small floor.

Every call pays in `ratio` of a token, every retry takes a whole one out, so that a host which fails every call
receives at most (1 + ratio) times what was offered. What was paid in but not used is kept only up to what the last
ten seconds of traffic justify. The floor lets a quiet client retry: it is there from the start and refills over a
minute. The idea is Finagle's `RetryBudget` (Twitter) and tower's `budget`.
"""

from __future__ import annotations

_WINDOW = 10.0  # seconds of traffic whose unused share may be kept
_REFILL = 60.0  # seconds in which the floor refills


class RetryBudget:
    """Tokens for retries towards one host.

    Args:
        ratio: Tokens paid in by each call.
        floor: Tokens there from the start, refilled over a minute.
    """

    __slots__ = ("_floor", "_free", "_last", "_ratio", "_recent", "_shared", "_window_ends")

    def __init__(self, ratio: float, floor: float) -> None:
        self._ratio = ratio
        self._floor = floor
        self._free = floor  # what is left of the floor
        self._shared = 0.0  # what calls have paid in
        self._recent = [0.0, 0.0]  # paid in during the last window and in this one
        self._window_ends = float("-inf")
        self._last = float("-inf")

    def deposit(self, now: float) -> None:
        """A call was made (not a retry)."""
        if now >= self._window_ends:
            self._turn(now)
        self._recent[1] += self._ratio
        self._shared += self._ratio

    def withdraw(self, now: float) -> bool:
        """Whether a retry may be sent; if so it is paid for."""
        if now >= self._window_ends:
            self._turn(now)
        self._refill(now)
        if self._shared >= 1.0:
            self._shared -= 1.0
        elif self._free >= 1.0:
            self._free -= 1.0
        else:
            return False
        return True

    @property
    def tokens(self) -> float:
        """Retries that may be sent now."""
        return self._shared + self._free

    def _turn(self, now: float) -> None:
        """Start a window: keep no more than the windows that are still recent have paid in."""
        previous = self._recent[1] if now < self._window_ends + _WINDOW else 0.0
        self._shared = min(self._shared, previous)
        self._recent = [previous, 0.0]
        self._window_ends = now + _WINDOW

    def _refill(self, now: float) -> None:
        if self._last > float("-inf"):
            self._free = min(self._floor, self._free + (now - self._last) * self._floor / _REFILL)
        self._last = now
