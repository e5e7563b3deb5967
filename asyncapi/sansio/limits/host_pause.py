"""Tell one call's 429 from everybody's: hold a host's other attempts only where the evidence says that all share it.

The refused call itself waits for as long as the server asks (layers/retry.py). For the others:

    1. A refusal with a Retry-After raises a suspicion: attempts sent after the refused one are the evidence.
    2. At least four of them taken for each one refused: it was that call's alone, and all go on.
    3. Three refused, fewer than four taken for each, and more than the host refuses at random (background.py): the
       limit is shared, and everybody waits as long as asked. Single calls wait only where most are refused.
    4. While there is a suspicion, at most one more attempt may be under way than were taken since: where none is, one
       probe goes.
    5. No verdict within a second, or three round trips where they are longer: all go on.
    6. What was sent before that verdict goes on to be evidence: a verdict by chance is taken back.
    7. After a shared pause one attempt goes first; what is refused again makes the pause longer, without a new verdict.
    8. A pause over a minute is probed once a minute: the server may be wrong.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.sansio.limits.background import Background

_TAKEN_FOR_EACH = 4  # attempts taken for each one refused: no shared limit
_SHARE = 0.1  # of the attempts under way: so many refusals are no chance
_MANY = 15  # attempts taken of those that were under way when a pause began
_UNDECIDED = 1.0  # seconds until a suspicion without a verdict is dropped
_ROUND_TRIPS = 3.0  # until it is dropped, where they take longer than that
_FIRST_GAP = 0.125  # seconds between two attempts while nothing is taken; doubled by each that is refused
_LONGEST_GAP = 30.0  # seconds: the gap grows no further
_PROBE_EVERY = 60.0  # seconds between two attempts in a pause that is longer
_STEPS = 16  # doublings that are counted


class Suspicion:
    """A refusal that may concern everybody, or only its own call.

    Args:
        now: The clock's time.
        number: The refused attempt.
        took: Its round trip, seconds.
        retry_after: Seconds that the server asks to wait; None if it does not say.

    Attributes:
        awaited: Responses still to come to the attempts that were under way at the verdict.
        began: When it was raised.
        ends: When it is dropped.
        until: The end of the longest wait that the server has asked for; in the past for none.
        taken: Attempts taken of those sent after the refused one.
        refused: Attempts refused of them, and the first.
    """

    __slots__ = ("_number", "awaited", "began", "ends", "refused", "taken", "until")

    refused: int
    taken: int

    def __init__(self, now: float, number: int, took: float, retry_after: float | None) -> None:
        self._number = number
        self.awaited: int = 0
        self.taken, self.refused = 0, 1
        self.began: float = now
        self.ends: float = now + max(_UNDECIDED, _ROUND_TRIPS * took)  # rule 5
        self.until: float = -inf if retry_after is None else now + retry_after

    def add(self, now: float, number: int, *, refused: bool = False, retry_after: float | None = None) -> None:
        """Take in the response to attempt `number`: evidence, if that was sent after the refused one."""
        if retry_after is not None:
            self.until = max(self.until, now + retry_after)
        self.awaited -= 1
        if number > self._number:  # rule 1
            self.refused += refused
            self.taken += not refused

    def verdict(self, now: float, background: Background, under_way: int, *, backlog: bool) -> bool | None:
        """Whether the limit is shared; None while that is open.

        Args:
            now: The clock's time.
            background: What the host refuses at random.
            under_way: Attempts that are; many responses to come may outweigh a few.
            backlog: Whether a backlog asks; single calls wait only where most are refused.
        """
        if self.refuted or now >= self.ends:
            return False
        others = self.refused - 1  # the first raised the suspicion: it is no evidence
        if others > background.explains(self.taken + others) and self.refused >= _SHARE * under_way:  # rule 3
            return True if backlog or self.refused > self.taken else None
        return None

    @property
    def refuted(self) -> bool:
        """Whether so many were taken that the refusals were chance (rule 2)."""
        return self.taken >= _TAKEN_FOR_EACH * self.refused

    @property
    def outweighed(self) -> bool:
        """Whether, of many, most were taken: going slower is enough, and nobody has to wait."""
        return self.awaited <= 0 and self.taken >= max(_MANY, self.refused)

    def admits(self, under_way: int) -> bool:
        """Whether another attempt may go with so many under way (rule 4)."""
        return under_way <= self.taken


class HostPause:
    """The pause that a host has asked everybody for.

    Attributes:
        until: When it ends, on the clock; in the past for none.
        total: Seconds of such pauses so far.
        dismissed_at: When the last suspicion was dropped.
        suspicion: A refusal without a verdict yet, or None.
        evidence: The suspicion that led to the pause; responses still come in.
        paused: Whether a pause has begun, and nothing was taken since.
        timed: Whether the server said until when.
        began: When it began: attempts sent before say nothing about how it ends.
        heard: Whether it was another process that was asked for it.
    """

    __slots__ = (
        "_gap", "_probed_at", "_tries", "began", "dismissed_at", "evidence", "heard", "paused", "suspicion", "timed",
        "total", "until",
    )  # fmt: skip

    began: float
    dismissed_at: float
    heard: bool
    paused: bool
    timed: bool
    until: float

    def __init__(self) -> None:
        self.until = self.began = self.dismissed_at = -inf
        self.total: float = 0.0
        self.suspicion: Suspicion | None = None
        self.evidence: Suspicion | None = None
        self.timed = self.paused = self.heard = False
        self._tries = 0  # attempts refused since it began, a round trip apart
        self._gap = _LONGEST_GAP  # seconds between two attempts that the server asks for
        self._probed_at = -inf  # when an attempt was last sent in the pause

    def dismiss(self, now: float) -> None:
        """Drop the suspicion: it was that call's alone, and so are refusals of what was sent before this is known."""
        self.suspicion, self.dismissed_at = None, now

    def begin(self, now: float, retry_after: float | None) -> None:
        """Have everybody wait: for the time that the server asks for, or until an attempt is taken."""
        self.evidence, self.suspicion = self.suspicion, None
        self.paused, self.timed, self._tries = True, retry_after is not None, 1
        self.began = self._probed_at = now
        self.heard = False
        self._extend(now, retry_after)

    def refused(self, now: float, sent_at: float, retry_after: float | None) -> None:
        """Take in another refusal while the pause lasts (rule 7)."""
        if sent_at > self.began:  # a probe: the others were sent before the limit was known
            self._tries += 1
            self.began = now
        self._extend(now, retry_after)

    def taken(self, sent_at: float) -> bool:
        """Take in that an attempt was taken: whether that ends the pause."""
        if not self.paused or sent_at <= self.began:
            return False
        self.paused, self.until = False, min(self.until, sent_at)
        return True

    def extend(self, now: float, seconds: float) -> None:
        """Wait for so many seconds from now at least: another process was asked to."""
        self.total += max(0.0, now + seconds - max(now, self.until))
        self.until, self.timed = max(self.until, now + seconds), True

    def lift(self, now: float) -> None:
        """Take the verdict back (rule 6)."""
        self.total -= max(0.0, self.until - now)
        self.paused, self.until = False, min(self.until, now)

    def left(self, now: float) -> float:
        """Seconds that are left of the wait that the server asks for."""
        return self.until - now

    def wait(self, now: float) -> float:
        """Seconds until an attempt may go, whoever sends it (rule 8)."""
        return min(self.until, self._probed_at + _PROBE_EVERY) - now

    def gap(self) -> float:
        """Seconds between two attempts while nothing is taken: doubling, up to what the server asks for."""
        return min(self._gap, _FIRST_GAP * 2.0 ** min(self._tries, _STEPS)) if self.paused else 0.0

    def sent(self, now: float) -> None:
        """Take in that an attempt goes."""
        if now < self.until:
            self._probed_at = now

    def _extend(self, now: float, retry_after: float | None) -> None:
        self._gap = _LONGEST_GAP if retry_after is None else min(retry_after, _LONGEST_GAP)
        if retry_after is not None:
            until = now + retry_after
            self.total += max(0.0, until - max(now, self.until))
            self.until = max(self.until, until)
