"""Copy a server's own count of a quota, from what its responses state (`ratelimit_headers.Quota`).

1. The copy falls with every attempt sent.
2. It rises as the server's count does: at the reset for a window that counts down, steadily for a bucket or a
   sliding window.
3. Every response sets it right, less the attempts sent since the one that got this response.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.sansio.limits.ratelimit_headers import Quota

_SPACED_FROM = 0.5  # of the quota is left: below this, attempts are spaced
_EVEN_AT = 0.25  # of the quota is left: below this, they are spaced evenly
_SHORT = 2.0  # seconds of a window: resets in whole seconds say nothing about shorter ones
_BRISK = 0.97  # of even spacing, in a window so short
_ROUNDING = 1.5  # seconds by which two responses may differ about one reset
_LEARN = 0.2  # weight of one response in what is learned
_FLIPS = 3  # changes of limit: more, and one name stands for several limits
_MOST = 16  # quotas of one host
_SURE = 0.02  # of the quota missing: enough to tell how fast it comes back


class Level:
    """The copy of one quota.

    Attributes:
        left: How much an attempt sent now would find, in the quota's own unit; infinite while unknown.
        cost: What an attempt takes; learned where requests are not what is counted.
        flips: How often the limit changed.
    """

    __slots__ = (
        "_anchor", "_at", "_brisk", "_depth", "_ends", "_limit", "_rate", "_remaining", "_seen", "_window", "cost",
        "flips", "left",
    )  # fmt: skip

    def __init__(self, *, counts_requests: bool) -> None:
        self.left: float = inf
        self.cost: float = 1.0 if counts_requests else 0.0
        self.flips: int = 0
        self._limit: float | None = None
        self._depth = 0.0  # the bucket's depth, as far as seen, or the window's quota
        self._remaining: float | None = None  # as the last response states
        self._seen = 0  # the number of the attempt that got this response
        self._at = -inf  # when `left` was right
        self._rate = 0.0  # units a second that come back; 0 for a window that counts down
        self._brisk = False  # a window so short that attempts are always spaced
        self._window = 0.0  # seconds, as far as seen
        self._anchor = inf  # the end of the window, as first stated
        self._ends = inf  # the latest end that was stated for it

    @property
    def empty(self) -> bool:
        """Whether there is not enough for one attempt."""
        return self.left < self.cost

    def update(self, now: float, quota: Quota, number: int, sent_at: float, sent: int) -> None:
        """Take in the response to attempt `number`, sent at `sent_at`, of `sent` attempts in all (rule 3)."""
        if self._limit is not None and quota.limit != self._limit:
            self.flips += 1
        self._limit = quota.limit
        self._understand(now, quota)
        late = not self._rate and quota.reset is not None and now + quota.reset < self._ends - _ROUNDING
        if quota.remaining is None or late or not (self._rate or self._ends < inf):
            return
        self._learn_cost(now, quota.remaining, number)
        most = max(self._depth, quota.remaining) or quota.limit or 1.0
        self._depth = most if self._rate else quota.limit or most
        came_back = self._rate * (now - sent_at)
        self.left = min(self._depth, quota.remaining + came_back - (sent - number) * self.cost)
        self._at = now

    def _understand(self, now: float, quota: Quota) -> None:
        """Tell whether the quota counts down or comes back steadily, and how fast."""
        limit, reset = quota.limit, quota.reset
        if quota.dialect in {"openai", "anthropic"}:  # their reset is when all will be back
            if limit and reset and quota.remaining is not None and limit - quota.remaining >= max(3.0, _SURE * limit):
                rate = (limit - quota.remaining - 0.5) / reset  # what is left is rounded down
                self._rate += (rate - self._rate) * (_LEARN if self._rate else 1.0)
            return
        self._window = quota.window or max(self._window, reset or 0.0)
        if self._window > _SHORT:
            if reset is not None and not self._rate:
                self._count_down(now, now + reset)
        elif limit and self._window:
            self._rate, self._brisk = limit / self._window, True

    def _count_down(self, now: float, ends: float) -> None:
        """Take in a reset: of this window, of the next, or one that moves along with us (a sliding window)."""
        if self._anchor < inf and now < self._anchor - _ROUNDING and ends > self._anchor + _ROUNDING and self._limit:
            self._rate = self._limit / self._window
        elif abs(ends - self._anchor) <= _ROUNDING:
            self._ends = max(self._ends, ends)
        elif ends > self._anchor or self._anchor == inf:
            self._anchor = self._ends = ends

    def _learn_cost(self, now: float, remaining: float, number: int) -> None:
        """Learn what an attempt takes, where requests are not what is counted."""
        if self._remaining is not None and number > self._seen and self.cost != 1.0:
            spent = self._remaining - remaining + self._rate * (now - self._at)
            if spent >= 0:
                self.cost += _LEARN * (spent / (number - self._seen) - self.cost)
        self._remaining, self._seen = remaining, number

    def spend(self, now: float, weight: float) -> None:
        """Take in that an attempt is sent (rule 1)."""
        self._refill(now)
        self.left -= weight * self.cost

    def give_back(self, weight: float, taken: float) -> None:
        """Take in that an attempt, taken then, was not sent: the server never counted it."""
        if self._rate or taken >= self._ends - self._window:  # else that window is over
            self.left = min(self._depth or inf, self.left + weight * self.cost)

    def wait(self, now: float) -> float:
        """Seconds until there is enough for one attempt."""
        self._refill(now)
        missing = max(self.cost, 1e-9) - self.left
        if missing <= 0:
            return 0.0
        return missing / self._rate if self._rate else max(0.0, self._ends - now)

    def spacing(self, now: float) -> float:
        """Seconds between attempts."""
        if self.left == inf or not self._depth:
            return 0.0
        closeness = (_SPACED_FROM - self.left / self._depth) / (_SPACED_FROM - _EVEN_AT)
        if self._brisk:
            closeness = max(_BRISK, closeness)
        if closeness <= 0:
            return 0.0
        if self._rate:
            return closeness * self.cost / self._rate
        if self.left <= 0 or self.empty:
            return 0.0
        return min(1.0, closeness) * max(0.0, self._ends - now) * self.cost / self.left

    def _refill(self, now: float) -> None:
        """Let the copy rise (rule 2)."""
        if self._rate:
            self.left = min(self._depth, self.left + self._rate * max(0.0, now - self._at)) if self._depth else inf
            self._at = max(now, self._at)
        elif now >= self._ends:  # nothing is stated of the new window yet; after an idle time it begins now
            self.left = self._depth
            self._anchor = self._ends = (
                self._ends + self._window if now < self._ends + self._window else now + self._window
            )


class Quotas:
    """All quotas of one host or key: each a `Level`."""

    __slots__ = ("_levels", "_mixed")

    def __init__(self) -> None:
        self._levels: dict[tuple[str, str], Level] = {}
        self._mixed: set[tuple[str, str]] = set()  # names that stand for several limits

    @property
    def empty(self) -> bool:
        """Whether one of them is used up."""
        return any(level.empty for level in self._levels.values())

    def update(self, now: float, quota: Quota, number: int, sent_at: float, sent: int) -> bool:
        """Take in a quota that the response to attempt `number` states, of `sent` in all: whether it is one of ours."""
        key = (quota.dialect, "" if quota.dialect == "github" else quota.name)
        level = self._levels.get(key)
        if level is None:
            if key in self._mixed or len(self._levels) + len(self._mixed) >= _MOST:
                return False
            level = self._levels[key] = Level(counts_requests=quota.unit == "requests")
        level.update(now, quota, number, sent_at, sent)
        if level.flips > _FLIPS:  # of models, of resources: nobody knows which one the next attempt falls under
            del self._levels[key]
            self._mixed.add(key)
        return True

    def hear(self, now: float, quota: Quota, sent: int) -> bool:
        """Take in a quota that another process tells, if less is left than is known: whether it is one of ours."""
        known = self._levels.get((quota.dialect, "" if quota.dialect == "github" else quota.name))
        if known is not None and quota.remaining is not None and known.left <= quota.remaining:
            return True
        return self.update(now, quota, sent, now, sent)

    def spend(self, now: float, weight: float) -> None:
        """Take in that an attempt is sent."""
        for level in self._levels.values():
            level.spend(now, weight)

    def give_back(self, weight: float, taken: float) -> None:
        """Take in that an attempt, taken then, was not sent."""
        for level in self._levels.values():
            level.give_back(weight, taken)

    def wait(self, now: float) -> float:
        """Seconds until there is enough of each for one attempt."""
        return max((level.wait(now) for level in self._levels.values()), default=0.0) if self._levels else 0.0

    def spacing(self, now: float) -> float:
        """Seconds between attempts."""
        return max((level.spacing(now) for level in self._levels.values()), default=0.0) if self._levels else 0.0
