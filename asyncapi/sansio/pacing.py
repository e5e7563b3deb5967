"""Slowing down before the 429: what a host, or a key, tells of its limits turned into when the next attempt may go.

    1. Nothing told, nothing refused: nothing is held back.
    2. A told quota is kept as a copy of the server's own count: it falls with every attempt sent, rises as the server's
       does (at the reset for a window that counts down, steadily for a bucket or a sliding window), and is set right by
       every answer, less the attempts sent since the one that is answered.
    3. While more than half of a quota is left, attempts go as they come; only in windows of a second or two they are
       spaced from the start. Below they are spaced: from a quarter on evenly over what remains of the window, or at the
       bucket's own rate. With nothing left they wait.
    4. A 429, or a 403 or 503 with Retry-After, pauses everyone until the server's time is over. Nothing shortens that.
    5. After a pause one attempt goes first. When it, or another, gets through, the rest come back spaced, never as a
       herd: at what went through before, or at a rate that is learned from refusals where nothing told explains them.

A `Pacer` is asked like a `Bucket` (delay, take, give_back, interval), so that one line of waiting tasks serves both.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.bucket import TOLERANCE
from asyncapi.sansio.learned_rate import LearnedRate, Throughput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.ratelimit_headers import Quota

_TOO_MANY_REQUESTS = 429
_MAY_PAUSE = frozenset({403, 429, 503})  # 403: GitHub's secondary limits
_SPACED_FROM = 0.5  # of the quota: below this, attempts are spaced,
_EVEN_AT = 0.25  # and from here on evenly
_SHORT = 2.0  # seconds: resets told in whole seconds say nothing about shorter windows
_FEW = 10  # attempts that went through are too few to tell a rate:
_GUESS = 20.0  # a second are allowed then to begin with, or half of what was allowed before
_BRISK = 0.97  # of even spacing, for these
_ROUNDING = 1.5  # seconds that two tellings of one reset may differ
_FLIPS = 3  # changes of limit after which it is several limits under one name
_MOST = 16  # quotas kept
_FIRST, _PATIENCE = 0.125, 30.0  # the shortest and longest pause between attempts while nothing goes through, seconds
_LEARN = 0.2  # weight of one answer in what is learned
_SURE = 0.02  # of the quota missing: enough to tell how fast it comes back
_LATE = 0.01  # seconds that a timer may be late: the next attempts make up for it
_RECENT = 0.97  # of what went through in the last second


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


class Pacer:
    """When the next attempt to one host or key may go.

    Attributes:
        sent: Attempts taken.
        active: Whether anything was told or refused; while not, every delay is 0.
        paused_until: The end of the shared pause, on the clock.
    """

    __slots__ = (
        "_asked", "_began", "_begun", "_count", "_cut_at", "_ended", "_last", "_learned", "_levels", "_mixed",
        "_rounds", "_through", "_weight", "active", "paused_until", "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = self._begun = 0
        self.active = False
        self.paused_until = -inf
        self._last = -inf  # when the last attempt was sent, and what it weighed: the next one is spaced from it
        self._weight = 1.0
        self._levels: dict[tuple[str, str], Level] = {}
        self._mixed: set[tuple[str, str]] = set()  # names that stand for several limits
        self._learned: LearnedRate | None = None
        self._through = Throughput()
        self._asked = _PATIENCE  # the longest gap between attempts while nothing goes through: what the server asks for
        self._rounds = 0  # refusals, a round trip apart, with nothing let through between
        self._cut_at = -inf  # refusals of attempts sent before are known already
        self._began = inf  # when attempts last began to go through,
        self._ended = inf  # and ceased to;
        self._count = 0  # how many went through since they began

    def delay(self, now: float, weight: float = 1.0) -> float:  # noqa: ARG002 - asked like a Bucket
        """Seconds until an attempt may go; 0 or less if it may now."""
        if not self.active:
            return 0.0
        wait = max(self.paused_until, self._last + self._weight * self._spacing(now)) - now
        for level in self._levels.values():
            wait = max(wait, level.wait(now))
        return wait

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """An attempt is sent, if it may go now."""
        if not self.active:
            self.sent += 1
            return True
        if self.delay(now, weight) > TOLERANCE:
            return False
        self.take(now, weight)
        return True

    def take(self, now: float, weight: float = 1.0) -> None:
        """An attempt is sent."""
        self.sent += 1
        if not self.active:
            return
        for level in self._levels.values():
            level.spend(now, weight)
        due = max(self.paused_until, self._last + self._weight * self._spacing(now))
        if self._learned is not None and now - _LATE > due > -inf:
            self._learned.skip(now - due)
        self._last, self._weight = max(now - _LATE, due), weight

    def begin(self) -> int:
        """An attempt that was taken (and may have waited to be woken since) begins: its number."""
        self._begun += 1
        return self._begun

    def give_back(self, weight: float = 1.0) -> None:
        """An attempt that was taken is not sent after all."""
        self.sent -= 1
        if self._last > -inf:
            self._last -= weight * self._spacing(self._last)
        for level in self._levels.values():
            level.left += weight * level.cost

    def available(self, now: float) -> float:
        """Attempts that may go now: 1 or 0, or any number while nothing is told."""
        return inf if not self.active else float(self.delay(now) <= TOLERANCE)

    @property
    def interval(self) -> float:
        """Seconds between attempts as far as the server has told: what forecasts count on, not guesses of ours."""
        if self._last == -inf:
            return 0.0
        return max((level.spacing(self._last) for level in self._levels.values()), default=0.0)

    def observe(
        self,
        now: float,
        *,
        number: int,
        sent_at: float,
        told: Iterable[Quota] = (),
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """An answer came.

        Args:
            now: The clock's time.
            number: The attempt's, as `begin` gave it.
            sent_at: When it was sent.
            told: The quotas in its headers.
            status: Its status.
            retry_after: Seconds the server asks to wait.
        """
        for quota in told:
            self._tell(now, quota, number, sent_at)
        if status == _TOO_MANY_REQUESTS or (retry_after is not None and status in _MAY_PAUSE):
            self._refused(now, sent_at, retry_after, too_many=status == _TOO_MANY_REQUESTS)
        else:
            self._flows(now, sent_at)

    def _tell(self, now: float, quota: Quota, number: int, sent_at: float) -> None:
        key = (quota.dialect, "" if quota.dialect == "github" else quota.name)
        level = self._levels.get(key)
        if level is None:
            if key in self._mixed or len(self._levels) + len(self._mixed) >= _MOST:
                return
            level = self._levels[key] = Level(counts_requests=quota.unit == "requests")
        self.active = True
        level.tell(now, quota, number, sent_at, max(number, self.sent))
        if level.flips > _FLIPS:  # of models, of resources: it can't be told which one the next attempt falls under
            del self._levels[key]
            self._mixed.add(key)

    def _refused(self, now: float, sent_at: float, retry_after: float | None, *, too_many: bool) -> None:
        if retry_after == 0.0:  # come back at once: that is no limit
            return
        self.active = True
        pause = retry_after or 0.0
        self._asked = _PATIENCE if retry_after is None else min(retry_after, _PATIENCE)
        if sent_at > self._cut_at:
            if not self._rounds:
                explained = not too_many or any(level.empty for level in self._levels.values())
                self._slow(now, pause, explained=explained)
            self._rounds += 1
            self._cut_at = now
        self.paused_until = max(self.paused_until, now + pause)
        if self._learned is not None:  # pragma: no branch - the first refusal has made one
            self._learned.resume(self.paused_until)

    def _slow(self, now: float, pause: float, *, explained: bool) -> None:
        """The flow ends: how fast is it to go on after the pause?"""
        self._ended = now
        flowed = max(0.0, now - self._began)
        measured = self._count / max(1.0, flowed + pause)  # of the whole cycle: right for a window that was used up
        if pause < flowed:
            measured = max(measured, _RECENT * self._through.rate(now))
        if self._count < _FEW:
            measured = max(measured, _GUESS if self._learned is None else self._learned.at(now) / 2)
        if self._learned is None:
            self._learned = LearnedRate(now, measured)
        elif not explained:
            self._learned.refused(now, measured)

    def _flows(self, now: float, sent_at: float) -> None:
        """An attempt went through."""
        self._through.add(now)
        if self._rounds and sent_at > self._cut_at:
            silent, flowed = sent_at - self._ended, max(0.0, self._ended - self._began)
            if self._learned is not None and silent > max(flowed, 1.0) and self._count >= _FEW:  # a window was used up
                self._learned.correct(sent_at, self._count / (silent + flowed))
            self._rounds, self._began, self._count = 0, sent_at, 0
        self._began = min(self._began, sent_at)
        self._count += 1

    def _spacing(self, now: float) -> float:
        interval = 1.0 / self._learned.at(now) if self._learned is not None else 0.0
        if self._rounds:  # still nothing goes through: one by one, less and less often
            interval = max(interval, min(self._asked, _FIRST * 2.0 ** min(self._rounds, 16)))
        for level in self._levels.values():
            interval = max(interval, level.spacing(now))
        return interval
