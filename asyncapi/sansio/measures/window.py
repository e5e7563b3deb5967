"""Count calls and attempts over the last seconds, in constant memory.

Rules:
1. Time is cut into slots, of which the oldest is dropped as a whole: a window of 60 s covers between 58 s and 60 s.
2. The sums over all slots are up to date at any time, so that reading them adds nothing up.
3. Whether a quantile is above a threshold needs no quantile: it is, if more than its share of the values are in buckets
   above the threshold. For each threshold in use, those values are counted as they come.
"""

from __future__ import annotations

from collections import Counter, deque
from math import inf

from asyncapi.sansio.measures.histogram import Histogram, bucket_of, last_bucket_up_to

_SLOTS = 30


class _Slot:
    """The counts of one slot of time, or of all."""

    __slots__ = ("above", "attempts", "by_status", "calls", "failed", "index", "latency")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = 0
        self.failed = 0
        self.attempts = 0
        self.by_status: Counter[int] = Counter()
        self.latency = Histogram()
        self.above: Counter[float] = Counter()  # calls in buckets above each threshold (rule 3)

    def call(self, bucket: int, elapsed: float, *, failed: bool) -> None:
        """Count a call."""
        self.calls += 1
        self.failed += failed
        self.latency.count_in(bucket, elapsed)


class Window:
    """A sliding window.

    Args:
        over: Its length, seconds.
    """

    def __init__(self, over: float) -> None:
        self._width = over / _SLOTS
        self._slots: deque[_Slot] = deque()
        self._all = _Slot(0)
        self._newest_until = -inf  # until when the newest slot is the one to count in
        self._thresholds: dict[float, int] = {}  # the last bucket that is not above each threshold (rule 3)

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

    def is_above(self, share: float, threshold: float) -> bool:
        """Whether `quantile(share) > threshold`, without the cost of a quantile (rule 3)."""
        total = self._all
        if threshold not in self._thresholds:
            self._watch(threshold)
        count = total.calls
        return count > 0 and count - total.above[threshold] <= share * (count - 1)

    def call(self, now: float, elapsed: float, *, failed: bool) -> None:
        """Count a call that has ended."""
        slot = self._slots[-1] if now < self._newest_until else self._slot(now)
        bucket = bucket_of(elapsed)
        slot.call(bucket, elapsed, failed=failed)
        self._all.call(bucket, elapsed, failed=failed)
        for threshold, last in self._thresholds.items():
            if bucket > last:
                slot.above[threshold] += 1
                self._all.above[threshold] += 1

    def attempt(self, now: float, status: int | None) -> None:
        """Count an attempt that has ended, with a response or without."""
        slot, total = self._slots[-1] if now < self._newest_until else self._slot(now), self._all
        slot.attempts += 1
        total.attempts += 1
        if status is not None:
            slot.by_status[status] += 1
            total.by_status[status] += 1

    def slide(self, now: float) -> None:
        """Drop the slots that have left the window."""
        oldest = int(now // self._width) - _SLOTS
        total = self._all
        while self._slots and self._slots[0].index <= oldest:
            oldest_slot = self._slots.popleft()
            total.calls -= oldest_slot.calls
            total.failed -= oldest_slot.failed
            total.attempts -= oldest_slot.attempts
            total.by_status -= oldest_slot.by_status  # a Counter drops what falls to 0
            total.above -= oldest_slot.above
            total.latency.forget(oldest_slot.latency)
        if not self._slots:
            self._newest_until = -inf

    def _slot(self, now: float) -> _Slot:
        self.slide(now)
        index = int(now // self._width)
        if not self._slots or self._slots[-1].index < index:
            self._slots.append(_Slot(index))
        if self._slots[-1].index == index:
            # a little early: where the product is rounded up, the last calls of a slot come here once more
            self._newest_until = (index + 1) * self._width * (1 - 1e-12)
        return self._slots[-1]

    def _watch(self, threshold: float) -> None:
        """Count the calls above a threshold from now on, and those that are in the window already."""
        self._thresholds[threshold] = last = last_bucket_up_to(threshold)
        for slot in (*self._slots, self._all):
            above = slot.latency.above(last)
            if above:
                slot.above[threshold] = above
