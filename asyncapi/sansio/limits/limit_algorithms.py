"""Move a learned limit while nothing is refused: AIMD, Vegas and Gradient2, from windows of responses.

The ideas are those of TCP: AIMD (Chiu and Jain, 1989), Vegas (Brakmo and Peterson, 1995), the gradient of latencies
(Gradient2 of Netflix concurrency-limits; Envoy's adaptive concurrency filter). `adaptive.py` runs them.
"""

from __future__ import annotations

from math import log10, sqrt
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 0.5  # the most one step may cut
_DRIFT = 0.001  # weight of a window with a queue in the idle latency
_WEIGHT = 10  # samples at which a window without a queue weighs as much as all before
_STALE = 0.5  # of the idle latency: a faster window shows that it is out of date
_SURE = 20  # samples that such a window must have
_ERRORS = 2.0  # standard errors that a latency must lie above the idle one to show a queue


class Window:
    """The responses of about one round trip.

    Attributes:
        opened_at: When it began.
        count: Responses, refusals left out.
        drops: Refusals.
        late: How many of the refusals took long: they have waited at the server.
        most: The most attempts in flight.
    """

    __slots__ = ("_squares", "_total", "count", "drops", "late", "most", "opened_at")

    count: int
    drops: int
    late: int
    most: int

    def __init__(self, now: float) -> None:
        self.opened_at: float = now
        self.count = self.drops = self.late = self.most = 0
        self._total = self._squares = 0.0

    def add(self, latency: float, in_flight: int) -> None:
        """Count a response."""
        self.most = max(self.most, in_flight)
        self.count += 1
        self._total += latency
        self._squares += latency * latency

    @property
    def latency(self) -> float:
        """Mean seconds of a response."""
        return self._total / self.count

    @property
    def variance(self) -> float:
        """The square of that mean's standard error: what chance makes of few responses, or uneven ones."""
        return max(0.0, self._squares / self.count - self.latency**2) / self.count


class Algorithm(Protocol):
    """One way to move a limit.

    Attributes:
        probes_latency: Whether it needs to see the idle latency now and then.
    """

    probes_latency: bool

    def next(self, limit: float, window: Window) -> float:
        """The limit after a window without drops that used it."""
        ...

    def idle(self, window: Window) -> None:
        """Learn from a window with a short queue: one that used less than half of the limit, or a probe."""
        ...


class AIMD:
    """Additive increase, multiplicative decrease: knows drops alone, so it fills the server's queue.

    The step grows by one with every clean window since the last cut: gentle near the limit that was too much, fast once
    the server has evidently grown.
    """

    __slots__ = ("_last", "_step", "probes_latency")

    def __init__(self) -> None:
        self.probes_latency: bool = False
        self._step = 0.0
        self._last = 0.0

    def next(self, limit: float, window: Window) -> float:  # noqa: ARG002 - the others need it
        """One step up."""
        self._step = self._step + 1.0 if limit >= self._last else 1.0
        self._last = limit + self._step
        return self._last

    def idle(self, window: Window) -> None:
        """Do nothing: latency does not count here."""


class IdleLatency:
    """The latency of the server without a queue of our making, as a moving average.

    Probes and windows that used little of the limit count by their samples, as do much faster ones; all others next to
    nothing: the average must not drift up with a queue that we keep at the server.
    """

    __slots__ = ("_variance", "_windows", "seconds")

    def __init__(self) -> None:
        self.seconds: float = 0.0
        self._variance = 0.0
        self._windows = 0

    def gradient(self, window: Window) -> float:
        """The average over this window's latency, less what may be chance, at most 1; the window is counted."""
        faster = window.latency < _STALE * self.seconds and window.count >= _SURE
        self._add(window, window.count / (window.count + _WEIGHT) if faster else _DRIFT)
        return self.seconds / max(self.seconds, window.latency - _ERRORS * sqrt(window.variance + self._variance))

    def add(self, window: Window) -> None:
        """Count a window with a short queue."""
        self._add(window, window.count / (window.count + _WEIGHT))

    def _add(self, window: Window, weight: float) -> None:
        self._windows += 1
        weight = max(1.0 / self._windows, weight)
        self.seconds += (window.latency - self.seconds) * weight
        self._variance = (1.0 - weight) ** 2 * self._variance + weight**2 * window.variance


class Vegas:
    """Keeps a few attempts queued at the server: those in flight beyond `limit * idle latency / latency`."""

    __slots__ = ("_idle", "probes_latency")

    def __init__(self) -> None:
        self.probes_latency: bool = True
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
        """Learn the idle latency."""
        self._idle.add(window)


class Gradient2:
    """Scales the limit by the ratio of the idle latency to the latest, and adds headroom of its square root."""

    __slots__ = ("_idle", "probes_latency")

    def __init__(self) -> None:
        self.probes_latency: bool = True
        self._idle = IdleLatency()

    def next(self, limit: float, window: Window) -> float:
        """`limit * gradient + headroom`; smoothed on the way down."""
        wanted = limit * max(_DEEPEST, self._idle.gradient(window)) + max(4.0, sqrt(limit))
        return wanted if wanted >= limit else limit + 0.5 * (wanted - limit)

    def idle(self, window: Window) -> None:
        """Learn the idle latency."""
        self._idle.add(window)


ALGORITHMS: dict[str, Callable[[], Algorithm]] = {"aimd": AIMD, "vegas": Vegas, "gradient2": Gradient2}
