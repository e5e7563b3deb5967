"""Virtual time: an event loop that never waits, and the clock to go with it. For tests, simulations and replays."""

from __future__ import annotations

import asyncio
import random
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_HANG_AFTER = 5.0  # real seconds in which a thread may still wake the loop


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: with nothing ready, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self._offset = 0.0
        self._select = self._selector.select  # type: ignore[attr-defined]  # BaseSelectorEventLoop's
        self._selector.select = self._skip  # type: ignore[attr-defined]

    def time(self) -> float:
        """Virtual seconds since the loop was made; it stands still while code runs."""
        return self._offset

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait for worker threads in real time: a limit in virtual time would pass at once."""
        await super().shutdown_default_executor()

    def _skip(self, timeout: float | None = None) -> Any:
        ready = self._select(0)
        if not ready and timeout is None:
            ready = self._select(_HANG_AFTER)
            if not ready:
                raise RuntimeError("nothing left to do: the code under test waits for what never comes")
        if not ready and timeout:
            self._offset += timeout
        return ready


class FakeClock:
    """The clock to give to a Client under `run`: virtual time, repeatable chance.

    Args:
        seed: Of the jitter.
        epoch: What `wall()` shows at virtual second 0, seconds since the Unix epoch.
    """

    def __init__(self, seed: int = 0, epoch: float = 1_700_000_000.0) -> None:
        self.random = random.Random(seed).random
        self._epoch = epoch

    def now(self) -> float:
        """The running loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """The virtual date, seconds since the Unix epoch."""
        return self._epoch + self.now()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` at this virtual time."""
        return asyncio.get_running_loop().call_at(when, callback)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)
