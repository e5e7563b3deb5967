"""Watch any number of deadlines with one timer.

Arming an event-loop timer for every request costs more than the whole of the layers. A `Watchdog` keeps the
running guards in a dict and arms a single timer for the earliest of them; a guard that is left in time costs one
insertion and one removal. When the timer fires, every guard whose time has come cancels its task, as
`asyncio.timeout` does: the cancellation is turned into a time-out by the one that caused it, and a cancellation
that came from outside at the same moment wins.

    guard = watchdog.enter(due)
    try:
        return await work()
    except asyncio.CancelledError:
        if guard.fired():
            raise RequestTimeout(...) from None
        raise
    finally:
        watchdog.leave(guard)
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.clock import Clock


class Guard:
    """One deadline over the task that entered it.

    Attributes:
        due: When its time is up.
        expired: Whether it has cancelled its task, and nobody has asked `fired` yet.
        means: What records say when its time is up.
        tells: Whether what it ends has not ended well; False where it may still have done, had it been waited for.
    """

    __slots__ = ("_cancelling", "_task", "due", "expired", "means", "tells")

    def __init__(self, task: asyncio.Task[Any], due: float) -> None:
        self._task = task
        self._cancelling = task.cancelling()
        self.due: float = due
        self.expired: bool = False
        self.means: str = "the deadline passed"
        self.tells: bool = True

    def expire(self) -> None:
        """Cancel the task, once."""
        self.expired = True
        self.due = inf
        self._task.cancel("deadline")

    @property
    def fires(self) -> bool:
        """Whether its own cancellation, and nobody else's, is under way: it has caused what ends now."""
        return self.expired and self._task.cancelling() - 1 <= self._cancelling

    def fired(self) -> bool:
        """Whether the cancellation just caught is this guard's own and nobody else's; asked once."""
        if not self.expired:
            return False
        self.expired = False
        return self._task.uncancel() <= self._cancelling


class Watchdog:
    """Cancels the tasks whose deadline has come."""

    __slots__ = ("_clock", "_closed", "_guards", "_timer", "_wakes")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guards: dict[Guard, None] = {}  # in the order of entry, in which those due at one moment fire
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = inf
        self._closed = False

    def enter(self, due: float, task: asyncio.Task[Any] | None = None) -> Guard:
        """Watch over the running task until `leave`, or until the clock's `now()` reaches `due`.

        Args:
            due: When its time is up, on the watchdog's clock.
            task: The running task, where the caller knows it.
        """
        task = task or asyncio.current_task()
        if task is None:  # a coroutine driven by hand
            raise RuntimeError("a deadline needs a running task")
        guard = Guard(task, due)
        self._guards[guard] = None
        if due < self._wakes:
            self._arm(due)
        return guard

    def leave(self, guard: Guard) -> None:
        """Stop watching; safe after it fired."""
        self._guards.pop(guard, None)
        if guard.expired:  # fired, but something else ended the work
            guard.fired()
        if self._closed and not self._guards:
            self.close()

    def close(self) -> None:
        """Stop the timer, once the last call under way has ended: its deadline holds until then."""
        self._closed = True
        if self._timer is not None and not self._guards:
            self._timer.cancel()
            self._timer, self._wakes = None, inf

    def __len__(self) -> int:
        return len(self._guards)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes = self._clock.call_at(when, self._wake), when

    def _wake(self) -> None:
        now = self._clock.now()
        self._timer, self._wakes = None, inf
        for guard in self._guards:
            if guard.due <= now:
                guard.expire()
        nearest = min((guard.due for guard in self._guards), default=inf)
        if nearest < inf:
            self._arm(nearest)
