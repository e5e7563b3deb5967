"""A copy of the server's own count of one quota, kept from what its answers tell (`ratelimit_headers.Quota`).

It falls with every attempt sent, rises as the server's does (at the reset for a window that counts down, steadily for a
bucket or a sliding window), and is set right by every answer, less the attempts sent since the one that is answered.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.sansio.limits.ratelimit_headers import Quota

_SPACED_FROM = 0.5  # of the quota: below this, attempts are spaced,
_EVEN_AT = 0.25  # and from here on evenly
_SHORT = 2.0  # seconds: resets told in whole seconds say nothing about shorter windows
_BRISK = 0.97  # of even spacing, for these
_ROUNDING = 1.5  # seconds that two tellings of one reset may differ
_LEARN = 0.2  # weight of one answer in what is learned
_FLIPS = 3  # changes of limit after which it is several limits under one name
_MOST = 16  # quotas kept
_SURE = 0.02  # of the quota missing: enough to tell how fast it comes back


class Level:
    """A copy of the server's count of one quota.

    Attributes:
        left: What an attempt sent now would find, in the quota's own unit; infinite while unknown.
        cost: What an attempt takes; learned where requests are not what is counted.
        flips: How often the limit changed.
    """

    __slots__ = (
        "_anchor", "_at", "_brisk", "_depth", "_ends", "_limit", "_rate", "_remaining", "_seen", "_window", "cost",
        "flips", "left",
    )  # fmt: skip

    def __init__(self, *, counts_requests: bool) -> None:
        self.left = inf
        self.cost = 1.0 if counts_requests else 0.0
        self.flips = 0
        self._limit: float | None = None
        self._depth = 0.0  # the bucket's depth, as far as seen, or the window's quota
        self._remaining: float | None = None  # as last told,
        self._seen = 0  # by the answer to this attempt
        self._at = -inf  # when `left` was right
        self._rate = 0.0  # units a second that come back; 0 for a window that counts down
        self._brisk = False  # a window so short that attempts are always spaced
        self._window = 0.0  # seconds, as far as seen
        self._anchor = inf  # the end of the window as it was first told,
        self._ends = inf  # and the latest that was told for it

    @property
    def empty(self) -> bool:
        """Whether there is not enough for one attempt."""
        return self.left < self.cost

    def tell(self, now: float, quota: Quota, number: int, sent_at: float, sent: int) -> None:
        """The answer to attempt `number`, sent at `sent_at`, told this; `sent` attempts were sent in all."""
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
        """Does it count down, or come back steadily; and how fast?"""
        limit, reset = quota.limit, quota.reset
        if quota.dialect in {"openai", "anthropic"}:  # they tell when all will be back
            if limit and reset and quota.remaining is not None and limit - quota.remaining >= max(3.0, _SURE * limit):
                rate = (limit - quota.remaining - 0.5) / reset  # what is left is told rounded down
                self._rate += (rate - self._rate) * (_LEARN if self._rate else 1.0)
            return
        self._window = quota.window or max(self._window, reset or 0.0)
        if self._window > _SHORT:
            if reset is not None and not self._rate:
                self._count_down(now, now + reset)
        elif limit and self._window:
            self._rate, self._brisk = limit / self._window, True

    def _count_down(self, now: float, ends: float) -> None:
        """The reset was told: of this window, of the next, or does it move along with us?"""
        if self._anchor < inf and now < self._anchor - _ROUNDING and ends > self._anchor + _ROUNDING and self._limit:
            self._rate = self._limit / self._window
        elif abs(ends - self._anchor) <= _ROUNDING:
            self._ends = max(self._ends, ends)
        elif ends > self._anchor or self._anchor == inf:
            self._anchor = self._ends = ends

    def _learn_cost(self, now: float, remaining: float, number: int) -> None:
        if self._remaining is not None and number > self._seen and self.cost != 1.0:
            spent = self._remaining - remaining + self._rate * (now - self._at)
            if spent >= 0:
                self.cost += _LEARN * (spent / (number - self._seen) - self.cost)
        self._remaining, self._seen = remaining, number

    def spend(self, now: float, weight: float) -> None:
        """An attempt is sent."""
        self._refill(now)
        self.left -= weight * self.cost

    def give_back(self, weight: float, taken: float) -> None:
        """An attempt that was taken then was not sent: the server never counted it."""
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
        if self._rate:
            self.left = min(self._depth, self.left + self._rate * max(0.0, now - self._at)) if self._depth else inf
            self._at = max(now, self._at)
        elif now >= self._ends:  # nothing is told of the new window yet; an idle while begins one
            self.left = self._depth
            self._anchor = self._ends = (
                self._ends + self._window if now < self._ends + self._window else now + self._window
            )


class Quotas:
    """The told quotas of one host or key: each a `Level`."""

    __slots__ = ("_levels", "_mixed")

    def __init__(self) -> None:
        self._levels: dict[tuple[str, str], Level] = {}
        self._mixed: set[tuple[str, str]] = set()  # names that stand for several limits

    @property
    def empty(self) -> bool:
        """Whether one of them is used up."""
        return any(level.empty for level in self._levels.values())

    def tell(self, now: float, quota: Quota, number: int, sent_at: float, sent: int) -> bool:
        """The answer to attempt `number` told this, of `sent` attempts in all: whether it is kept."""
        key = (quota.dialect, "" if quota.dialect == "github" else quota.name)
        level = self._levels.get(key)
        if level is None:
            if key in self._mixed or len(self._levels) + len(self._mixed) >= _MOST:
                return False
            level = self._levels[key] = Level(counts_requests=quota.unit == "requests")
        level.tell(now, quota, number, sent_at, sent)
        if level.flips > _FLIPS:  # of models, of resources: it can't be told which one the next attempt falls under
            del self._levels[key]
            self._mixed.add(key)
        return True

    def spend(self, now: float, weight: float) -> None:
        """An attempt is sent."""
        for level in self._levels.values():
            level.spend(now, weight)

    def give_back(self, weight: float, taken: float) -> None:
        """An attempt that was taken then was not sent."""
        for level in self._levels.values():
            level.give_back(weight, taken)

    def wait(self, now: float) -> float:
        """Seconds until there is enough of each for one attempt."""
        return max((level.wait(now) for level in self._levels.values()), default=0.0) if self._levels else 0.0

    def spacing(self, now: float) -> float:
        """Seconds between attempts."""
        return max((level.spacing(now) for level in self._levels.values()), default=0.0) if self._levels else 0.0
