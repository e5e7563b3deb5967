"""Infer the rate that a host takes from its refusals alone: for a backlog of ours, and nothing else.

Where calls come as they are wanted, what is taken is the demand, and says nothing about a limit. Where a backlog is
worked off as fast as it may, what is taken is the limit. The flow of attempts is a sequence of rounds, from one refusal
to the next.

    1. The first rate comes with the first shared limit (host_pause.py): what was taken in the round, over its pause too
       where a window was used up at once. It is never below what was taken in the second before.
    2. From then on it follows the curve of learned_rate.py: below what was too much, for a while, then above.
    3. Below, refusals are the host's background, unless a limit is seen to be shared: then it takes less than before.
    4. Above, refusals that the background does not explain end the round. A host without any is believed at the first.
    5. What ends a round teaches: attempts and seconds from refusal to refusal, where a bucket is empty at both ends.
    6. Where nothing is taken after a refusal, attempts go one by one, less and less often (`HostPause.gap`).
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.learned_rate import LearnedRate

if TYPE_CHECKING:
    from asyncapi.sansio.limits.background import Background
    from asyncapi.sansio.limits.throughput import Flow

_FEW = 10  # attempts that are too few to tell a rate
_GUESS = 20.0  # attempts a second that are allowed to begin with, where too few were sent to tell
_RECENT = 0.97  # of what was taken in the last second is believed to be taken for good
QUIET = 0.002  # of the attempts refused at random: less is none
_STEADY = 1.0  # seconds of a flow that tell its rate
_EXACT = 2.0  # seconds of a flow, from one refusal to the next, that tell its rate exactly
_SAME = 0.85  # of the rate at the end of a flow was measured: the rate was much the same all the time
_WINDOW, _SHORTEST = 100, 0.2  # responses, and seconds, after which the refusals among them are weighed


class RateEstimate:
    """The inferred rate of one host or key.

    Args:
        flow: The attempts that it takes.
        background: What it refuses at random.

    Attributes:
        curve: The rate over time; None before the first limit was met.
    """

    __slots__ = (
        "_background", "_began", "_believed", "_ended", "_flow", "_known", "_pending", "_refused", "_responses",
        "_rounds", "curve",
    )  # fmt: skip

    def __init__(self, flow: Flow, background: Background) -> None:
        self.curve: LearnedRate | None = None
        self._flow = flow
        self._background = background
        self._rounds: deque[tuple[int, float]] = deque(maxlen=_FEW)  # attempts and seconds from refusal to refusal
        self._ended = inf  # when the last round ended
        self._known = -inf  # refusals of attempts sent before this time are known already
        self._believed = 0.0  # the background when the last limit was met
        self._pending: tuple[float, float] | None = None  # the rate then and what was measured, while nothing is taken
        self._began = -inf  # when a window of responses began, to attempts above the curve's low part
        self._responses = self._refused = 0

    def interval(self, now: float) -> float:
        """Seconds between attempts."""
        return 1.0 / self.curve.at(now) if self.curve is not None else 0.0

    def passed(self, now: float) -> None:
        """Take in that an attempt was taken."""
        if self.curve is not None and not self.curve.is_low(now):
            self._count(now, refused=0)

    def refused(self, now: float, sent_at: float) -> bool:
        """Take in that an attempt was refused, where no limit is seen to be shared: whether the rate is too fast."""
        curve = self.curve
        if curve is None or sent_at <= self._known or curve.is_low(now):  # rule 3
            return False
        excess = self._count(now, refused=1)
        return excess if self._background.share >= QUIET else not curve.searching  # rule 4

    def too_fast(self, now: float, pause: float, *, since: float = inf, explained: bool = False) -> None:
        """Take in that a limit was met: the round ends, and a pause of so many seconds follows.

        Args:
            now: The clock's time.
            pause: Seconds that the server asks to wait.
            since: When the first of these refusals came.
            explained: Whether something else than the rate is known to be the reason.
        """
        same_round, self._known = since <= self._known, now
        if same_round:
            return
        flow = self._flow
        lately = flow.rate(now, pause)
        if explained:
            self._pending = None
        elif self.curve is None:  # rule 1
            self._pending = inf, lately if flow.count >= _FEW else max(lately, _GUESS)
        else:
            rate = self.curve.at(now)
            tells = pause or flow.seconds(now) >= _STEADY
            measured = self._measure(now)
            # a bucket that was empty at both ends tells exactly, if the rate was much the same all the time
            exact = flow.seconds(now) >= _EXACT and flow.began - self._ended < _STEADY and measured >= _SAME * rate
            if not exact:
                measured = max(measured, _RECENT * lately) if tells else rate
            self._pending = rate, measured

    def lift(self, now: float) -> None:
        """Take the pause back: what was taken lately tells the rate, if the flow lasted long enough."""
        if self._pending is not None:
            steady = self._flow.seconds(now) >= _STEADY
            self._pending = (self._pending[0], _RECENT * self._flow.recent.rate(now)) if steady else None

    def forget(self) -> None:
        """Drop the measurement: it was no limit."""
        self._pending = None

    def go_on(self, now: float) -> None:
        """Begin a round: attempts sent from now on are taken again."""
        flow = self._flow
        if self._pending is not None:
            rate, measured = self._pending
            if self.curve is None:
                self.curve = LearnedRate(now, measured)
            else:
                self._rounds.append(self._round(self._known))
                self.curve.refused(now, min(rate, measured))
            self._pending = None
            self._believed = self._background.share
            self._began, self._responses, self._refused = now, 0, 0
        silent, lasted = now - self._known, max(0.0, self._known - flow.began)
        if self.curve is not None and silent > max(lasted, 1.0) and flow.count >= _FEW:  # a window was used up
            self.curve.correct(now, flow.count / (silent + lasted))
        self._ended = self._known
        flow.begin(now)

    def learned(self, now: float) -> None:
        """Take in a new background: where chance may have slowed attempts down, search the rate anew."""
        share = self._background.share
        if self.curve is not None and share > QUIET + 2.0 * self._believed:
            self._believed = share
            self.curve.search(now, self.curve.at(now))

    def _count(self, now: float, *, refused: int) -> bool:
        """Count a response: whether more of a window were refused than the background explains."""
        self._responses += 1
        self._refused += refused
        if self._responses < _WINDOW or now < self._began + _SHORTEST:
            return False
        excess = self._refused > self._background.explains(self._responses)
        self._began, self._responses, self._refused = now, 0, 0
        return excess

    def _round(self, now: float) -> tuple[int, float]:
        """Attempts and seconds since the last refusal; without the pause after it, if that was the shorter part."""
        lasted, silent = self._flow.seconds(now), self._flow.began - self._ended
        return self._flow.count, max(1e-3, lasted if silent < lasted else now - self._ended)

    def _measure(self, now: float) -> float:
        """Attempts a second from refusal to refusal, over as many rounds as can tell (rule 5)."""
        attempts, seconds = self._round(now)
        for taken, took in reversed(self._rounds):
            if attempts >= _FEW:
                break
            attempts, seconds = attempts + taken, seconds + took
        return attempts / seconds if attempts >= _FEW else max(attempts / seconds, self._half(now))

    def _half(self, now: float) -> float:
        """Half of the rate: too few attempts tell no other."""
        return 0.0 if self.curve is None else self.curve.at(now) / 2.0
