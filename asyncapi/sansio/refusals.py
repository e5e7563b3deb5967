"""What refusals alone teach of a host: the rate that it takes, or that it refuses some whatever the rate.

The flow of attempts is a sequence of rounds. A round ends with a refusal of an attempt that was sent after the last one
was known; the next begins with the first attempt after it that gets through. Between the two, attempts go one by one,
less and less often, and no more often than the server asks for.

    1. Every round teaches a rate (learned_rate.py), from what really went through: over the whole cycle, pauses
       included; or while it flowed, where that was longer than the pause, and the rate was on trial. A bucket that
       holds what was taken at once at first gets so much back in a pause: it is taken off (`LearnedRate.level`). Is it
       a bucket? Where that makes much of a difference, the next round is to show it. At the least the rate is what was
       seen to pass after the first refusal, before it was known: a host that takes nine of ten is not at its end.
    2. Under a limit, going slower ends the refusals. Where three rounds on end were refused at a rate that had been
       sustained before, slowing down was in vain: the host refuses a share whatever we do (a broken backend, others
       that share the limit). The rate goes back to what it was, and pauses alone are kept.
    3. Beyond a limit, most of what is sent is refused. A round that ends so is a limit again, also after 2. And after
       twenty rounds, then forty and so on, the question is asked anew.
"""

from __future__ import annotations

from math import inf, sqrt

from asyncapi.sansio.learned_rate import LearnedRate, Throughput

_FEW = 10  # attempts that went through are too few to tell a rate:
_GUESS = 20.0  # a second are allowed then to begin with, or half of what was allowed before
_FIRST, _PATIENCE = 0.125, 30.0  # the shortest and longest pause between attempts while nothing goes through, seconds
_RECENT = 0.97  # of what went through in the last second
_CAUTIOUS = 0.93  # of what went through in the last second, while that is found out
_LAG = 1.5  # what went through in the last second may be behind a rate that doubles every second
_DOUBTFUL = 1.15  # times a level was allowed when it was refused: was there a bucket at all?
_AT_ONCE = 1.0  # seconds
_SHORT = 2.0  # seconds: such a pause may have been longer than was needed, if its whole cycle is all that is known
_NO_BETTER = 1.1  # times what the cycle says
_IN_VAIN = 3  # rounds
_WAVER = 0.5  # of a round that is taken back by one that had only tried for more
_MANY, _MILD = 20, 0.2  # attempts sent after the first that was refused tell a rate, if no more of them were refused
_SURE = 0.9  # of that rate is sustained
_CROWDED = 0.5  # of them refused: a limit has been passed;
_UNUSUAL = 3.0  # times the usual share (and a tenth), where some are refused anyhow
_FRUITLESS = 3, 5  # attempts, one after the other: the same; the second where some are refused anyhow
_HOLIDAY, _LONGEST = 20, 1280  # rounds until slowing down is tried again
_FASTEST = 1e6  # attempts a second


