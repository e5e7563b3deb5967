"""Count calls and attempts over the last seconds, in constant memory.

Time is cut into slots, of which the oldest is dropped as a whole: a window of 60 s covers between 58 s and 60 s. The
sums over all slots are up to date at any time, so that reading them adds nothing up.
"""

from __future__ import annotations

from collections import Counter, deque

from asyncapi.sansio.measures.histogram import Histogram

_SLOTS = 30


class _Slot:
    """The counts of one slot of time, or of all."""

    __slots__ = ("attempts", "by_status", "calls", "failed", "index", "latency")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = 0
        self.failed = 0
        self.attempts = 0
        self.by_status: Counter[int] = Counter()
        self.latency = Histogram()


class Window:
    """A sliding window.

    Args:
        over: Its length, seconds.
    """

    def __init__(self, over: float) -> None:
        self._width = over / _SLOTS
        self._slots: deque[_Slot] = deque()
        self._all = _Slot(0)

    @property
    def calls(self) -> int:
        """Calls that ended in the window, without cancelled ones."""
        return self._all.calls

    @property
    def attempts(self) -> int:
        """Attempts that ended in the window, without cancelled ones."""
        return self._all.attempts

    @property
    def error_rate(self) -> float:
        """Failed calls of all calls, 0 to 1."""
        return self._all.failed / self._all.calls if self._all.calls else 0.0

    def share(self, status: int) -> float:
        """Attempts that got this status, of all attempts, 0 to 1."""
        return self._all.by_status[status] / self._all.attempts if self._all.attempts else 0.0

    def quantile(self, share: float) -> float:
        """Latency of calls, seconds: 0.95 for the 95th percentile."""
        return self._all.latency.quantile(share) or 0.0

    def call(self, now: float, elapsed: float, *, failed: bool) -> None:
        """Count a call that has ended."""
        for slot in (self._slot(now), self._all):
            slot.calls += 1
            slot.failed += failed
            slot.latency.record(elapsed)

    def attempt(self, now: float, status: int | None) -> None:
        """Count an attempt that has ended, with a response or without."""
        for slot in (self._slot(now), self._all):
            slot.attempts += 1
            if status is not None:
                slot.by_status[status] += 1

    def slide(self, now: float) -> None:
        """Drop the slots that have left the window."""
        oldest = int(now // self._width) - _SLOTS
        while self._slots and self._slots[0].index <= oldest:
            oldest_slot, total = self._slots.popleft(), self._all
            total.calls -= oldest_slot.calls
            total.failed -= oldest_slot.failed
            total.attempts -= oldest_slot.attempts
            total.by_status -= oldest_slot.by_status  # a Counter drops what falls to 0
            total.latency.forget(oldest_slot.latency)

    def _slot(self, now: float) -> _Slot:
        self.slide(now)
        index = int(now // self._width)
        if not self._slots or self._slots[-1].index < index:
            self._slots.append(_Slot(index))
        return self._slots[-1]
