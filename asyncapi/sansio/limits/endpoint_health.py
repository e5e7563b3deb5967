"""Keep what is known of one endpoint: what is under way, how quick it is, and whether it is in.

    state      event                                      next       what follows
    in         `failures` failures in a row,              ejected    nobody goes there for a while (rules 2 and 3)
               or it says that it wants no more
    ejected    its time is over                           due        the next request that fits goes as the probe
    due        a request goes as the probe                probing    nobody else goes there
    probing    the probe succeeds                         in         slow start (rule 4)
               the probe fails                            ejected    for longer
               the probe ends without a verdict           due        the next may go

Rules:
1. The latency is a geometric moving average over the last seconds: one very slow response is not to outweigh many. At
   high rates it is that of the last twenty or so, so that a slowdown is seen soon; and a single one never counts for
   more than a third. The very first says little, as it may have had to connect; `_FEW` are needed for a judgement.
2. An ejection lasts twice as long each time that it follows the last one closely, up to a cap.
3. Who ejects decides whether that may be: `Balancer` keeps at least half of all in.
4. An endpoint that is new, or back, gets a tenth of its share at first, and all of it after `slow_start` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import Literal

State = Literal["in", "ejected", "due", "probing"]

_MEMORY = 5.0  # seconds after which a sample has lost two thirds of its weight
_LIGHTEST, _HEAVIEST = 0.05, 0.3  # the weight of a new sample, however soon or late it comes (rule 1)
_FEW = 5  # samples (rule 1)
_LEAST = 1e-6  # seconds
_FIRST_SHARE = 0.1  # of an endpoint that is new or back (rule 4)
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a set of endpoints.

    Attributes:
        failures: Failures in a row that eject an endpoint.
        eject_for: Seconds of a first ejection.
        eject_cap: The longest ejection, seconds.
        slow_start: Seconds in which an endpoint that is new or back gets its full share.
        zone: The zone that is used first; "" for none.
        zone_share: The share of a zone's endpoints that must be healthy for it to be used alone.
    """

    failures: int = 5
    eject_for: float = 10.0
    eject_cap: float = 300.0
    slow_start: float = 10.0
    zone: str = ""
    zone_share: float = 0.7


class Health:
    """The health of one endpoint.

    Args:
        key: Its name.
        rules: Those of its set.
        now: When it was added.
        weight: Its share, relative to the others'.
        zone: Where it is.
        priority: The lowest number is used first (RFC 2782).
        slowly: Whether it begins with a slow start, because others are in use already.

    Attributes:
        key: As above.
        weight: As above.
        zone: As above.
        priority: As above.
        in_flight: Requests under way there.
        latency: The average time to a response, in seconds; None before the first.
        samples: How many times it is the average of.
        failures: Failures in a row.
        ejections: How often it was ejected.
        picks: How often it was picked.
        picked_at: When it was picked last.
        picked_of: The number of the pick, of all in its set.
        out: Whether it is ejected, due or probing.
        until: When its ejection ends.
        ejected_for: Seconds of its last ejection.
        probes: The probe under way, or None.
    """

    __slots__ = (
        "_began", "_doublings", "_rules", "_sampled", "ejected_for", "ejections", "failures", "in_flight", "key",
        "latency", "out", "picked_at", "picked_of", "picks", "priority", "probes", "samples", "until", "weight", "zone",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        rules: Rules,
        now: float,
        *,
        weight: float = 1.0,
        zone: str = "",
        priority: int = 0,
        slowly: bool = False,
    ) -> None:
        self.key: str = key
        self.weight: float = weight
        self.zone: str = zone
        self.priority: int = priority
        self.in_flight: int = 0
        self.latency: float | None = None
        self.samples: int = 0
        self.failures: int = 0
        self.ejections: int = 0
        self.picks: int = 0
        self.picked_at: float = now
        self.picked_of: int = 0
        self.out: bool = False
        self.until: float = 0.0
        self.probes: object | None = None
        self._rules = rules
        self._began = now if slowly else -inf  # when it came in
        self._sampled = now
        self._doublings = 0
        self.ejected_for: float = 0.0

    def state(self, now: float) -> State:
        """Its state now."""
        if not self.out:
            return "in"
        if self.probes is not None:
            return "probing"
        return "ejected" if now < self.until else "due"

    def share(self, now: float) -> float:
        """Its weight, less what a slow start takes (rule 4)."""
        age, whole = now - self._began, self._rules.slow_start
        return self.weight if age >= whole else self.weight * (_FIRST_SHARE + (1 - _FIRST_SHARE) * age / whole)

    @property
    def judged(self) -> float | None:
        """The latency, where enough is known of it to choose by (rule 1)."""
        return self.latency if self.samples >= _FEW else None

    @property
    def failing(self) -> bool:
        """Whether it would be ejected, if that left enough others in."""
        return self.failures >= self._rules.failures

    def learn(self, now: float, seconds: float) -> None:
        """Take in how long a response took (rule 1)."""
        seconds = max(seconds, _LEAST)
        count, self.samples = self.samples, self.samples + 1
        if self.latency is None:
            self.latency, self._sampled = seconds, now
            return
        aged = 1 - exp((self._sampled - now) / _MEMORY)
        fresh = 1 / count if count < _FEW else min(max(aged, _LIGHTEST), _HEAVIEST)
        self.latency *= (seconds / self.latency) ** fresh
        self._sampled = now

    def eject(self, now: float, *, out: bool = True) -> None:
        """Take it out, or only leave it alone until its next probe where it may not be out (rules 2 and 3)."""
        closely = self.out or self.probes is not None or (self.ejected_for and now - self._began <= self.ejected_for)
        self._doublings = min(self._doublings + 1, _MOST_DOUBLINGS) if closely else 0
        self.ejected_for = min(self._rules.eject_for * 2**self._doublings, self._rules.eject_cap)
        self.out, self.probes, self.until = out, None, now + self.ejected_for
        self.ejections += out

    def come_back(self, now: float) -> None:
        """Take it in again, with a slow start; what it was like before says nothing any more."""
        self.out, self.probes, self.failures = False, None, 0
        self.latency, self.samples = None, 0
        self._began = self.picked_at = now
