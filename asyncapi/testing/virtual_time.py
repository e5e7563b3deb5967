"""Virtual time: an event loop that never waits, and its clock, for tests, simulations and replays."""

from __future__ import annotations

import asyncio
import random
import selectors
from heapq import heappush
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_HANG_AFTER = 5.0  # real seconds in which a thread may still wake the loop


class _FinestResolution:
    """The smallest clock resolution: a timer runs at its own time, not with one that is due a nanosecond before."""

    def __radd__(self, time: float) -> float:
        return nextafter(time, inf)


class _Timer(asyncio.TimerHandle):
    """A timer; of timers for the same time, the first that was set runs first."""

    __slots__ = ("number",)

    def __init__(self, number: int, when: float, *rest: Any) -> None:
        super().__init__(when, *rest)
        self.number = number

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return (self.when(), self.number) < (other.when(), other.number)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: with nothing ready, its time jumps to the next timer.

    Each timer runs at exactly its own time; timers for the same time run in the order in which they were set.
    """

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self._offset = 0.0
        self._clock_resolution = _FinestResolution()
        self._timers = 0
        self._select = self._selector.select  # type: ignore[attr-defined]  # BaseSelectorEventLoop's
        self._selector.select = self._skip  # type: ignore[attr-defined]

    def time(self) -> float:
        """Return the virtual seconds since the loop was made; they stand still while code runs."""
        return self._offset

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call a function at a virtual time."""
        self._check_closed()  # type: ignore[attr-defined]  # BaseEventLoop's
        self._timers += 1
        timer = _Timer(self._timers, when, callback, args, self, context)
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - as BaseEventLoop does
        return timer

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait for worker threads in real time: a limit in virtual time would pass at once."""
        await super().shutdown_default_executor()

    def _skip(self, timeout: float | None = None) -> Any:
        ready = self._select(0)
        if not ready and timeout is None:
            ready = self._select(_HANG_AFTER)
            if not ready:
                raise RuntimeError("nothing left to do: the code under test waits for something that never happens")
        if not ready and timeout:
            self._offset = self._scheduled[0].when()  # type: ignore[attr-defined]  # its time, exactly
        return ready


class FakeClock:
    """A clock for a client under `run`: virtual time, and the same random draws each time.

    Args:
        seed: The seed of the random draws.
        epoch: What `wall()` shows at virtual second 0, seconds since the Unix epoch.

    Attributes:
        epoch: What `wall()` shows at virtual second 0.
    """

    def __init__(self, seed: int = 0, epoch: float = 1_700_000_000.0) -> None:
        self.random: Callable[[], float] = random.Random(seed).random
        self.epoch = epoch

    def now(self) -> float:
        """Return the time of the running loop."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Return the virtual date, seconds since the Unix epoch."""
        return self.epoch + self.now()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` at this virtual time."""
        return asyncio.get_running_loop().call_at(when, callback)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time and return its result.

    Raises:
        ConfigError: An event loop runs already, in whose time the caller lives.
    """
    check_free(scenario)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)


def check_free(scenario: Coroutine[Any, Any, Any]) -> None:
    """Check that a coroutine may be run here.

    Raises:
        ConfigError: It is none, or an event loop runs already.
    """
    if not asyncio.iscoroutine(scenario):
        raise ConfigError(f"run({scenario!r:.80}): give a coroutine, as in run(my_program())")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    scenario.close()
    raise ConfigError(
        "run(...) has an event loop of its own, in virtual time, and one runs already: make the test a plain function, "
        "`def test_...`, not `async def`"
    )
