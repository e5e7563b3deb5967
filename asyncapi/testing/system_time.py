"""Virtual time for code that makes its clients itself, and gives them no clock."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from asyncapi.clock import SYSTEM
from asyncapi.testing.virtual_time import VirtualTimeLoop, check_free

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")


class SystemTime:
    """While it is active, clients without a `clock=` live in virtual time inside `run`, and as always outside of it.

        def test_backoff(api_mock, api_clock):              # the fixture; or `with SystemTime() as api_clock:`
            api_mock.get("/users/1").reply(503).then.reply(json={"id": 1})
            assert api_clock.run(my_program()) == {"id": 1}
            assert api_clock.elapsed >= 0.0                 # virtual seconds: the test itself took no time

    It is for clients that are made inside `run`: one that was made before may hold on to the real time. A blocking
    client has a thread, and real time. Random draws (of jitter, for one) are the same in every run.

    Args:
        seed: The seed of the random draws.

    Attributes:
        elapsed: The virtual seconds of all `run`s so far.
        runs: How many there were.
    """

    def __init__(self, seed: int = 0) -> None:
        self.elapsed: float = 0.0
        self.runs: int = 0
        self._draw = random.Random(seed).random
        self._kept: tuple[Callable[[], float], ...] | None = None

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in virtual time and return its result.

        Raises:
            ConfigError: An event loop runs already, in whose time the caller lives.
        """
        check_free(scenario)
        self.runs += 1
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            try:
                return runner.run(scenario)
            finally:
                self.elapsed += runner.get_loop().time()

    def __enter__(self) -> Self:
        clock: Any = SYSTEM  # the one seam for time
        self._kept = clock.now, clock.wall, clock.random
        clock.now, clock.wall, clock.random = _now, _wall, self._random
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        clock: Any = SYSTEM
        clock.now, clock.wall, clock.random = self._kept or (time.monotonic, time.time, random.random)

    def _random(self) -> float:
        return random.random() if _virtual() is None else self._draw()


def _virtual() -> VirtualTimeLoop | None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop if isinstance(loop, VirtualTimeLoop) else None


def _now() -> float:
    loop = _virtual()
    return time.monotonic() if loop is None else loop.time()


def _wall() -> float:
    loop = _virtual()
    return time.time() if loop is None else _START_DATE + loop.time()


_START_DATE = 1_700_000_000.0
