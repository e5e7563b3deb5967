"""Cancels a call after each turn of the event loop, once and twice: every await point of every layer, systematically.

A scenario is `async def scenario(loop)`: it makes its world, starts the task under test, puts it in `loop.victim`, waits
for it and checks what is left. It runs once undisturbed, then once for each turn that the victim lives, with a
cancellation in that turn, and again with a second one some turns later.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from asyncapi.testing import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


class SteppedLoop(VirtualTimeLoop):
    """A virtual-time loop that counts its turns from when there is a victim, and cancels it in those of `at`.

    Attributes:
        victim: The task under test.
        hit: Cancellations that reached it before it was done.
    """

    def __init__(self, at: Iterable[int] = ()) -> None:
        super().__init__()
        self.victim: asyncio.Task[Any] | None = None
        self.turns = self.hit = 0
        self.complaints: list[dict[str, Any]] = []
        self._at = set(at)
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def _run_once(self) -> None:
        if self.victim is not None and not self.victim.done():
            self.turns += 1
            if self.turns in self._at:
                self.hit += self.victim.cancel()
        super()._run_once()  # type: ignore[misc]  # BaseEventLoop's


def each_cancellation(scenario: Callable[[SteppedLoop], Awaitable[None]], *, gaps: Iterable[int] = range(1, 7)) -> int:
    """Run it for every turn, and for every turn with a second cancellation `gaps` later; gives the number of runs."""
    turns = _run(scenario, ())
    plans = [(turn, *then) for turn in range(1, turns + 1) for then in [(), *((turn + gap,) for gap in gaps)]]
    for plan in plans:
        _run(scenario, plan)
    return len(plans)


def _run(scenario: Callable[[SteppedLoop], Awaitable[None]], at: tuple[int, ...]) -> int:
    made: list[SteppedLoop] = []

    def factory() -> SteppedLoop:
        made.append(SteppedLoop(at))
        return made[-1]

    async def main() -> None:
        await scenario(made[0])
        assert asyncio.all_tasks() == {asyncio.current_task()}, f"a task stays, cancelled in turn {at}"

    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
            loop = made[0]
            assert loop.victim is not None
            assert loop.victim.cancelled() == bool(loop.hit), f"a cancellation in turn {at} was swallowed, or made up"
            timers = [timer for timer in loop._scheduled if not timer.cancelled()]
            assert not timers, f"timers stay, cancelled in turn {at}: {timers}"
    except BaseException as error:
        error.add_note(f"cancelled in turn {at}")
        raise
    if loop.victim.done() and not loop.victim.cancelled():
        loop.victim.exception()
    loop.victim = None
    gc.collect(0)
    assert not loop.complaints, f"cancelled in turn {at}: {loop.complaints}"
    return loop.turns


class Places:
    """A plain semaphore as a layer, with the queue time written into the call as the real one does.

    Attributes:
        limit: Places in all.
    """

    def __init__(self, limit: int, clock: Any) -> None:
        self.limit = limit
        self._semaphore = asyncio.Semaphore(limit)
        self._clock = clock

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self._semaphore._value

    async def enter(self) -> None:
        """Take a place."""
        await self._semaphore.acquire()

    def leave(self) -> None:
        """Give it back."""
        self._semaphore.release()

    def layer(self, inner: Any) -> Any:
        """Hold a place during every attempt."""

        async def send(request: Any) -> Any:
            call, began = request.call, self._clock.now()
            call.phase = "queue"
            await self.enter()
            call.queued += self._clock.now() - began
            try:
                return await inner(request)
            finally:
                self.leave()

        return send
