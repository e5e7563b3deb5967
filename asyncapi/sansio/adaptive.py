"""How many attempts at a time a host can take, learned from what comes back: AIMD, Vegas and Gradient2.

The ideas are those of TCP: AIMD (Chiu and Jain, 1989), Vegas (Brakmo and Peterson, 1995), the gradient of latencies
(Gradient2 of Netflix concurrency-limits; Envoy's adaptive concurrency filter), careful steps near the last loss (CUBIC,
RFC 9438), draining the queue now and then to see the bare latency (BBR's ProbeRTT; Envoy's minRTT). The rules, the
same for all three:

    1. Answers go into windows of one round trip, of ten at least; latency moves the limit once a window.
    2. A latency is an attempt's own, without the time it waited in our line.
    3. A drop (429, 503, a timeout, no connection) cuts at once, to `backoff`. A round of drops that follows right on
       another cuts deeper, at most to a half.
    4. After any cut, what comes back for a round trip was sent under the old limit: it is left out. So a storm of drops
       cuts once a round trip, and a slow answer of before isn't held against the new limit.
    5. After a drop nothing grows for ten round trips, and near where it was too much, only in small steps.
    6. The limit grows only when it is used: the most in flight came near it.
    7. The latency of the idle server is seen only without a queue. Now and then, and when cut after cut has halved the
       limit, it is halved for one window to look (not for AIMD, which knows no latency).
"""

from __future__ import annotations

from math import inf, log10, sqrt
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_ENOUGH = 10  # answers in a window
_SHORTEST = 0.05  # seconds of a window
_USED = 0.8  # of the limit in flight: it is what holds us
_DEEPEST = 0.5  # the most one step may cut
_HOLD = 10  # round trips without growth after a drop,
_HOLD_SECONDS = 1.0  # and not less than this
_NEAR = 0.9  # of the limit at the last drop: from here on steps are small
_CAREFUL = 0.02  # of the limit: such a step, beside 1
_FIRST_LOOK = 10  # round trips until the first look at the idle latency,
_LOOK_EVERY = 50  # and between looks,
_LOOK_SECONDS = 10.0  # and not less than this
_STUBBORN = 0.7  # of the limit left by cuts for latency: is the idle latency still what it was?
_DRIFT = 0.001  # weight of a window with a queue in the idle latency
_WEIGHT = 10  # samples at which a window without a queue weighs as much as all before
_STALE = 0.5  # a window faster than this share of the idle latency shows that it is out of date,
_SURE = 20  # if it has so many samples


class Window:
    """The answers of about one round trip.

    Attributes:
        opened: When it began.
        count: Answers.
        most: The most attempts in flight.
    """

    __slots__ = ("_total", "count", "most", "opened")

    def __init__(self, now: float) -> None:
        self.opened = now
        self.count = self.most = 0
        self._total = 0.0

    def add(self, latency: float, in_flight: int) -> None:
        """One answer."""
        self.most = max(self.most, in_flight)
        self.count += 1
        self._total += latency

    @property
    def latency(self) -> float:
        """Mean seconds of an answer."""
        return self._total / self.count


class Algorithm(Protocol):
    """What the three differ in.

    Attributes:
        looks: Whether it needs to see the idle latency now and then.
    """

    looks: bool

    def next(self, limit: float, window: Window) -> float:
        """The limit after a window without drops that used it."""
        ...

    def idle(self, window: Window) -> None:
        """A window with a short queue: one that used less than half of the limit, or a look."""
        ...


class AIMD:
    """Additive increase, multiplicative decrease: knows drops alone, so it fills the server's queue.

    The step grows by one with every clean window since the last cut: gentle near the limit that was too much, fast once
    the server has evidently grown.
    """

    __slots__ = ("_last", "_step", "looks")

    def __init__(self) -> None:
        self.looks = False
        self._step = 0.0
        self._last = 0.0

    def next(self, limit: float, window: Window) -> float:  # noqa: ARG002 - the others need it
        """One step up."""
        self._step = self._step + 1.0 if limit >= self._last else 1.0
        self._last = limit + self._step
        return self._last

    def idle(self, window: Window) -> None:
        """Of no use here."""


