"""Remember at how many attempts at a time a host refused, and go near that again with care.

As CUBIC and BIC remember where losses came (RFC 9438; Xu, Harfoush and Rhee, 2004). The rules are numbers 6 and 7 of
`adaptive.py`, which asks a `Ceiling` before it raises a limit.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.background import Background

if TYPE_CHECKING:
    from asyncapi.sansio.limits.limit_algorithms import Window

_TRIAL_ANSWERS = 150  # good responses since the last cut before one attempt more is tried at the ceiling
_TRIAL_TRIPS = 10  # round trips before it is tried
_TRIAL_SECONDS = 1.0  # seconds before it is tried, at least; doubled by each trial in a row that was refused
_TRIAL_MOST = 4.0  # seconds: no refused trial lengthens the wait beyond this
_SURE = 8  # attempts more in one trial: from here on the ceiling is forgotten
_BELOW = 0.95  # of the ceiling: what is refused at this limit or below is background
_STEPS = 16  # doublings that are counted


class Ceiling:
    """What a host's refusals say about how many attempts at a time it takes.

    Attributes:
        at: So many at a time were too many, as far as is known; inf while unknown.
        background: The share of attempts that the host refuses whatever the limit.
    """

    __slots__ = ("_failed", "_good", "_hold", "_late", "_step", "at", "background")

    def __init__(self) -> None:
        self.at: float = inf
        self.background: Background = Background()
        self._step = 1  # attempts more that the next trial takes
        self._failed = 0  # refused trials in a row
        self._good = 0  # responses since the last cut
        self._hold = -inf  # no trial before this time
        self._late = False  # refusals come late: many are under way before the first is seen

    def too_many(self, limit: float, window: Window) -> bool:
        """Tell whether a window had more drops than a limit that has held should have; if not, learn from it."""
        responses = window.count + window.drops
        low = limit <= self.at * _BELOW < inf
        if not low and window.drops > self.background.explains(responses):
            return True
        self._good += window.count
        if low or window.drops < self.background.share * responses or not window.late:  # rule 7
            self.background.learn(responses, window.drops)
        return False

    def hit(self, now: float, at: float, round_trip: float, *, by_trial: bool, late: bool) -> None:
        """Take in refusals: `at` attempts in flight were too many."""
        self._failed = self._failed + 1 if by_trial else 0
        self._late = late
        self.at = at
        self._step, self._good = 1, 0
        wait = max(_TRIAL_SECONDS, _TRIAL_TRIPS * round_trip)
        self._hold = now + max(wait, min(_TRIAL_MOST, wait * 2.0 ** min(self._failed, _STEPS)))

    def holds(self, limit: float) -> bool:
        """Tell whether the ceiling is what keeps the limit down."""
        return limit >= self.at - 1.0

    def next(self, now: float, limit: float, wanted: float, window: Window) -> float:
        """How far the limit may go towards what its algorithm wants (rule 6)."""
        if self.at == inf:
            return wanted
        room = self.at - 1.0 - limit
        if room > 0 and self._late and now < self._hold:  # rule 4: nothing grows after late drops
            return limit
        if room > 0:  # by halves, as BIC's binary search increase
            return min(wanted, limit + min(room, max(1.0, room / 2)))
        rested = self._step > 1 or (self._good >= _TRIAL_ANSWERS and now >= self._hold)
        if not rested or window.most < int(limit) or wanted < int(limit) + 1:
            return limit
        if self._step >= _SURE:
            self.at, self._step = inf, 1
            return wanted
        limit = min(wanted, int(limit) + self._step)
        self._step *= 2
        self._failed = 0 if self._step > 2 else self._failed  # noqa: PLR2004 - the first trial was well
        self.at = int(limit) + 1.0
        return limit
