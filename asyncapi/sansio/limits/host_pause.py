"""Tell one call's 429 from everybody's: hold a host's other attempts only where the evidence says that all share it.

The refused call itself waits for as long as it was told (layers/retry.py). For the others:

    1. A refusal with a told time (Retry-After) raises a doubt. Attempts sent after the refused one are the evidence.
    2. At least four of them taken for each one refused: it was that call's alone, and all go on.
    3. Three refused, fewer than four taken for each, and more than the host refuses at random (background.py): the
       limit is shared, and everybody waits until the told time. Single calls wait only where most are refused.
    4. While in doubt, at most one more attempt may be under way than were taken since: where none is, one probe goes.
    5. No verdict within a second, or three round trips where they are longer: all go on.
    6. What was sent before that verdict goes on to be evidence: a verdict by chance is taken back.
    7. After a shared pause one attempt goes first; what is refused again makes the pause longer, without a new verdict.
    8. A pause over a minute is asked about once a minute: the server may be wrong.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.sansio.limits.background import Background

_TAKEN_FOR_EACH = 4  # attempts taken for each one refused: no shared limit
_SHARE = 0.1  # of the attempts under way: so many refusals are no chance
_MANY = 15  # attempts taken of those that were under way when a pause began
_PATIENCE, _ROUND_TRIPS = 1.0, 3.0  # seconds, and round trips, until a doubt without a verdict is dropped
_FIRST_GAP, _LONGEST_GAP = (
    0.125,
    30.0,
)  # seconds between two attempts while nothing is taken: doubling from one to the other
_PROBE_EVERY = 60.0  # seconds between two attempts in a pause that is longer


class Doubt:
    """A refusal of which it is not known yet whether it concerns everybody.

    Args:
        now: The clock's time.
        number: The refused attempt.
        took: Its round trip, seconds.
        retry_after: Seconds that the server asks to wait; None if it does not say.

    Attributes:
        awaited: Answers still to come of the attempts that were under way at the verdict.
        began: When it was raised.
        ends: When it is dropped.
        until: The latest time that was told; in the past for none.
        taken: Attempts taken of those sent after the refused one.
        refused: Attempts refused of them, and the first.
    """

    __slots__ = ("_number", "awaited", "began", "ends", "refused", "taken", "until")

    def __init__(self, now: float, number: int, took: float, retry_after: float | None) -> None:
        self._number = number
        self.awaited = 0
        self.taken, self.refused = 0, 1
        self.began = now
        self.ends = now + max(_PATIENCE, _ROUND_TRIPS * took)
        self.until = -inf if retry_after is None else now + retry_after

    def add(self, now: float, number: int, *, refused: bool = False, retry_after: float | None = None) -> None:
        """Take in the answer to attempt `number`: evidence, if it was sent after the refused one."""
        if retry_after is not None:
            self.until = max(self.until, now + retry_after)
        self.awaited -= 1
        if number > self._number:
            self.refused += refused
            self.taken += not refused

    def verdict(self, now: float, background: Background, under_way: int, *, backlog: bool) -> bool | None:
        """Whether the limit is shared; None while that is open.

        Args:
            now: The clock's time.
            background: What the host refuses at random.
            under_way: Attempts that are; many answers to come may outweigh a few.
            backlog: Whether a backlog asks; single calls wait only where most are refused.
        """
        if self.refuted or now >= self.ends:
            return False
        others = self.refused - 1  # the first raised the doubt: it is no evidence
        if others > background.explains(self.taken + others) and self.refused >= _SHARE * under_way:
            return True if backlog or self.refused > self.taken else None
        return None

    @property
    def refuted(self) -> bool:
        """Whether so many were taken that it was chance."""
        return self.taken >= _TAKEN_FOR_EACH * self.refused

    @property
    def outweighed(self) -> bool:
        """Whether, of many, most were taken: going slower is enough, and nobody has to wait."""
        return self.awaited <= 0 and self.taken >= max(_MANY, self.refused)

    def admits(self, under_way: int) -> bool:
        """Whether another attempt may go with so many under way."""
        return under_way <= self.taken


class HostPause:
    """The pause that a host has asked everybody for.

    Attributes:
        until: When it ends, on the clock; in the past for none.
        total: Seconds of such pauses so far.
        dismissed_at: When the last doubt was dropped.
        doubt: A refusal without a verdict yet.
        evidence: What led to the pause, and is still coming in.
        told: Whether the server said until when.
        probing: Whether nothing has been taken yet since it began.
        began: When it began: attempts sent before say nothing about how it ends.
    """

    __slots__ = (
        "_asked",
        "_asked_at",
        "_tries",
        "began",
        "dismissed_at",
        "doubt",
        "evidence",
        "probing",
        "told",
        "total",
        "until",
    )

    def __init__(self) -> None:
        self.until = self.began = self.dismissed_at = -inf
        self.total = 0.0
        self.doubt: Doubt | None = None
        self.evidence: Doubt | None = None
        self.told = self.probing = False
        self._tries = 0  # attempts refused since it began, a round trip apart
        self._asked = _LONGEST_GAP  # what the server asks for between two attempts, seconds
        self._asked_at = -inf  # when it was last asked

    def dismiss(self, now: float) -> None:
        """It was that call's alone; so are refusals of what was sent before this is known."""
        self.doubt, self.dismissed_at = None, now

    def begin(self, now: float, retry_after: float | None) -> None:
        """Everybody waits: for the told time, or until an attempt is taken."""
        self.evidence, self.doubt = self.doubt, None
        self.probing, self.told, self._tries = True, retry_after is not None, 1
        self.began = self._asked_at = now
        self._extend(now, retry_after)

    def refused(self, now: float, sent_at: float, retry_after: float | None) -> None:
        """Another was refused while it lasts."""
        if sent_at > self.began:  # a probe: the others were sent before it was known
            self._tries += 1
            self.began = now
        self._extend(now, retry_after)

    def taken(self, sent_at: float) -> bool:
        """An attempt was taken: whether that ends the pause."""
        if not self.probing or sent_at <= self.began:
            return False
        self.probing, self.until = False, min(self.until, sent_at)
        return True

    def lift(self, now: float) -> None:
        """It was chance."""
        self.total -= max(0.0, self.until - now)
        self.probing, self.until = False, min(self.until, now)

    def left(self, now: float) -> float:
        """Seconds of the told time that are left."""
        return self.until - now

    def wait(self, now: float) -> float:
        """Seconds until an attempt may go, whoever sends it."""
        return min(self.until, self._asked_at + _PROBE_EVERY) - now

    def gap(self) -> float:
        """Seconds between two attempts while nothing is taken: twice as long each time, to what the server asks for."""
        return min(self._asked, _FIRST_GAP * 2.0 ** min(self._tries, 16)) if self.probing else 0.0

    def sent(self, now: float) -> None:
        """An attempt goes."""
        if now < self.until:
            self._asked_at = now

    def _extend(self, now: float, retry_after: float | None) -> None:
        self._asked = _LONGEST_GAP if retry_after is None else min(retry_after, _LONGEST_GAP)
        if retry_after is not None:
            until = now + retry_after
            self.total += max(0.0, until - max(now, self.until))
            self.until = max(self.until, until)
