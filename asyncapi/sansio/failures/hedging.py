"""When a second copy of a request is worth sending, learned for each route.

The delay is a quantile of the first copies' latencies (p95: one call in twenty is slower), over the last `_KEPT` of
them, so that it follows a server that changes at the pace of the traffic. A first copy that was given up while it was
slower than the delay counts with the time it had taken by then: a quantile goes by rank, so knowing that it was
slower is enough, and hedging does not blind the estimate that it rests on. A little is added to the quantile: where
most latencies are nearly the same, it lies among them, and copies must not be spent on answers that are coming in.

The budget is a share of the calls: each pays it in, each further copy takes 1 out. What is saved up is bounded, so that
a host where everything turns slow at once gets only a few copies more. The method is that of J. Dean and L. Barroso,
"The Tail at Scale" (CACM 2013).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass
from math import ceil

_KEPT = 256  # latencies of a route
_MOST_SAVED = 10.0  # copies
_LEAST = 0.001  # seconds; no delay is shorter
_BEYOND = 1.05  # times the quantile


class Latencies:
    """The last `most` latencies, and any quantile of them; in arrays, which the garbage collector does not walk."""

    __slots__ = ("_by_age", "_by_size", "_most", "_oldest")

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_age = array("d")
        self._by_size = array("d")
        self._oldest = 0  # where it stands, once there are `most`: the newest comes in its place

    def __len__(self) -> int:
        return len(self._by_size)

    def record(self, seconds: float) -> None:
        """Take one in, the oldest out."""
        if len(self._by_age) < self._most:
            self._by_age.append(seconds)
        else:
            del self._by_size[bisect_left(self._by_size, self._by_age[self._oldest])]
            self._by_age[self._oldest] = seconds
            self._oldest = (self._oldest + 1) % self._most
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
    """What is known of one route.

    Attributes:
        calls: Calls begun.
        copies: Further copies sent.
        refused: Further copies that the budget did not allow.
    """

    __slots__ = ("_latencies", "_rules", "_saved", "calls", "copies", "refused")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._latencies = Latencies(_KEPT)
        self._saved = 0.0
        self.calls = 0
        self.copies = 0
        self.refused = 0

    def begin(self) -> float | None:
        """A call begins: seconds after which a further copy of it is worth sending, None while too few are known."""
        self.calls += 1
        self._saved = min(_MOST_SAVED, self._saved + self._rules.budget)
        return self.delay

    @property
    def delay(self) -> float | None:
        """Seconds without an answer after which a further copy is worth sending."""
        rules = self._rules
        if rules.quantile is None:
            return rules.seconds
        if len(self._latencies) < rules.minimum:
            return None
        return max(_LEAST, _BEYOND * self._latencies.quantile(rules.quantile))

    def spend(self) -> bool:
        """Whether the budget allows a further copy; if so it is paid for."""
        if self._saved < 1.0:
            self.refused += 1
            return False
        self._saved -= 1.0
        self.copies += 1
        return True

    def give_back(self) -> None:
        """A further copy that was paid for was never sent."""
        self._saved += 1.0
        self.copies -= 1

    def learn(self, seconds: float, *, answered: bool) -> None:
        """A first copy has ended after `seconds`; one without a good answer is news only if it took the delay."""
        if self._rules.quantile is None:
            return
        delay = None if answered else self.delay
        if answered or (delay is not None and seconds >= delay):
            self._latencies.record(seconds)
