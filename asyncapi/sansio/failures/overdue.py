"""Decide how long a call waits for the usual response, and each of its attempts, where a fallback is at hand.

For each route of a host: of the calls (or of the attempts) that were still under way after 0.1, 0.2, 0.4 ... seconds,
how many got a good response in the end, and how many did not. Where that chance is below `HOPELESS`, waiting on is not
worth it. It is the same estimate as for the waits of retries (learned.py), along the time that a call has taken.

Rules:
1. Nobody is cut short who takes no longer than usual: three times what 95 % of the good responses took, at least.
2. As long as no call has failed, nothing is counted, and nobody is cut short: a healthy host is never left.
3. A call that is cut short says nothing of how it would have ended. So a share of them is not, to see.
4. What was seen counts half after 50 further calls, and where nothing was heard for a minute, it is forgotten: a host
   that is back is asked again. Of attempts, quick ones say nothing of those that take long: what was seen counts half
   after 50 further ones that took as long, and after half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.messages.request import Request

AFTER = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
"""Seconds after which a call may be cut short."""

WORTH = 0.15
"""What a fallback is worth, where a good response of the usual host is worth 1."""

HOPELESS = 0.15
"""How likely a good response is that is not worth waiting for any more."""

_BELIEF = 2.0, 0.5  # calls that ended well, and that did not, before any was seen
_KEEP = 0.5 ** (1.0 / 50.0)  # what is left after a call (rule 4)
_OLD = 60.0  # seconds (rule 4)
_USUAL, _TIMES, _STEP = 0.95, 3.0, 0.04  # rule 1; how fast what is usual is learned
_FADED = 0.5  # calls that failed: fewer are none


def key_of(request: Request) -> str:
    """Name the host and the route whose calls end alike."""
    from asyncapi.sansio.failures.retry_keys import route_of  # noqa: PLC0415 - only who learns needs it

    route = request.route if request.route is not None else route_of(request.target.path)
    return f"{request.call.host} {request.method} {route}"


@dataclass(frozen=True, slots=True)
class Cut:
    """When a call is cut short, and why.

    Attributes:
        after: Seconds from its beginning.
        chance: How likely it would still have got a good response.
        good: Calls that took longer and got one; old ones count less.
        seen: Calls that took longer.
        of: What took longer: "calls" or "attempts".
    """

    after: float
    chance: float
    good: float
    seen: float
    of: str = "calls"

    @property
    def reason(self) -> str:
        """Why, in words."""
        return f"{round(self.good)} of {round(self.seen)} {self.of} that took longer than {self.after:g} s ended well"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for records and traces."""
        return {"after": self.after, "chance": self.chance, "reason": self.reason}


class Overdue:
    """What is known of one route.

    Args:
        of: What is timed: "calls" or "attempts".
        half_life: Seconds after which what was seen counts half, whatever quick ones do; None: they make it count less
            (rule 4).

    Attributes:
        usual: What 95 % of the good responses take at the most, seconds, roughly; 0 before the first.
        well_since: When the latest of those that ended well had begun.
    """

    __slots__ = ("_at", "_bad", "_good", "_half_life", "_of", "usual", "well_since")

    def __init__(self, of: str = "calls", half_life: float | None = None) -> None:
        self._of = of
        self._half_life = half_life
        self.usual: float = 0.0
        self.well_since: float = -inf
        self._good: list[float] | None = None  # None: nothing bad was seen (rule 2)
        self._bad: list[float] = []
        self._at = 0.0

    def ended(self, took: float, now: float, *, well: bool) -> None:
        """Take in how a call ended that was not cut short.

        Args:
            took: Seconds that it took, retries and waits included.
            now: Now, in seconds.
            well: Whether it got a good response.
        """
        if well:
            self.well_since = max(self.well_since, now - took)
            self._learn_usual(took)
        if now > self._at + _OLD:
            self._forget()
        age, self._at = now - self._at, now
        if self._good is None:
            if well:
                return
            self._good, self._bad = [0.0] * len(AFTER), [0.0] * len(AFTER)
        quick = _KEEP if self._half_life is None else 0.5 ** (max(0.0, age) / self._half_life)
        slow = _KEEP if self._half_life is None else _KEEP * quick
        for number, after in enumerate(AFTER):
            keep = quick if took < after else slow
            self._good[number] *= keep
            self._bad[number] *= keep
            if took >= after:
                (self._good if well else self._bad)[number] += 1.0
        if max(self._bad) < _FADED:
            self._forget()

    def cut(self, left: float, now: float, hopeless: float = HOPELESS) -> Cut | None:
        """When a call with so many seconds left is to be cut short; None if it isn't."""
        if self._good is None or not self.usual:
            return None
        if now > self._at + _OLD:
            self._forget()
            return None
        hope, doubt = _BELIEF
        for after, good, bad in zip(AFTER, self._good, self._bad, strict=True):
            if after >= left:
                return None
            chance = (good + hope) / (good + bad + hope + doubt)
            if chance < hopeless and after >= _TIMES * self.usual:
                return Cut(after, chance, good, good + bad, self._of)
        return None

    def _forget(self) -> None:
        self._good, self._bad = None, []

    def _learn_usual(self, took: float) -> None:
        if not self.usual:
            self.usual = max(took, 1e-6)
        elif took > self.usual:
            self.usual *= 1.0 + _STEP * _USUAL
        else:
            self.usual *= 1.0 - _STEP * (1.0 - _USUAL)
