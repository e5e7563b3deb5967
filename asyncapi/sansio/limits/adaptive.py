"""How many attempts at a time a host can take, learned from what comes back: AIMD, Vegas and Gradient2.

Latency moves the limit by one of `sansio/limit_algorithms.py`; refusals bound it. They are remembered as CUBIC and BIC
do (RFC 9438; Xu, Harfoush and Rhee, 2004), and the bare latency is looked for now and then (BBR's ProbeRTT; Envoy's
minRTT). The rules, the same for all three:

    1. Answers go into windows of one round trip, of ten at least; latency moves the limit once a window.
    2. A latency is an attempt's own, without the time it waited in our line.
    3. The limit grows only when it is used: the most in flight came near it.
    4. A drop (429, 503, a timeout, no connection) right after the limit was raised takes the raise back, if the host
       refused at once. At a limit that has held, one drop in a window is chance; more cut it to `backoff`, and a round
       of drops right on another deeper, at most to a half. Where drops come late, after waiting at the host, they cut
       too, and nothing grows for ten round trips. Where nothing is answered any more, it is an outage and no ceiling.
    5. After any cut, what comes back for a round trip was sent under the old limit: it is left out. So a storm of drops
       cuts once a round trip, or every 0.3 s where it is longer and the host refuses at once, and a slow answer of
       before isn't held against the new limit.
    6. Where refusals came is the ceiling. The limit goes up to just below it by halves of what is left, and stays; only
       after many good answers does it try one more, and if that is well, two, four, then as its algorithm likes.
    7. A host that refuses some whatever the limit: what is still refused well below the ceiling is its background, and
       as much of it is left out of account.
    8. The latency of the idle server is seen only without a queue. Now and then the limit is lowered for one window to
       look: to a half the first time, and when cut after cut has taken a third of it. Not for AIMD, which knows no
       latency, nor where refusals hold the limit.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.background import Background
from asyncapi.sansio.limits.limit_algorithms import Window

if TYPE_CHECKING:
    from asyncapi.sansio.limits.limit_algorithms import Algorithm

_ENOUGH = 10  # answers in a window
_SHORTEST = 0.05  # seconds of a window
_USED = 0.8  # of the limit in flight: it is what holds us
_DEEPEST = 0.5  # the most one step may cut
_PROBE_ANSWERS = 150  # good ones since the last cut until one more is tried at the ceiling,
_PROBE_TRIPS = 10  # round trips,
_PROBE_SECONDS = 1.0  # and not less than this, doubling with each that was refused,
_PROBE_MOST = 4.0  # up to this
_SURE = 8  # a probe's step from which on the ceiling is forgotten
_BELOW = 0.95  # of the ceiling: what is refused from here down is background
_STEPS = 16  # doublings counted
_MANY = 0.05  # of the answers refused: no chance and no background
_QUIET = 0.001  # less background than this is none
_FIRST_LOOK = 10  # round trips until the first look at the idle latency,
_LOOK_DOWN = 0.3  # of the limit, for a look
_LOOK_EVERY = 50  # and between looks,
_LOOK_SECONDS = 10.0  # and not less than this
_LATE = 0.5  # of a round trip: a drop that took longer has waited at the server
_SOON = 0.3  # seconds after a cut, a round trip at the most, until refusals at once lead to the next
_STEADY = 2  # round trips after a jump until answers are no longer those of the slow alone, or of the fast
_STUBBORN = 0.7  # of the limit left by cuts for latency: is the idle latency still what it was?


class Ceiling:
    """What refusals have told of a host.

    Attributes:
        at: So many at a time were too many, as far as is known; inf for unknown.
        background: The share of attempts that it refuses whatever the limit.
    """

    __slots__ = ("_calm", "_failed", "_hold", "_slow", "_step", "at", "background")

    def __init__(self) -> None:
        self.at = inf
        self.background = Background()
        self._step = 1  # of the next probe
        self._failed = 0  # probes in a row
        self._calm = 0  # answers since the last cut
        self._hold = -inf  # no probe until then,
        self._slow = False  # nor anything else: refusals come late, and many before the first is seen

    def too_many(self, limit: float, window: Window) -> bool:
        """Whether a window had more drops than a limit that has held should; if not, what else it tells."""
        answers = window.count + window.drops
        low = limit <= self.at * _BELOW < inf
        if not low and window.drops > self.background.explains(answers):
            return True
        self._calm += window.count
        if low or window.drops < self.background.share * answers or not window.late:
            self.background.learn(answers, window.drops)
        return False

    def hit(self, now: float, at: float, round_trip: float, *, by_probe: bool, late: bool) -> None:
        """Refusals came: `at` in flight were too many."""
        self._failed = self._failed + 1 if by_probe else 0
        self._slow = late
        self.at = at
        self._step, self._calm = 1, 0
        wait = max(_PROBE_SECONDS, _PROBE_TRIPS * round_trip)
        self._hold = now + max(wait, min(_PROBE_MOST, wait * 2.0 ** min(self._failed, _STEPS)))

    def holds(self, limit: float) -> bool:
        """Whether it is what keeps the limit down."""
        return limit >= self.at - 1.0

    def next(self, now: float, limit: float, wanted: float, window: Window) -> float:
        """How far the limit may go towards what its algorithm wants."""
        if self.at == inf:
            return wanted
        room = self.at - 1.0 - limit
        if room > 0 and self._slow and now < self._hold:
            return limit
        if room > 0:
            return min(wanted, limit + min(room, max(1.0, room / 2)))
        rested = self._step > 1 or (self._calm >= _PROBE_ANSWERS and now >= self._hold)
        if not rested or window.most < int(limit) or wanted < int(limit) + 1:
            return limit
        if self._step >= _SURE:
            self.at, self._step = inf, 1
            return wanted
        limit = min(wanted, int(limit) + self._step)
        self._step *= 2
        self._failed = 0 if self._step > 2 else self._failed  # noqa: PLR2004 - the first probe was well
        self.at = int(limit) + 1.0
        return limit


class AdaptiveLimit:
    """The running limit of one host.

    Args:
        algorithm: How it moves without drops.
        initial: The limit to begin with.
        minimum: Never below.
        maximum: Never above.
        backoff: What a first round of drops leaves of the limit, as a share.

    Attributes:
        limit: Attempts allowed at a time; its whole part counts.
    """

    __slots__ = (
        "_algorithm", "_alive", "_backoff", "_before", "_ceiling", "_deaf", "_fell_from", "_good", "_kept", "_look_at",
        "_looked_once", "_maximum", "_minimum", "_raised", "_round_trip", "_since", "_streak", "_window", "limit",
    )  # fmt: skip

    def __init__(
        self, algorithm: Algorithm, *, initial: float, minimum: float, maximum: float, backoff: float = 0.9
    ) -> None:
        self._algorithm = algorithm
        self.limit = float(initial)
        self._minimum = float(minimum)
        self._maximum = float(maximum)
        self._backoff = backoff
        self._window: Window | None = None
        self._round_trip = 0.0  # smoothed
        self._since = -inf  # drops of attempts sent before this are known already
        self._deaf = -inf  # until then, what comes back was sent under the limit before
        self._ceiling = Ceiling()
        self._raised = False  # above `_good`, and not yet held for a window
        self._good = self.limit  # a limit that has held
        self._alive = False  # something was answered since the last cut for drops
        self._streak = 0  # rounds of drops in a row
        self._fell_from = self.limit  # where the cuts for latency began
        self._look_at = inf  # when to look at the idle latency
        self._looked_once = False
        self._before: Window | None = None  # a look
        self._kept: float | None = None  # the limit to come back to after a look

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None:
        """An attempt ended.

        Args:
            now: The clock's time.
            latency: Seconds it took, without any wait in our own line.
            in_flight: Attempts under way, this one included.
            dropped: 429, 503, a timeout, or no connection. (A cancelled attempt is no sample.)
        """
        if not dropped:
            self._alive = True
        at_once = latency <= _LATE * self._round_trip
        deaf = self._deaf
        if dropped and at_once:  # however long answers take by now, these are news
            deaf = min(deaf, self._since + _SOON)
        if now < deaf or (dropped and now - latency < self._since):
            return
        window = self._window
        if window is None:
            window = self._window = Window(now)
        if dropped:
            window.drops += 1
            window.late += not at_once and self._round_trip > 0
            if window.drops > self._bearable(window):
                self._round_trip = self._round_trip or latency
                self._drop(now, in_flight, late=window.late > 0)
            return
        window.add(latency, in_flight)
        if window.count >= _ENOUGH and now - window.opened_at >= max(self._round_trip, _SHORTEST):
            self._window = None
            self._turn(now, window)

    def _bearable(self, window: Window) -> float:
        """How many drops a window, complete or not, may have before the limit is cut."""
        background, answers = self._ceiling.background, window.count + window.drops
        if self._raised:
            return background.explains(answers) if background.share > _QUIET else 0.0
        return max(2.0, _MANY * max(answers, self.limit), background.explains(answers))

    def _drop(self, now: float, in_flight: int, *, late: bool) -> None:
        """Too many: take back the raise, or cut; deeper if the last cut was not enough."""
        limit = self.limit if self._kept is None else self._kept
        undo = self._raised and not self._streak and not late
        self._kept = None
        if undo:
            wanted = self._good
        else:
            wanted = min(self.limit, limit * max(_DEEPEST, self._backoff ** (2.0 ** min(self._streak, _STEPS))))
            self._streak += 1
        known = self._alive or self._streak < 2  # noqa: PLR2004 - nothing answered after a cut: an outage
        at = max(int(wanted) + 1.0, min(in_flight, int(limit))) if known else inf
        self._ceiling.hit(now, at, self._round_trip, by_probe=undo, late=late)
        self._alive = False
        self._cut(now, wanted)

    def _turn(self, now: float, window: Window) -> None:
        """A window is complete, with no more drops than could be borne so far."""
        if self._ceiling.too_many(self.limit, window):
            self._drop(now, window.most, late=window.late > 0)
            return
        self._streak = 0
        self._round_trip += (window.latency - self._round_trip) * (0.3 if self._round_trip else 1.0)
        if self._kept is not None:
            self._looked(now, window)
        elif window.most < self.limit / 2:
            self._algorithm.idle(window)
        elif window.most >= int(self.limit * _USED):
            if window.most >= int(self.limit):
                self._good, self._raised = self.limit, False
            self._move(now, window)

    def _move(self, now: float, window: Window) -> None:
        wanted = self._algorithm.next(self.limit, window)
        if wanted >= self.limit:
            raised = min(self._maximum, self._ceiling.next(now, self.limit, wanted, window))
            self._raised = self._raised or int(raised) > int(self.limit)
            self.limit = self._fell_from = max(raised, self.limit)
        else:
            self._cut(now, wanted)
        if self._algorithm.looks and not self._ceiling.holds(self.limit):
            self._look(now, window)

    def _look(self, now: float, window: Window) -> None:
        """Lower the limit for a while, if it is time to."""
        if self._look_at == inf:
            self._look_at = now + _FIRST_LOOK * self._round_trip
        stubborn = self.limit <= self._fell_from * _STUBBORN
        if stubborn or now >= self._look_at:
            self._kept = self._fell_from = self.limit
            self._before = window
            queue = (
                inf if stubborn or not self._looked_once else max(_LOOK_DOWN * self.limit, 2.0 + 2.0 * sqrt(self.limit))
            )
            self._cut(now, self.limit - min(self.limit / 2, queue))
            self._deaf = now + _STEADY * self._round_trip

    def _looked(self, now: float, window: Window) -> None:
        """Back to the limit of before, or to what it should have been by what is known now."""
        self._algorithm.idle(window)
        self._looked_once = True
        if self._kept is not None and self._before is not None:
            self.limit = self._good = max(self.limit, min(self._kept, self._algorithm.next(self._kept, self._before)))
        self._kept = self._before = None
        self._deaf = now + _STEADY * self._round_trip
        self._look_at = now + max(_LOOK_SECONDS, _LOOK_EVERY * self._round_trip)

    def _cut(self, now: float, limit: float) -> None:
        """What was sent before says nothing of the new limit."""
        self.limit = self._good = max(self._minimum, limit)
        self._raised = False
        self._since = now
        self._deaf = now + self._round_trip
        self._window = None
