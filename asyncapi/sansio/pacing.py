"""Slowing down before the 429: what a host, or a key, tells of its limits turned into when the next attempt may go.

    1. Nothing told, nothing refused: nothing is held back.
    2. A told quota is kept as a copy of the server's own count (quota_level.py).
    3. While more than half of a quota is left, attempts go as they come; only in windows of a second or two they are
       spaced from the start. Below they are spaced: from a quarter on evenly over what remains of the window, or at the
       bucket's own rate. With nothing left they wait.
    4. A 429, or a 403 with Retry-After, pauses everyone until the server's time is over. Nothing shortens that. A 503
       is about the one request, or about a server in trouble, which is the breaker's concern.
    5. After a pause one attempt goes first. When it, or another, gets through, the rest come back spaced, never as a
       herd: at what went through before, or at a rate that is learned from refusals where nothing told explains them
       (refusals.py).

A `Pacer` is asked like a `Bucket` (delay, take, give_back, interval), so that one line of waiting tasks serves both.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.bucket import TOLERANCE
from asyncapi.sansio.quota_level import Level
from asyncapi.sansio.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.ratelimit_headers import Quota

_TOO_MANY_REQUESTS = 429
_MAY_PAUSE = frozenset({403, 429})  # 403: GitHub's secondary limits
_FLIPS = 3  # changes of limit after which it is several limits under one name
_MOST = 16  # quotas kept
_MOST_UNSENT = 256  # numbers kept of attempts that were not sent
_LATE = 0.01  # seconds that a timer may be late: the next attempts make up for it


class Pacer:
    """When the next attempt to one host or key may go.

    Attributes:
        sent: Attempts taken: the latest number that was given out, or will be.
        active: Whether anything was told or refused; while not, every delay is 0.
        paused_until: The end of the shared pause, on the clock.
        paused: Seconds of such pauses so far.
        passed: Called with the time, the number and when it was sent, for an answer that tells and refuses nothing:
            `observe` in short.
    """

    __slots__ = (
        "_begun", "_last", "_levels", "_mixed", "_refusals", "_unsent", "_weight", "active", "passed", "paused",
        "paused_until", "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = self._begun = 0
        self.active = False
        self.paused_until = -inf
        self.paused = 0.0
        self._last = -inf  # when the last attempt was sent, and what it weighed: the next one is spaced from it
        self._weight = 1.0
        self._levels: dict[tuple[str, str], Level] = {}
        self._mixed: frozenset[tuple[str, str]] = frozenset()  # names that stand for several limits
        self._refusals = Refusals()
        self.passed = self._refusals.passed
        self._unsent: tuple[int, ...] = ()

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
            return True
        if self.delay(now, weight) > TOLERANCE:
            return False
        self.take(now, weight)
        return True

    def take(self, now: float, weight: float = 1.0) -> None:
        """An attempt is sent."""
        if not self.active:
            return
        self.sent += 1
        for level in self._levels.values():
            level.spend(now, weight)
        due = max(self.paused_until, self._last + self._weight * self._spacing(now))
        rate = self._refusals.rate
        if rate is not None and now - _LATE > due > -inf:
            rate.skip(now - due)
        self._last, self._weight = max(now - _LATE, due), weight

    def begin(self) -> int:
        """An attempt that was taken (and may have waited to be woken since) begins: its number."""
        self._begun += 1
        if self.sent < self._begun:  # noqa: PLR1730 - while nothing is told, nothing is taken; `max` is slower
            self.sent = self._begun
        return self._begun

    def give_back(self, weight: float = 1.0, *, number: int = 0, taken: float = inf, age: float = 0.0) -> None:
        """An attempt that was taken is not sent after all.

        Args:
            weight: As it was taken with.
            number: What `begin` gave it, if it had begun.
            taken: When it was taken, if not just now.
            age: Seconds since then: of its turn only what they have left can be given to another.
        """
        if not self.active:
            return
        if number:  # the numbers after it are given out already
            self._unsent = (*self._unsent[1 - _MOST_UNSENT :], number)
        else:
            self.sent -= 1
        if self._last > -inf:
            self._last -= max(0.0, weight * self._spacing(self._last) - age)
        for level in self._levels.values():
            level.give_back(weight, taken)

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
            self._refused(now, number, sent_at, retry_after, too_many=status == _TOO_MANY_REQUESTS)
        else:
            self._refusals.passed(now, number, sent_at)

    def _tell(self, now: float, quota: Quota, number: int, sent_at: float) -> None:
        key = (quota.dialect, "" if quota.dialect == "github" else quota.name)
        level = self._levels.get(key)
        if level is None:
            if key in self._mixed or len(self._levels) + len(self._mixed) >= _MOST:
                return
            level = self._levels[key] = Level(counts_requests=quota.unit == "requests")
        self.active = True
        unsent = sum(one > number for one in self._unsent)
        level.tell(now, quota, number, sent_at, max(number, self.sent - unsent))
        if level.flips > _FLIPS:  # of models, of resources: it can't be told which one the next attempt falls under
            del self._levels[key]
            self._mixed |= {key}

    def _refused(self, now: float, number: int, sent_at: float, retry_after: float | None, *, too_many: bool) -> None:
        if retry_after == 0.0:  # come back at once: that is no limit
            return
        self.active = True
        explained = not too_many or any(level.empty for level in self._levels.values())
        self._refusals.refused(now, number=number, sent_at=sent_at, asked=retry_after, explained=explained)
        until = now + (retry_after or 0.0)
        self.paused += max(0.0, until - max(now, self.paused_until))
        self.paused_until = max(self.paused_until, until)

    def _spacing(self, now: float) -> float:
        interval = self._refusals.interval(now)
        for level in self._levels.values():
            interval = max(interval, level.spacing(now))
        return interval
