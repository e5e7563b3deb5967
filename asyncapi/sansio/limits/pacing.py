"""Client-side throttling: turn a host's rate-limit headers and 429s into the time of the next attempt.

What a server states binds us; what is inferred from refusals alone binds only a backlog of ours.

    1. No limit stated, nothing refused: nothing is held back.
    2. A stated quota is kept as a copy of the server's own count (quota.py), and binds everybody.
    3. While more than half of a quota is left, attempts go as they come; only in windows of a second or two they are
       spaced from the start. Below they are spaced: from a quarter on evenly over what remains of the window, or at the
       bucket's own rate. With nothing left they wait.
    4. A 429, or a 403 with Retry-After, is its own call's, until it is seen that all share the limit (host_pause.py):
       then nobody goes before the time that the server named. A 503 is about the one request, or about a server in
       trouble, which is the breaker's concern.
    5. After a pause one attempt goes first. When it gets through, the rest come back spaced, never as a herd: from what
       was taken before, faster and faster until nobody waits (comeback.py).
    6. A backlog (`map`, `gather`, a job) is sent at a rate that is inferred from refusals (rate_estimate.py), where
       nothing stated explains them. Single calls are not.

Refusals move a host through three states (`HostPause`):

    state      event                                            next       what follows
    free       a refusal of a backlog, or with Retry-After      suspected  one attempt at a time more than are taken
    suspected  most are taken, or no verdict in time            free       the limit was that one call's
               many are refused, not at random                  paused     nobody goes before the time named
    paused     a refusal                                        paused     longer, and less often
               attempts sent before it are taken, as most       free       it was chance: refusals are background
               attempts sent before it are taken, as many       free       going slower is enough, the rate is learned
               an attempt sent after it began is taken          free       the rest come back, the rate is learned

A `Pacer` is used as a `Bucket` is (delay, take, give_back, interval), so that one kind of queue serves both. It decides
for a backlog; `Pacer.singly` is the same for single calls.
"""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.comeback import Comeback
from asyncapi.sansio.limits.host_pause import Suspicion
from asyncapi.sansio.limits.pacer_state import _PacerState
from asyncapi.sansio.limits.single_calls import SingleCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.limits.ratelimit_headers import Quota

_TOO_MANY_REQUESTS = 429
_MAY_PAUSE = frozenset({403, 429})  # 403: GitHub's secondary limits
_LATE = 0.01  # seconds that a timer may be late: the next attempts make up for it
_OVER = 1.0  # seconds in which nobody waited: all have come back
_FREE = 4.0  # times what is taken may go: a comeback holds nobody back any more