class IdleLatency:
    """The latency of the server without a queue of our making, as a moving average.

    Looks and windows that used little of the limit count by their samples, as do much faster ones; all others next to
    nothing: the average must not drift up with a queue that we keep at the server.
    """

    __slots__ = ("_windows", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._windows = 0

    def gradient(self, window: Window) -> float:
        """The average over this window's latency, at most 1; the window, maybe with a queue, is counted."""
        faster = window.latency < _STALE * self.seconds and window.count >= _SURE
        self._add(window, window.count / (window.count + _WEIGHT) if faster else _DRIFT)
        return min(1.0, self.seconds / window.latency)

    def add(self, window: Window) -> None:
        """Count a window with a short queue."""
        self._add(window, window.count / (window.count + _WEIGHT))

    def _add(self, window: Window, weight: float) -> None:
        self._windows += 1
        self.seconds += (window.latency - self.seconds) * max(1.0 / self._windows, weight)


class Vegas:
    """Keeps a few attempts queued at the server: those in flight beyond `limit * idle latency / latency`."""

    __slots__ = ("_idle", "looks")

    def __init__(self) -> None:
        self.looks = True
        self._idle = IdleLatency()

    def next(self, limit: float, window: Window) -> float:
        """Up while next to nothing waits, down by half of what waits too many."""
        queue = limit * (1.0 - self._idle.gradient(window))
        scale = max(1.0, log10(limit))
        if queue <= 3.0 * scale:
            return limit + (max(6.0 * scale, sqrt(limit)) if queue <= scale else scale)
        excess = queue - 6.0 * scale
        return limit - max(scale, excess / 2) if excess > 0 else limit

    def idle(self, window: Window) -> None:
        """Remember it."""
        self._idle.add(window)


class Gradient2:
    """Scales the limit by the ratio of the idle latency to the latest, and adds headroom of its square root."""

    __slots__ = ("_idle", "looks")

    def __init__(self) -> None:
        self.looks = True
        self._idle = IdleLatency()

    def next(self, limit: float, window: Window) -> float:
        """`limit * gradient + headroom`; smoothed on the way down."""
        wanted = limit * max(_DEEPEST, self._idle.gradient(window)) + max(4.0, sqrt(limit))
        return wanted if wanted >= limit else limit + 0.5 * (wanted - limit)

    def idle(self, window: Window) -> None:
        """Remember it."""
        self._idle.add(window)


class AdaptiveLimit:
    """The running limit of one host.

    Args:
        algorithm: How it moves without drops.
        initial: The limit to begin with.
        minimum: Never below.
        maximum: Never above.
        backoff: What a first drop leaves of the limit, as a share.

    Attributes:
        limit: Attempts allowed at a time; its whole part counts.
    """

    __slots__ = (
        "_algorithm", "_backoff", "_ceiling", "_deaf", "_fell_from", "_hold", "_kept", "_look_at", "_maximum",
        "_minimum", "_round_trip", "_since", "_streak", "_window", "limit",
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
        self._ceiling = inf  # about the limit at the last drop
        self._hold = -inf  # no growth until then
        self._streak = 0  # rounds of drops in a row
        self._fell_from = self.limit  # where the cuts for latency began
        self._look_at = inf  # when to look at the idle latency
        self._kept: float | None = None  # the limit to come back to after a look

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None:
        """An attempt ended.

        Args:
            now: The clock's time.
            latency: Seconds it took, without any wait in our own line.
            in_flight: Attempts under way, this one included.
            dropped: 429, 503, a timeout, or no connection. (A cancelled attempt is no sample.)
        """
        if now < self._deaf:
            return
        if dropped:
            if now - latency >= self._since:
                self._drop(now, latency)
            return
        window = self._window
        if window is None:
            window = self._window = Window(now)
        window.add(latency, in_flight)
        if window.count >= _ENOUGH and now - window.opened >= max(self._round_trip, _SHORTEST):
            self._window = None
            self._turn(now, window)

    def _drop(self, now: float, latency: float) -> None:
        """Cut at once; deeper if the last cut was not enough."""
        limit = self.limit if self._kept is None else self._kept
        self._kept = None
        wanted = limit * max(_DEEPEST, self._backoff ** (2.0**self._streak))
        self._round_trip = self._round_trip or latency
        self._streak += 1
        self._cut(now, min(wanted, self.limit))
        self._ceiling = self.limit / self._backoff
        self._hold = now + max(_HOLD_SECONDS, _HOLD * self._round_trip)

    def _turn(self, now: float, window: Window) -> None:
        """A window without drops is complete."""
        self._streak = 0
        self._round_trip += (window.latency - self._round_trip) * (0.3 if self._round_trip else 1.0)
        if self._kept is not None:
            self._looked(now, window)
        elif window.most < self.limit / 2:
            self._algorithm.idle(window)
        elif window.most >= int(self.limit * _USED):
            self._move(now, self._algorithm.next(self.limit, window))

    def _move(self, now: float, wanted: float) -> None:
        if wanted >= self.limit:
            if now >= self._hold:
                self._grow(wanted)
            self._fell_from = self.limit
        else:
            self._cut(now, wanted)
        if self._algorithm.looks:
            self._look(now)

    def _grow(self, wanted: float) -> None:
        """Up; in small steps where it was too much the last time."""
        if self.limit > self._ceiling * (2.0 - _NEAR):
            self._ceiling = inf
        if wanted > self._ceiling * _NEAR:
            wanted = min(wanted, max(self.limit + 1.0 + self.limit * _CAREFUL, self._ceiling * _NEAR))
        self.limit = min(self._maximum, wanted)

    def _look(self, now: float) -> None:
        """Halve the limit for a while, if it is time to."""
        if self._look_at == inf:
            self._look_at = now + _FIRST_LOOK * self._round_trip
        if now >= self._look_at or self.limit <= self._fell_from * _STUBBORN:
            self._kept = self._fell_from = self.limit
            self._cut(now, self.limit / 2)

    def _looked(self, now: float, window: Window) -> None:
        self._algorithm.idle(window)
        self.limit = self._kept or self.limit
        self._kept = None
        self._look_at = now + max(_LOOK_SECONDS, _LOOK_EVERY * self._round_trip)

    def _cut(self, now: float, limit: float) -> None:
        """What was sent before says nothing of the new limit."""
        self.limit = max(self._minimum, limit)
        self._since = now
        self._deaf = now + self._round_trip
        self._window = None


ALGORITHMS: dict[str, Callable[[], Algorithm]] = {"aimd": AIMD, "vegas": Vegas, "gradient2": Gradient2}
