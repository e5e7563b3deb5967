"""Decide when a second copy of a request is worth sending, by the latencies learned for each route.

The delay is a quantile of the first copies' latencies (p95: one call in twenty is slower), over the last 256 of
them, so that it follows a server that changes at the pace of the traffic. A first copy that was given up while it was
slower than the delay counts with the time it had taken by then: a quantile goes by rank, so knowing that it was
slower is enough, and hedging does not blind the estimate that it rests on. A little is added to the quantile: where
most latencies are nearly the same, it lies among them, and copies must not be spent on responses that are coming in.

The budget is a share of the calls: each pays it in, each further copy takes 1 out. What is saved up is bounded, so that
a host where everything turns slow at once gets only a few copies more. The method is that of J. Dean and L. Barroso,
"The Tail at Scale" (CACM 2013).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass
from math import ceil

_REMEMBERED = 256  # latencies of a route
_MOST_SAVED = 10.0  # copies that the budget may save up
_LEAST = 0.001  # seconds: no delay is shorter
_BEYOND = 1.05  # times the quantile is the delay


class Latencies:
    """The last `size` latencies, and any quantile of them; in arrays, which the garbage collector does not walk."""

    __slots__ = ("_by_age", "_by_size", "_oldest", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._by_age = array("d")
        self._by_size = array("d")
        self._oldest = 0  # its index, once there are `size`: the newest takes its place

    def __len__(self) -> int:
        return len(self._by_size)

    def record(self, seconds: float) -> None:
        """Add one latency, and drop the oldest."""
        if len(self._by_age) < self._size:
            self._by_age.append(seconds)
        else:
            del self._by_size[bisect_left(self._by_size, self._by_age[self._oldest])]
            self._by_age[self._oldest] = seconds
            self._oldest = (self._oldest + 1) % self._size
        insort(self._by_size, seconds)

    def quantile(self, share: float) -> float:
        """The smallest latency that `share` of them do not exceed; there must be one at least."""
        return self._by_size[ceil(share * len(self._by_size)) - 1]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a further copy is sent; see `asyncapi.Hedge` for the meaning of each.

    `quantile` (0 to 1) is learned; where it is None, `seconds` holds.
    """

    quantile: float | None = 0.95
    seconds: float = 0.0
    budget: float = 0.05
    minimum: int = 50


class Route:
    """The latencies and the budget of one route.

    Attributes:
        calls: Calls begun.
        copies: Further copies sent.
        refused: Further copies that the budget did not allow.
    """

    __slots__ = ("_latencies", "_rules", "_saved", "calls", "copies", "refused")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._latencies = Latencies(_REMEMBERED)
        self._saved = 0.0
        self.calls: int = 0
        self.copies: int = 0
        self.refused: int = 0

    def begin(self) -> float | None:
        """Begin a call: seconds after which a further copy is worth sending, None while too few latencies are known."""
        self.calls += 1
        self._saved = min(_MOST_SAVED, self._saved + self._rules.budget)
        return self.delay

    @property
    def delay(self) -> float | None:
        """Seconds without a response after which a further copy is worth sending."""
        rules = self._rules
        if rules.quantile is None:
            return rules.seconds
        if len(self._latencies) < rules.minimum:
            return None
        return max(_LEAST, _BEYOND * self._latencies.quantile(rules.quantile))

    def spend(self) -> bool:
        """Pay for a further copy: whether the budget allows it."""
        if self._saved < 1.0:
            self.refused += 1
            return False
        self._saved -= 1.0
        self.copies += 1
        return True

    def give_back(self) -> None:
        """Take back the payment for a further copy that was never sent."""
        self._saved += 1.0
        self.copies -= 1

    def learn(self, seconds: float, *, answered: bool) -> None:
        """Take in how long a first copy took; without a good response it counts only if longer than the delay."""
        if self._rules.quantile is None:
            return
        delay = None if answered else self.delay
        if answered or (delay is not None and seconds >= delay):
            self._latencies.record(seconds)
