"""Let single calls come back after a pause: spaced, faster and faster; at once where holding them does not help.

1. They begin with what was taken before the pause, or well below where that does not tell what is taken for good.
2. The rate rises gently for some seconds, and then doubles every second: whom it holds back must get through.
3. Where more are refused than the host's background explains, it goes on from what was taken lately.
4. Where the queue grows to twice what it was when a limit was met again, or would take long to get through, more is
   wanted than the host takes. Each call had better wait for itself alone: all get through, and none is held for a
   while, longer each time.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.sansio.limits.background import Background
    from asyncapi.sansio.limits.throughput import Flow

_FEW = 10  # attempts that are too few to tell a rate
_CAREFUL = 0.25  # of what was taken at once, where that does not tell what is taken for good
_GENTLY = 4.0  # seconds of a gentle rise, before the rate doubles every second
_RISE = 0.05  # of the rate before the pause: the gentle rise, each second
_LONG = 60.0  # seconds of doubling that are counted
_LET_THROUGH = 2.0  # seconds in which all who wait are let through, where holding them does not help
_LONG_WAIT = 5.0  # seconds that single calls may have to wait for their turn
_SOME = 20  # responses after which the refusals among them are weighed
_LET_GO, _LONGEST_LET_GO = 10.0, 600.0  # seconds for which no single call is held: doubling from one to the other
_GROWTH = 2.0  # times as many wait as when a limit was met twice: holding does not help
_FEW_WAIT = 20  # waiting calls: fewer are counted as so many
_TWICE = 2  # times that a limit is met before the queue is compared


class Holding:
    """Decide whether single calls are held back: not where their queue only grows (rule 4)."""

    __slots__ = ("_first", "_judged", "_last", "_next", "_until")

    def __init__(self) -> None:
        self._last = self._until = -inf
        self._judged = 0  # times that a limit was met, one soon after the other
        self._first = 0  # how many waited when it was met again
        self._next = _LET_GO  # seconds for which calls are let go the next time

    def at(self, now: float) -> bool:
        """Whether single calls are to be held."""
        return now >= self._until

    def holds(self, now: float, waiting: int, *, again: bool) -> bool:
        """Take in that a limit was met: whether single calls are held for it. The arguments are those of `judge`."""
        return self.at(now) and self.judge(now, waiting, again=again)

    def judge(self, now: float, waiting: int, *, again: bool) -> bool:
        """Take in that a limit was met with so many waiting: whether holding them helps.

        Args:
            now: The clock's time.
            waiting: Single calls in the queue.
            again: Whether those of the last time still wait.
        """
        if not again and now - self._last > _LET_GO:
            self._judged = 0
        self._last = now
        self._judged += 1
        if self._judged <= _TWICE:
            self._first = max(waiting, _FEW_WAIT)
            return True
        return self.helps(now, waiting)

    def helps(self, now: float, waiting: int) -> bool:
        """Whether holding helps with so many waiting now; if not, no single call is held for a while."""
        if self._judged < _TWICE or waiting <= _GROWTH * self._first:
            return True
        self._until, self._next = now + self._next, min(2.0 * self._next, _LONGEST_LET_GO)
        self._judged = 0
        return False


class Comeback:
    """The rate at which single calls come back after a pause, until nobody waits any more.

    It is no inferred limit: it begins with what was taken before the pause, and rises until all whom the pause has held
    back are gone.

    Args:
        now: The clock's time.
        rate: Attempts a second that were taken before.
        known: Whether so many were seen to be taken for a while; else the rate doubles every second.
    """

    __slots__ = ("_free", "_known", "_rate", "_refused", "_responses", "_since")

    def __init__(self, now: float, rate: float, *, known: bool) -> None:
        self._since, self._rate, self._known = now, max(1.0, rate), known
        self._free = False
        self._responses = self._refused = 0

    @classmethod
    def after(cls, now: float, flow: Flow, pause: float) -> Comeback:
        """Begin with what was taken before a pause of so many seconds (rule 1)."""
        steady = flow.count >= _FEW and flow.seconds(now) > pause
        return cls(now, flow.rate(now, pause) * (1.0 if steady else _CAREFUL), known=steady)

    def rate(self, now: float) -> float:
        """Attempts a second (rule 2)."""
        passed = min(max(0.0, now - self._since), _LONG)
        gently = min(passed, _GENTLY) if self._known else 0.0
        return self._rate * (1.0 + _RISE * gently) * float(2.0 ** (passed - gently))

    def begin(self, now: float) -> None:
        """Begin to come back: the pause is over."""
        self._since = now

    def let_go(self, now: float, waiting: int) -> None:
        """Let all who wait through within seconds, whatever is refused: holding has not helped (rule 4)."""
        if not self._free:
            self._rate, self._since = max(self.rate(now), waiting / _LET_THROUGH), now
            self._free, self._known = True, False

    def is_slow(self, now: float, waiting: int, taken: float) -> bool:
        """Whether, well after the pause, they would wait for long yet at what is taken, attempts a second."""
        return now - self._since >= _LET_THROUGH and waiting > _LONG_WAIT * taken

    def responded(self, now: float, sent_at: float, taken: float, background: Background, *, refused: bool) -> bool:
        """Take in a response; where too many are refused, go on from what was taken lately, attempts a second.

        Returns:
            Whether too many were refused (rule 3).
        """
        if sent_at <= self._since or self._free:
            return False
        self._responses += 1
        self._refused += refused
        if self._responses < _SOME:
            return False
        too_many = self._refused > background.explains(self._responses)
        if too_many:
            self._rate = min(self.rate(now), max(taken, self._rate if self._known else 1.0))
            self._since, self._known = now, True
        self._responses = self._refused = 0
        return too_many