class Refusals:
    """The rounds of one host or key, and what they have taught.

    Attributes:
        rate: The rate learned, or None before the first round has ended.
        indifferent: Whether the host is believed to refuse some whatever the rate.
    """

    __slots__ = (
        "_asked", "_began", "_burst", "_count", "_cut_at", "_ended", "_first", "_first_sent", "_fruitless", "_holiday",
        "_later", "_later_refused", "_next_holiday", "_passed", "_proved", "_proven", "_proving", "_round", "_rounds",
        "_share", "_sustained", "_through", "_tried", "_usual", "_vain", "indifferent", "rate",
    )  # fmt: skip

    def __init__(self) -> None:
        self.rate: LearnedRate | None = None
        self.indifferent = False
        self._through = Throughput()
        self._began = self._ended = inf  # when attempts last began to go through, and ceased to;
        self._burst = 0.0  # what the host took at once, at first: a bucket's depth?
        self._proving = self._proven = False  # is being found out; was it?
        self._count = self._passed = 0  # how many did since they began, and in the round before
        self._asked = _PATIENCE  # the longest gap between attempts while nothing goes through: what the server asks for
        self._fruitless = 0  # refusals, a round trip apart, with nothing let through between
        self._cut_at = -inf  # refusals of attempts sent before are known already
        self._first, self._first_sent = 0, -inf  # the first attempt that was refused in this round,
        self._later = self._later_refused = 0  # and those sent after it, before that was known
        self._round: tuple[float, float, bool] | None = None  # the rate then, what was measured; was it in vain?
        self._rounds: tuple[tuple[int, float], ...] = ()  # the last few: attempts and seconds from refusal to refusal
        self._sustained = 0.0  # a rate that went on from one refusal to another
        self._tried = False  # the last round tried for more than was known to go
        self._vain = 0.0  # rounds refused although sustained
        self._usual = self._proved = 0.0  # attempts a second before the first of them, and since they were believed
        self._share = 0.0  # refused anyhow
        self._holiday, self._next_holiday = 0, _HOLIDAY

    def refused(self, now: float, *, number: int, sent_at: float, asked: float | None, explained: bool) -> None:
        """Attempt `number` was refused.

        Args:
            now: The clock's time.
            number: Attempts are numbered as they are sent.
            sent_at: When it was.
            asked: Seconds the server asks to wait.
            explained: Whether something else than the rate is known to be why.
        """
        self._asked = _PATIENCE if asked is None else min(asked, _PATIENCE)
        if sent_at <= self._cut_at:
            if number > self._first:
                self._later += 1
                self._later_refused += 1
            return
        if not self._fruitless:
            self._first, self._first_sent, self._later, self._later_refused = number, sent_at, 0, 0
            self._end_round(now, asked or 0.0, explained=explained)
        self._fruitless += 1
        self._cut_at = now

    def passed(self, now: float, number: int, sent_at: float) -> None:
        """Attempt `number` got through."""
        self._through.add(now)
        if self._fruitless:
            if sent_at > self._cut_at:
                self._begin_round(sent_at)
            elif number > self._first:
                self._later += 1
        self._began = min(self._began, sent_at)
        self._count += 1

    def interval(self, now: float) -> float:
        """Seconds between attempts."""
        interval = 1.0 / self.rate.at(now) if self.rate is not None else 0.0
        if self._fruitless > self.indifferent:  # still nothing goes through: one by one, less and less often
            interval = max(interval, min(self._asked, _FIRST * 2.0 ** min(self._fruitless, 16)))
        return interval

    # --- a round ends -------------------------------------------------------------------------------------------

    def _end_round(self, now: float, pause: float, *, explained: bool) -> None:
        """What went through?"""
        flowed = max(0.0, now - self._began)
        lately = self._count / max(1.0, flowed + pause)  # of the whole cycle: right for a window that was used up
        if pause < flowed:
            lately = max(lately, self._flow(now, lately))
        if not self._vain and not self.indifferent:
            self._usual = max(self._proved, self._count / max(flowed, 1e-3))
        if self.rate is None:
            self._burst = float(self._count) if flowed < _AT_ONCE else 0.0
            self._round = inf, lately if self._count >= _FEW else max(lately, _GUESS), False
        elif explained:
            self._round = None
        else:
            self._round = self._measure(now, self.rate, lately)
        self._ended = now

    def _flow(self, now: float, cycle: float) -> float:
        """What the host took while it flowed; without what a pause had brought back, if that is known."""
        if not self._burst or self.rate is None:
            return _RECENT * self._through.rate(now)
        brought_back = min(self._burst, cycle * max(0.0, self._began - self._ended))
        recent, level = self._through.rate(now), self.rate.level(self._began, now, brought_back)
        if self._proving:  # was that right?
            self._proving = False
            if self.rate.is_below(now):
                self._proven = True
            else:
                self._burst = 0.0
                return _RECENT * recent
        trying = not (self.rate.searching or self.rate.is_below(now))
        if trying and not self._proven and self.rate.at(now) > _DOUBTFUL * level:
            self._proving = True
            return _CAUTIOUS * recent
        return min(_LAG * recent, level)

    def _measure(self, now: float, learned: LearnedRate, lately: float) -> tuple[float, float, bool]:
        rate = learned.at(now)
        in_vain = rate <= self._sustained
        on_trial = self._tried
        self._tried = not learned.is_below(now)
        on_trial = on_trial or self._tried or self._count > self._passed
        self._passed = self._count
        self._rounds = (*self._rounds[1 - _FEW :], (self._count, max(1e-3, now - self._ended)))
        attempts, seconds = self._sum_up()
        self._sustained = measured = attempts / seconds
        if attempts < _FEW:
            self._sustained = 0.0
            measured = max(measured, rate / 2)
        elif self._count >= _FEW and on_trial and not self._vain:
            measured = max(measured, lately)
        return rate, measured, in_vain

    def _sum_up(self) -> tuple[int, float]:
        """Attempts and seconds from refusal to refusal (a bucket is empty at both), over as many rounds as can tell."""
        attempts, seconds = 0, 0.0
        for passed, took in reversed(self._rounds):
            attempts, seconds = attempts + passed, seconds + took
            if attempts >= _FEW:
                break
        return attempts, seconds

    # --- and the next begins ------------------------------------------------------------------------------------

    def _begin_round(self, sent_at: float) -> None:
        """Attempts get through again: what was it that ended, and how fast is it to go on?"""
        still_taken = self._still_taken()
        if self._round is not None:
            rate, measured, in_vain = self._round
            measured = max(measured, still_taken)
            crowded = self._is_crowded()
            if self.rate is None:
                self.rate = LearnedRate(sent_at, measured)
            elif self.indifferent:
                self._go_on(sent_at, self.rate, measured, crowded=crowded)
            else:
                loose = sent_at - self._ended < _SHORT and measured < _NO_BETTER * self._sustained
                self.rate.refused(sent_at, min(rate, measured), rate if loose else 0.0)
                self._doubt(sent_at, self.rate, in_vain=in_vain, crowded=crowded)
        silent, flowed = sent_at - self._ended, max(0.0, self._ended - self._began)
        used_up = silent > max(flowed, 1.0) and self._count >= _FEW and not still_taken  # a window
        if used_up and self.rate is not None and not self.indifferent:
            self.rate.correct(sent_at, self._count / (silent + flowed))
        self._fruitless, self._began, self._count = 0, sent_at, 0

    def _still_taken(self) -> float:
        """Attempts a second that got through after the first refusal, for sure; 0 where that can't be told."""
        later, refused = self._later, self._later_refused
        if later < _MANY or refused > _MILD * later:
            return 0.0
        taken = (later - refused - 2.0 * sqrt(refused) - 1.0) / max(1e-3, self._cut_at - self._first_sent)
        self._sustained = max(self._sustained, _SURE * taken)
        return _SURE * taken

    def _is_crowded(self) -> bool:
        share = min(_CROWDED, _UNUSUAL * self._share + 0.1) if self.indifferent else _CROWDED
        return self._fruitless >= _FRUITLESS[self.indifferent] or self._later_refused > max(2.0, share * self._later)

    def _doubt(self, now: float, rate: LearnedRate, *, in_vain: bool, crowded: bool) -> None:
        """Is there a limit at all?"""
        if crowded:
            self._vain = 0.0
        elif self._tried:
            self._vain = max(0.0, self._vain - _WAVER)
        elif in_vain:
            self._vain += 1.0
        if self._vain < _IN_VAIN:
            return
        self.indifferent, self._holiday = True, self._next_holiday
        self._next_holiday = min(2 * self._next_holiday, _LONGEST)
        self._share = len(self._rounds) / (len(self._rounds) + sum(attempts for attempts, _ in self._rounds))
        rate.search(now, self._usual)

    def _go_on(self, now: float, rate: LearnedRate, measured: float, *, crowded: bool) -> None:
        """Some are refused anyhow; is there a limit as well?"""
        self._holiday -= 1
        if crowded:
            rate.refused(now, min(rate.at(self._ended), measured))
            self._next_holiday, self._usual = _HOLIDAY, 0.0
        else:
            self._usual = min(2 * self._usual, _FASTEST)
            rate.search(now, self._usual)
        self._proved = self._usual
        if crowded or not self._holiday:
            self.indifferent, self._vain = False, 0.0
