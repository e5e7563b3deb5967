"""Measure what a host takes: attempts a second, lately and since they last began to get through."""

from __future__ import annotations

from math import inf

_SLOT = 1.0  # seconds


class Throughput:
    """Attempts a second that were taken lately: a count for this second and one for the last."""

    __slots__ = ("_last", "_slot", "_this")

    def __init__(self) -> None:
        self._slot = -inf
        self._this = self._last = 0

    def add(self, now: float) -> None:
        """Count an attempt that was taken."""
        if now - self._slot >= _SLOT:
            self._turn(now)
        self._this += 1

    def rate(self, now: float) -> float:
        """Attempts a second over the last one to two seconds."""
        if now - self._slot >= _SLOT:
            self._turn(now)
        return (self._last + self._this) / (_SLOT + now - self._slot)

    def _turn(self, now: float) -> None:
        """Begin a slot."""
        skipped = now - self._slot >= 2 * _SLOT
        self._last = 0 if skipped else self._this
        self._slot = now if skipped else self._slot + _SLOT
        self._this = 0


class Flow:
    """Attempts taken one after the other, since the last pause.

    Attributes:
        began: When the first of them was sent.
        count: How many there are.
        recent: Those of the last seconds, across pauses.
    """

    __slots__ = ("began", "count", "recent")

    def __init__(self) -> None:
        self.began: float = inf
        self.count: int = 0
        self.recent: Throughput = Throughput()

    def add(self, now: float, sent_at: float) -> None:
        """Count an attempt that was taken."""
        self.recent.add(now)
        self.began = min(self.began, sent_at)
        self.count += 1

    def seconds(self, now: float) -> float:
        """How long the flow has lasted."""
        return max(0.0, now - self.began)

    def rate(self, now: float, pause: float) -> float:
        """Attempts a second that the host can be said to take, if a pause of so many seconds follows.

        A window that was used up at once takes its count in the whole cycle, pause included; what has gone on for
        longer than the pause takes what it took lately.
        """
        lasted = self.seconds(now)
        whole = self.count / max(1.0, lasted + pause)
        return max(whole, self.recent.rate(now)) if pause < lasted else whole

    def begin(self, sent_at: float) -> None:
        """Begin anew, after a pause."""
        self.began, self.count = sent_at, 0
