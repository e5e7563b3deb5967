"""Decide as a circuit breaker: who may go, and what a verdict changes.

    state      event                                          next       what follows
    closed     somebody enters                                closed     may go
               the share of failures or of slow attempts      open       nobody may go for a while (rules 4, 5)
               reaches its bound, with `minimum` verdicts
               nothing but failures for a second, `minimum`   open       the same: an outage need not outweigh all the
               of them at least                                          good responses of before
    open       somebody enters before its time is over        open       may not go
               somebody enters after that                     half-open  goes as the probe
    half-open  somebody enters, and a probe is out            half-open  may not go, until the lease ends (rule 1)
               somebody enters, and none is out               half-open  goes as the probe
               a probe succeeds                               half-open  the next may go
               `probes` have succeeded                        closed     the window begins anew
               a probe fails, or is slow                      open       nobody may go for a while, longer (rules 4, 5)
               a probe ends without a verdict                 half-open  the next may go

Rules:
1. A probe holds a lease. It ends with the probe's verdict, when the probe is given up (`release`), or by itself
   after `lease` seconds: whatever becomes of a probe, the next caller may try.
2. A permit is the number of the state it was given in. A verdict under an older permit is old news and is ignored;
   that of a probe whose lease has run out still counts, for nothing has changed since.
3. An outage may be a restart, over in a moment: for its first `_BRIEF` seconds a caller who would rather wait than be
   refused can ask when the next probe may go (`probe_in`).
4. The open time is jittered, and half as long again with each opening in a row, up to a cap: a probe now and then is no
   load, and what is up again should be used soon.
5. "In a row" is an opening out of half-open, or one that comes sooner after closing than the last open time.

The states are those of M. Nygard's "Release It!"; windows, minimum and slow calls follow resilience4j.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["closed", "open", "half-open"]

_SLICES = 10  # of a time window
_GROWTH = 1.5  # times the open time, with each opening in a row
_MOST_STEPS = 60  # openings in a row that are counted
_DEAD = 1.0  # seconds of nothing but failures
_BRIEF = 5.0  # seconds that a restart may take
_EMPTY = array("Q", (0, 0, 0))  # a slice of a time window
_NOBODY: frozenset[object] = frozenset()


class CountWindow:
    """The last `size` verdicts.

    Attributes:
        total: Verdicts in the window.
        failed: How many of them are failures.
        slow: How many of them are slow.
    """

    __slots__ = ("_at", "_ring", "failed", "slow", "total")

    failed: int
    slow: int
    total: int

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._at = self.total = self.failed = self.slow = 0

    def add(self, _now: float, *, failed: bool, slow: bool) -> None:
        """Count a verdict, and no longer the oldest."""
        ring, at = self._ring, self._at
        if self.total == len(ring):
            old = ring[at]
            self.failed -= old & 1
            self.slow -= old >> 1
        else:
            self.total += 1
        ring[at] = failed | slow << 1
        self.failed += failed
        self.slow += slow
        self._at = (at + 1) % len(ring)

    def advance(self, now: float) -> None:
        """Do nothing: a count knows no time."""


class TimeWindow:
    """The verdicts of the last `seconds`, in ten slices that leave one by one.

    Attributes:
        total: Verdicts in the window.
        failed: How many of them are failures.
        slow: How many of them are slow.
    """

    __slots__ = ("_slice", "_slices", "_width", "failed", "slow", "total")

    failed: int
    slow: int
    total: int

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLICES
        self._slice = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._slices = array("Q", bytes(8 * 3 * _SLICES))  # total, failed, slow of each: nothing to be collected
        self.total = self.failed = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a verdict."""
        if now // self._width != self._slice:
            self.advance(now)
        at = 3 * (self._slice % _SLICES)
        self.total += 1
        self._slices[at] += 1
        if failed:
            self.failed += 1
            self._slices[at + 1] += 1
        if slow:
            self.slow += 1
            self._slices[at + 2] += 1

    def advance(self, now: float) -> None:
        """Drop the slices that are too old."""
        current = int(now // self._width)
        for number in range(max(self._slice + 1, current - _SLICES + 1), current + 1):
            at = 3 * (number % _SLICES)
            total, failed, slow = self._slices[at : at + 3]
            self.total -= total
            self.failed -= failed
            self.slow -= slow
            self._slices[at : at + 3] = _EMPTY
        self._slice = current


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens and closes; see `asyncapi.Breaker` for the meaning of each."""

    failure_rate: float = 0.5
    slow_rate: float = 0.5
    minimum: int = 20
    window: float = 30.0
    count: int | None = None
    open_for: float = 0.5
    open_cap: float = 4.0
    jitter: float = 0.2
    probes: int = 3
    lease: float = 30.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a circuit at one moment.

    Attributes:
        state: "closed", "open" or "half-open".
        failure_rate: Share of failures in the window, 0 to 1.
        slow_rate: Share of slow attempts in the window, 0 to 1.
        seen: Verdicts in the window.
        retry_after: Seconds until the next probe may go; 0 if it may go now.
        openings: How often it has opened.
        reason: Why it last opened, "" if it never did.
    """

    state: State
    failure_rate: float
    slow_rate: float
    seen: int
    retry_after: float
    openings: int
    reason: str


class Circuit:
    """The breaker of one host.

    Args:
        rules: When it opens and closes.
        random: Draws the jitter, from [0, 1).

    Attributes:
        state: "closed", "open" or "half-open".
        permit: What those get who may go now; it changes with the state.
        holder: Who has the lease of the probe.
        probing: All probes that are out, with those whose lease has run out.
        openings: How often it has opened.
        reason: Why it last opened.
    """

    __slots__ = (
        "_began", "_good", "_open_time", "_random", "_restless", "_rules", "_run", "_run_began", "_streak", "_until",
        "_window", "holder", "openings", "permit", "probing", "reason", "state",
    )  # fmt: skip

    def __init__(self, rules: Rules, random: Callable[[], float]) -> None:
        self._rules = rules
        self._random = random
        self._window = TimeWindow(rules.window) if rules.count is None else CountWindow(rules.count)
        self._until = 0.0  # open: when the first probe may go; half-open: when the lease runs out
        self._began = 0.0  # when it opened first, of those in a row
        self._restless = 0.0  # an opening before this time is one more in a row
        self._streak = 0
        self._open_time = 0.0
        self._good = 0
        self._run, self._run_began = 0, 0.0  # failures in a row
        self.state: State = "closed"
        self.permit: int = 1
        self.holder: object | None = None
        self.probing: frozenset[object] = _NOBODY
        self.openings: int = 0
        self.reason: str = ""

    def enter(self, now: float, holder: object) -> int:
        """Ask to go: a permit for `holder`, to be handed in with the verdict; 0 if it may not go."""
        if self.state == "closed":
            return self.permit
        if now < self._until and (self.state == "open" or self.holder is not None):
            return 0
        if self.state == "open":
            self._move("half-open")
            self._good = 0
        self.holder, self._until = holder, now + self._rules.lease  # rule 1
        self.probing |= {holder}
        return self.permit

    def record(self, permit: int, holder: object, now: float, *, failed: bool, slow: bool = False) -> None:
        """Take in the verdict on an attempt that was let go."""
        if permit != self.permit:  # rule 2
            return
        if self.state == "closed":
            self._window.add(now, failed=failed, slow=slow)
            if not failed:
                self._run = 0
            elif not self._run:
                self._run, self._run_began = 1, now
            else:
                self._run += 1
            if (self._window.failed or self._window.slow) and (why := self._too_bad(now)):
                self._open(now, why)
            return
        self.release(holder)
        if failed or slow:
            self._open(now, f"a probe {'failed' if failed else 'was slow'}")
            return
        self._good += 1
        if self._good >= self._rules.probes:
            self._close(now)

    def release(self, holder: object) -> None:
        """End without a verdict (cancelled, refused, never sent): if it was the probe, another may go."""
        if self.probing:
            self.probing -= {holder}
            if self.holder is holder:
                self.holder = None

    def holds(self, now: float) -> bool:
        """Whether it refuses anybody now, or awaits a verdict: then it must not be forgotten."""
        return bool(self.probing) or (self.state == "open" and now < self._until)

    def retry_after(self, now: float) -> float:
        """Seconds until the next probe may go, at the latest; 0 if somebody may go now."""
        if self.state == "open" or self.holder is not None:
            return max(0.0, self._until - now)
        return 0.0

    def probe_in(self, now: float) -> float | None:
        """Seconds until the next probe may go, where it has just opened; 0 if one is out; else None (rule 3)."""
        wait = self._until - now if self.state == "open" else 0.0
        return max(0.0, wait) if now + wait <= self._began + _BRIEF else None

    def snapshot(self, now: float) -> Snapshot:
        """Its state now."""
        window = self._window
        window.advance(now)
        seen = window.total or 1
        return Snapshot(
            self.state,
            window.failed / seen,
            window.slow / seen,
            window.total,
            self.retry_after(now),
            self.openings,
            self.reason,
        )

    def _too_bad(self, now: float) -> str:
        """The reason to open now, or ""."""
        rules, window = self._rules, self._window
        if window.total < rules.minimum:
            return ""
        if window.failed >= rules.failure_rate * window.total:
            return f"{window.failed} of {window.total} attempts failed"
        if min(self._run, window.failed) >= rules.minimum and now - self._run_began >= _DEAD:
            return f"{self._run} attempts in a row failed"
        if window.slow >= rules.slow_rate * window.total:
            return f"{window.slow} of {window.total} attempts were slow"
        return ""

    def _open(self, now: float, why: str) -> None:
        rules = self._rules
        in_a_row = self.state == "half-open" or now < self._restless  # rule 5
        self._streak = self._streak + 1 if in_a_row else 0
        if not in_a_row:
            self._began = now
        longest = min(rules.open_cap, rules.open_for * _GROWTH ** min(self._streak, _MOST_STEPS))
        self._open_time = longest * (1 - rules.jitter * self._random())  # rule 4
        self._until = now + self._open_time
        self.reason = why
        self.openings += 1
        self._move("open")

    def _close(self, now: float) -> None:
        self._restless = now + self._open_time
        self._window.clear()
        self._run = 0
        self._move("closed")

    def _move(self, state: State) -> None:
        self.state = state
        self.permit += 1
        self.holder = None
        self.probing = _NOBODY