class Pacer(_PacerState):
    """Decide when the next attempt to one host or key may go; for a backlog, unless a method is told otherwise.

    Attributes:
        sent: Attempts taken: the latest number that was given out, or will be.
        active: Whether a limit was stated or an attempt refused; while not, every delay is 0.
        waiting: How many single calls wait; written by whoever has them wait.
        tell: Called with the seconds of a pause that begins here, and whether a backlog met it and a used-up quota
            explains it; with 0 seconds where that pause was a mistake. For other processes, which `hear` it.
        sharers: How many processes space their attempts by the same quotas.
    """

    active: bool
    sent: int

    @cached_property
    def singly(self) -> SingleCalls:
        """The same, for single calls."""
        return SingleCalls(self)

    # --- when may an attempt go? --------------------------------------------------------------------------------

    def delay(self, now: float, weight: float = 1.0, *, backlog: bool = True) -> float:  # noqa: ARG002 - as of a Bucket
        """Seconds until an attempt may go; 0 or less if it may now."""
        if not self.active:  # rule 1
            return 0.0
        wait = max(self.pause.wait(now), self._quotas.wait(now))
        spacing = self._spacing(now, backlog=backlog)
        if spacing:
            wait = max(wait, self._last + self._weight * spacing - now)
        suspicion = self.pause.suspicion
        if suspicion is not None and (backlog or suspicion.until > now) and not suspicion.admits(self.under_way):
            wait = max(wait, suspicion.ends - now)
        return wait

    def forecast(self, now: float, weight: float = 1.0, ahead: float = 0.0) -> float:
        """Seconds until the turn of an attempt that so many tokens are to be taken before."""
        return self.delay(now, weight) + ahead * self.interval

    def retry_after(self, now: float) -> float:
        """Seconds that the server asks to wait, by its Retry-Afters and quotas."""
        return max(self.pause.left(now), self._quotas.wait(now)) if self.active else 0.0

    def try_take(self, now: float, weight: float = 1.0, *, backlog: bool = True) -> bool:
        """Take a turn, if an attempt may go now."""
        if not self.active:
            return True
        if self.delay(now, weight, backlog=backlog) > TOLERANCE:
            return False
        self.take(now, weight, backlog=backlog)
        return True

    def take(self, now: float, weight: float = 1.0, *, backlog: bool = True) -> None:
        """Take a turn: an attempt is sent."""
        if not self.active:
            return
        self.sent += 1
        self._quotas.spend(now, weight)
        self.pause.sent(now)
        spacing = self._spacing(now, backlog=backlog)
        due = max(self.pause.until, self._last + self._weight * spacing)
        if now - _LATE > due > -inf:  # nobody waited for it
            self._idle(now - due, backlog=backlog)
        self._last, self._weight = max(now - _LATE, due) if spacing else now, weight

    def _idle(self, seconds: float, *, backlog: bool) -> None:
        """Leave out a time in which nobody had use for the rate."""
        if not backlog:
            if seconds > _OVER and not self.pause.paused:
                self._comeback = None
        elif self.estimate.curve is not None:
            self.estimate.curve.skip(seconds)

    def begin(self) -> int:
        """Number an attempt that was taken (and may have waited to be woken since) and begins now."""
        self._begun += 1
        if self.sent < self._begun:  # noqa: PLR1730 - without a limit no turn is taken; `max` is slower
            self.sent = self._begun
        return self._begun

    def give_back(self, weight: float = 1.0, *, number: int = 0, taken: float = inf, age: float = 0.0) -> None:
        """Give a turn back: its attempt is not sent after all.

        Args:
            weight: As it was taken with.
            number: What `begin` gave it, if it had begun.
            taken: When it was taken, if not just now.
            age: Seconds since then: of its turn only what they have left can be given to another.
        """
        if not self.active:
            return
        if number:  # the numbers after it are given out already
            self._unsent.append(number)
        else:
            self.sent -= 1
        if self._last > -inf:
            self._last -= max(0.0, weight * self._spacing(self._last, backlog=True) - age)
        self._quotas.give_back(weight, taken)

    def lost(self) -> None:
        """Take in that an attempt ended without a response."""
        self._ended += 1

    @property
    def under_way(self) -> int:
        """Attempts that have begun and not ended."""
        return self._begun - self._ended

    def available(self, now: float) -> float:
        """Attempts that may go now: 1 or 0, or any number while no limit is known."""
        return inf if not self.active else float(self.delay(now) <= TOLERANCE)

    @property
    def interval(self) -> float:
        """Seconds between attempts, as far as the server states limits: forecasts count on no guesses of ours."""
        return 0.0 if self._last == -inf else self._quotas.spacing(self._last) * self.sharers

    def _spacing(self, now: float, *, backlog: bool) -> float:
        """Seconds between attempts, by all that is known."""
        spacing = self._quotas.spacing(now) * self.sharers  # rule 3
        if backlog:  # rule 6
            spacing = max(spacing, self.estimate.interval(now))
        elif self._comeback is not None:  # rule 5
            spacing = max(spacing, 1.0 / self._comeback.rate(now))
        if self.pause.paused and (backlog or self.pause.timed):
            spacing = max(spacing, self.pause.gap())
        return spacing

    # --- what do other processes say? -------------------------------------------------------------------------------

    def hear(self, now: float, seconds: float, *, backlog: bool, explained: bool) -> None:
        """Take in a pause of so many seconds that another process was asked for; 0 takes back what was heard."""
        if not seconds:
            if self.active and self.pause.heard:
                self.pause.lift(now)
                self._comeback = None
        elif self.active and self.pause.paused:
            self.pause.extend(now, seconds)
        else:
            self.active, self.pause.suspicion = True, None
            self._pause(now, None, seconds, backlog=backlog, explained=explained)
            self.pause.heard = True

    def hear_quota(self, now: float, quota: Quota) -> None:
        """Take in a quota that a response to another process states, if less is left of it than is known here."""
        self.active |= self._quotas.hear(now, quota, self.sent)

    def _tell(self, seconds: float | None, *, backlog: bool, explained: bool) -> None:
        if self.tell is not None and seconds is not None and seconds >= 0 and not self.pause.heard:
            self.tell(seconds, backlog, explained)

    # --- what do responses say? ---------------------------------------------------------------------------------

    def observe(
        self,
        now: float,
        *,
        number: int,
        sent_at: float,
        quotas: Iterable[Quota] = (),
        status: int | None = None,
        retry_after: float | None = None,
        backlog: bool = True,
    ) -> None:
        """Take in a response.

        Args:
            now: The clock's time.
            number: The attempt's, as `begin` gave it.
            sent_at: When it was sent.
            quotas: Those in its headers.
            status: Its status.
            retry_after: Seconds the server asks to wait.
            backlog: Whether the attempt is one of a backlog's.
        """
        for quota in quotas:
            unsent = sum(other > number for other in self._unsent)
            self.active |= self._quotas.update(now, quota, number, sent_at, max(number, self.sent - unsent))
        if status == _TOO_MANY_REQUESTS or (retry_after is not None and status in _MAY_PAUSE):  # rule 4
            self._refused(now, number, sent_at, retry_after, too_many=status == _TOO_MANY_REQUESTS, backlog=backlog)
        else:
            self.passed(now, number, sent_at)

    def passed(self, now: float, number: int, sent_at: float) -> None:
        """Take in that attempt `number` was taken, and its response states no limit: `observe` in short."""
        self._flow.add(now, sent_at)
        self._ended += 1
        if not self.active:
            self._before += 1
            return
        self._learn_background(now, sent_at, refused=0)
        pause = self.pause
        if pause.paused:
            self._passed_in_pause(now, number, sent_at)
        else:
            if pause.suspicion is not None:
                pause.suspicion.add(now, number)
                if pause.suspicion.verdict(now, self.background, self.under_way, backlog=True) is False:
                    pause.dismiss(now)
            self._weigh_comeback(now, sent_at, refused=False)
        self.estimate.passed(now)

    def _passed_in_pause(self, now: float, number: int, sent_at: float) -> None:
        pause = self.pause
        if pause.taken(sent_at):
            self._end_pause(sent_at)
        elif sent_at <= pause.began and pause.evidence is not None:
            pause.evidence.add(now, number)
            self._weigh(now, pause.evidence)

    def _refused_in_pause(self, now: float, number: int, sent_at: float, retry_after: float | None) -> None:
        pause = self.pause
        if sent_at <= pause.began and pause.evidence is not None:
            pause.evidence.add(now, number, refused=True)
        pause.refused(now, sent_at, retry_after)
        self._tell(retry_after, backlog=self._for_backlog, explained=False)
        if pause.evidence is not None:
            self._weigh(now, pause.evidence)

    def _weigh(self, now: float, evidence: Suspicion) -> None:
        if evidence.refuted or evidence.outweighed:
            self._lift(now, chance=evidence.refuted)

    def _lift(self, now: float, *, chance: bool) -> None:
        """End the pause early: the refusals were chance, or going slower is enough."""
        evidence = self.pause.evidence
        if evidence is not None and self._knows_no_limit():
            self._sample.responses += evidence.taken + evidence.refused
            self._sample.refused += evidence.refused
        self.pause.lift(now)
        self._tell(0.0, backlog=False, explained=False)
        self._comeback = None
        if chance or not self._for_backlog:
            self.estimate.forget()
        else:
            self.estimate.lift(now)
            self._end_pause(now)

    def _refused(
        self, now: float, number: int, sent_at: float, retry_after: float | None, *, too_many: bool, backlog: bool
    ) -> None:
        self.active = True
        self._ended += 1
        pause = self.pause
        if pause.paused:
            self._refused_in_pause(now, number, sent_at, retry_after)
            return
        if pause.suspicion is not None:
            pause.suspicion.add(now, number, refused=True, retry_after=retry_after)
        elif (backlog or (retry_after and self.holding.at(now))) and sent_at > pause.dismissed_at:
            pause.suspicion = Suspicion(now, number, now - sent_at, retry_after)
            self._sample.mark()
        self._learn_background(now, sent_at, refused=1)
        self._weigh_comeback(now, sent_at, refused=True)
        explained = not too_many or self._quotas.empty
        if pause.suspicion is not None and self._decide(now, pause.suspicion, backlog=backlog, explained=explained):
            return
        if backlog and not explained and self.estimate.refused(now, sent_at):
            self.estimate.too_fast(now, 0.0)
            self.estimate.go_on(now)
            self._sample.since = now

    def _decide(self, now: float, suspicion: Suspicion, *, backlog: bool, explained: bool) -> bool:
        """Pass a verdict where there is one: whether the limit is shared, and a pause begins."""
        shared = suspicion.verdict(now, self.background, self.under_way, backlog=backlog)
        if shared is None:
            return False
        wait, again = suspicion.until - now, self._comeback is not None
        if shared and (backlog or (wait > 0 and self.holding.holds(now, self.waiting, again=again))):
            self._pause(now, suspicion, wait if wait > 0 else None, backlog=backlog, explained=explained)
            self._tell(wait, backlog=backlog, explained=explained)
            return True
        self.pause.dismiss(now)
        if not backlog and not self.holding.at(now) and self._comeback is not None:
            self._comeback.let_go(now, self.waiting)
        return False

    def _pause(
        self, now: float, suspicion: Suspicion | None, retry_after: float | None, *, backlog: bool, explained: bool
    ) -> None:
        """Begin a pause: the limit is shared."""
        if self._knows_no_limit():  # the evidence is no background
            self._sample.forget()
        self._sample.since = now
        pause = retry_after or 0.0
        self._comeback = Comeback.after(now, self._flow, pause)
        self._for_backlog = backlog
        if backlog:
            began = now if suspicion is None else suspicion.began
            self.estimate.too_fast(now, pause, since=began, explained=explained)
        if suspicion is not None:
            suspicion.awaited = self.under_way
        self.pause.begin(now, retry_after)

    def _end_pause(self, sent_at: float) -> None:
        """Go on after a pause: an attempt, sent then, was taken (rule 5)."""
        if self._for_backlog:
            self.estimate.go_on(sent_at)
        else:
            self._flow.begin(sent_at)
        if self._comeback is not None:
            self._comeback.begin(sent_at)

    def _weigh_comeback(self, now: float, sent_at: float, *, refused: bool) -> None:
        comeback = self._comeback
        if comeback is None:
            return
        taken, waiting = self._flow.recent.rate(now), self.waiting
        too_many = comeback.responded(now, sent_at, taken, self.background, refused=refused)
        helps = self.holding.judge(now, waiting, again=True) if too_many else self.holding.helps(now, waiting)
        if not helps or comeback.is_slow(now, waiting, taken):
            comeback.let_go(now, waiting)

    def _knows_no_limit(self) -> bool:
        return (curve := self.estimate.curve) is None or curve.searching

    def _is_low(self, now: float) -> bool:
        """Whether attempts go no faster than was seen to be taken."""
        curve = self.estimate.curve
        if curve is None:
            comeback = self._comeback
            return comeback is None or comeback.rate(now) >= _FREE * self._flow.recent.rate(now)
        return curve.searching or curve.is_low(now)

    def _learn_background(self, now: float, sent_at: float, *, refused: int) -> None:
        """Count a response: where no limit can be why some are refused, the background is learned from them."""
        if self.pause.paused or not self._is_low(now):
            return
        self._sample.add(sent_at, refused=refused)
        if self.pause.suspicion is None and self._sample.teach(self.background):
            self.estimate.learned(now)
