"""Clocks: the one way in which the SDK reads the time, sleeps and draws random numbers.

Production code uses `SYSTEM`. Tests pass another `Clock` (`asyncapi.testing.FakeClock`), so that a minute of backoff
takes no time and every draw is repeatable.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """What the SDK needs of a clock; all times are seconds as float."""

    def now(self) -> float:
        """Return monotonic seconds: for durations and deadlines, never for dates."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch: for HTTP dates and records."""
        ...

    def random(self) -> float:
        """Draw a number evenly from [0, 1)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` when `now()` reaches `when`; the handle's `cancel()` prevents that."""
        ...


class SystemClock:
    """The machine's clocks and the running event loop's timers."""

    __slots__ = ("now", "random", "wall")

    def __init__(self) -> None:
        # Bound as attributes, not wrapped in methods: each is called several times a request.
        self.now: Callable[[], float] = time.monotonic
        self.wall: Callable[[], float] = time.time
        self.random: Callable[[], float] = random.random

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` once `now()` has reached `when` (the loop's own zero may differ from ours)."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


SYSTEM: Clock = SystemClock()
