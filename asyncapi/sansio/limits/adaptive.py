"""Learn how many attempts at a time a host takes, from latencies and refusals: AIMD, Vegas and Gradient2.

Latency moves the limit by one of the algorithms in `limit_algorithms.py`; refusals bound it (`ceiling.py`); the bare
latency is probed for now and then (BBR's ProbeRTT; Envoy's minRTT). A limit is in one of three states:

    state     event                                         next      the limit
    held      a window used it, more is wanted              raised    goes up, as far as the ceiling lets it
              a window used it, less is wanted              held      goes down to that
              more drops than chance and background explain held      is cut by `backoff`, deeper each time in a row
              a probe is due                                probing   is lowered for one window
    raised    a window filled it                            held      stays, and the same window may raise it again
              a drop, refused at once                       held      goes back to what held before
              a drop that came late                         held      is cut by `backoff`
              a window used it, less is wanted              held      goes down to that
              a probe is due                                probing   is lowered for one window
    probing   a window without too many drops               held      comes back, or goes to what is wanted by now
              too many drops                                held      is cut, from what it was before the probe

The rules, the same for all three algorithms:

    1. Responses go into windows of one round trip, of ten at least; latency moves the limit once a window.
    2. A latency is an attempt's own, without the time it waited in our queue.
    3. The limit grows only when it is used: the most in flight came near it.
    4. A drop (429, 503, a timeout, no connection) right after the limit was raised takes the raise back, if the host
       refused at once. At a limit that has held, one drop in a window is chance; more cut it to `backoff`, and a round
       of drops right on another deeper, at most to a half. Where drops come late, after waiting at the host, they cut
       too, and nothing grows for ten round trips. Where no response comes any more, it is an outage and no ceiling.
    5. After any cut, what comes back for a round trip was sent under the old limit: it is left out. So a storm of drops
       cuts once a round trip, or every 0.3 s where it is longer and the host refuses at once, and a slow response of
       before isn't held against the new limit.
    6. Where refusals came is the ceiling. The limit goes up to just below it by halves of what is left, and stays; only
       after many good responses does it try one more, and if that goes well, two, four, then as its algorithm likes.
    7. A host that refuses some whatever the limit: what is still refused well below the ceiling is its background, and
       as much of it is left out of account.
    8. The latency of the idle server is seen only without a queue. Now and then the limit is lowered for one window to
       probe for it: to a half the first time, and when cut after cut has taken a third of the limit. Not for AIMD,
       which knows no latency, nor where refusals hold the limit.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, Literal

from asyncapi.sansio.limits.ceiling import Ceiling
from asyncapi.sansio.limits.limit_algorithms import Window

if TYPE_CHECKING:
    from asyncapi.sansio.limits.limit_algorithms import Algorithm

_ENOUGH = 10  # responses in a window, at least
_SHORTEST = 0.05  # seconds of a window, at least
_USED = 0.8  # of the limit in flight: the limit is what holds us
_DEEPEST = 0.5  # of the limit is left by one step, at least
_STEPS = 16  # doublings that are counted
_MANY = 0.05  # of the attempts refused: neither chance nor background
_QUIET = 0.001  # a background below this share is none
_LATE = 0.5  # of a round trip: a drop that took longer has waited at the server
_SOON = 0.3  # seconds after a cut, or a round trip if that is shorter, in which refusals at once are left out
_STEADY = 2  # round trips after a jump in which responses are those of the slow attempts alone, or of the fast alone
_FIRST_PROBE = 10  # round trips before the first probe
_PROBE_EVERY = 50  # round trips between probes
_PROBE_SECONDS = 10.0  # seconds between probes, at least
_PROBE_DOWN = 0.3  # of the limit is given up for a probe
_STUBBORN = 0.7  # of the limit left by cuts for latency: is the idle latency still what it was?


class Cut:
    """The last cut, and the rounds of drops that led to it.

    Attributes:
        at: When it was: drops of attempts sent before are known already.
        ignore_until: Until then, what comes back was sent under the limit before.
        answered: Whether any response came since the last cut for drops.
        streak: Rounds of drops in a row.
    """

    __slots__ = ("answered", "at", "ignore_until", "streak")

    at: float
    ignore_until: float

    def __init__(self) -> None:
        self.at = self.ignore_until = -inf
        self.answered: bool = False
        self.streak: int = 0


class LatencyProbe:
    """Lower the limit for one window, to see the latency without a queue (rule 8).

    Attributes:
        limit_before: The limit to come back to while probing; None while idle.
    """

    __slots__ = ("_before", "_done_once", "_due", "_fell_from", "limit_before")

    def __init__(self, limit: float) -> None:
        self.limit_before: float | None = None
        self._before: Window | None = None  # the window before the probe
        self._due = inf  # when the next probe is
        self._done_once = False
        self._fell_from = limit  # where the cuts for latency began

    def raised(self, limit: float) -> None:
        """Note a limit that was not cut: cuts for latency begin from here."""
        self._fell_from = limit

    def begin(self, now: float, limit: float, window: Window, round_trip: float) -> float | None:
        """The lowered limit, if it is time to probe after this window; else None."""
        if self._due == inf:
            self._due = now + _FIRST_PROBE * round_trip
        stubborn = limit <= self._fell_from * _STUBBORN
        if not stubborn and now < self._due:
            return None
        self.limit_before = self._fell_from = limit
        self._before = window
        half = stubborn or not self._done_once
        return limit - min(limit / 2, inf if half else max(_PROBE_DOWN * limit, 2.0 + 2.0 * sqrt(limit)))

    def end(self, now: float, limit: float, algorithm: Algorithm, round_trip: float) -> float:
        """The limit of before the probe, or what it should have been by what is known now."""
        if self.limit_before is not None and self._before is not None:
            limit = max(limit, min(self.limit_before, algorithm.next(self.limit_before, self._before)))
        self.limit_before = self._before = None
        self._done_once = True
        self._due = now + max(_PROBE_SECONDS, _PROBE_EVERY * round_trip)
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
        state: "held", "raised" or "probing", as in the table above.
    """

    __slots__ = (
        "_algorithm", "_backoff", "_ceiling", "_cut", "_good", "_maximum", "_minimum", "_probe", "_round_trip",
        "_window", "limit", "state",
    )  # fmt: skip

    def __init__(
        self, algorithm: Algorithm, *, initial: float, minimum: float, maximum: float, backoff: float = 0.9
    ) -> None:
        self._algorithm = algorithm
        self._minimum = float(minimum)
        self._maximum = float(maximum)
        self._backoff = backoff
        self.limit: float = float(initial)
        self.state: Literal["held", "raised", "probing"] = "held"
        self._good = self.limit  # the last limit that has held
        self._window: Window | None = None
        self._round_trip = 0.0  # seconds, smoothed
        self._ceiling = Ceiling()
        self._cut = Cut()
        self._probe = LatencyProbe(self.limit)

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None:
        """Take in how an attempt ended.

        Args:
            now: The clock's time.
            latency: Seconds it took, without any wait in our own queue.
            in_flight: Attempts under way, this one included.
            dropped: 429, 503, a timeout, or no connection. (A cancelled attempt is no sample.)
        """
        cut = self._cut
        if not dropped:
            cut.answered = True
        at_once = latency <= _LATE * self._round_trip
        ignore_until = cut.ignore_until
        if dropped and at_once:  # however long responses take by now, these are news
            ignore_until = min(ignore_until, cut.at + _SOON)
        if now < ignore_until or (dropped and now - latency < cut.at):  # rule 5
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
        if window.count >= _ENOUGH and now - window.opened_at >= max(self._round_trip, _SHORTEST):  # rule 1
            self._window = None
            self._turn(now, window)

    def _bearable(self, window: Window) -> float:
        """How many drops a window, complete or not, may have before the limit is cut (rule 4)."""
        background, responses = self._ceiling.background, window.count + window.drops
        if self.state == "raised":
            return background.explains(responses) if background.share > _QUIET else 0.0
        return max(2.0, _MANY * max(responses, self.limit), background.explains(responses))

    def _drop(self, now: float, in_flight: int, *, late: bool) -> None:
        """Answer too many drops: take back the raise, or cut; deeper if the last cut was not enough (rule 4)."""
        cut, probe = self._cut, self._probe
        limit = self.limit if probe.limit_before is None else probe.limit_before
        undo = self.state == "raised" and not cut.streak and not late
        probe.limit_before = None
        if undo:
            wanted = self._good
        else:
            wanted = min(self.limit, limit * max(_DEEPEST, self._backoff ** (2.0 ** min(cut.streak, _STEPS))))
            cut.streak += 1
        known = cut.answered or cut.streak < 2  # noqa: PLR2004 - no response after a cut: an outage
        at = max(int(wanted) + 1.0, min(in_flight, int(limit))) if known else inf
        self._ceiling.hit(now, at, self._round_trip, by_trial=undo, late=late)
        cut.answered = False
        self._lower(now, wanted)

    def _turn(self, now: float, window: Window) -> None:
        """Act on a complete window, with no more drops than could be borne so far."""
        if self._ceiling.too_many(self.limit, window):
            self._drop(now, window.most, late=window.late > 0)
            return
        self._cut.streak = 0
        self._round_trip += (window.latency - self._round_trip) * (0.3 if self._round_trip else 1.0)
        if self.state == "probing":
            self._end_probe(now, window)
        elif window.most < self.limit / 2:
            self._algorithm.idle(window)
        elif window.most >= int(self.limit * _USED):  # rule 3
            if window.most >= int(self.limit):
                self._good, self.state = self.limit, "held"
            self._move(now, window)

    def _move(self, now: float, window: Window) -> None:
        """Go where the algorithm wants to be after a window that used the limit; then probe, if it is time to."""
        wanted = self._algorithm.next(self.limit, window)
        if wanted >= self.limit:
            raised = min(self._maximum, self._ceiling.next(now, self.limit, wanted, window))
            if int(raised) > int(self.limit):
                self.state = "raised"
            self.limit = max(raised, self.limit)
            self._probe.raised(self.limit)
        else:
            self._lower(now, wanted)
        if self._algorithm.probes_latency and not self._ceiling.holds(self.limit):  # rule 8
            lowered = self._probe.begin(now, self.limit, window, self._round_trip)
            if lowered is not None:
                self._lower(now, lowered)
                self.state = "probing"
                self._cut.ignore_until = now + _STEADY * self._round_trip

    def _end_probe(self, now: float, window: Window) -> None:
        """Come back from a probe: what this window took is the idle latency."""
        self._algorithm.idle(window)
        self.limit = self._good = self._probe.end(now, self.limit, self._algorithm, self._round_trip)
        self.state = "held"
        self._cut.ignore_until = now + _STEADY * self._round_trip

    def _lower(self, now: float, limit: float) -> None:
        """Lower the limit: what was sent before says nothing of the new one (rule 5)."""
        self.limit = self._good = max(self._minimum, limit)
        self.state = "held"
        self._window = None
        self._cut.at, self._cut.ignore_until = now, now + self._round_trip
