"""A host that is restarted now and then: is a breaker worth having, where an outage takes two seconds?

It takes no connections for two seconds out of every fifteen. Calls come by a clock of their own.

failed       of all calls
while down   attempts that reached the host while it was down, for each call that was begun meanwhile
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from asyncapi import Breaker
from asyncapi.testing import run

from .policies import policy
from .server import Condition, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 40.0  # calls a second
EVERY, DOWN = 15, 2  # seconds
SECONDS = 150
POLICIES: dict[str, dict[str, Any]] = {
    "retry=None": {"retry": None}, "no breaker": {}, "breaker": {"breaker": Breaker()},
}  # fmt: skip


@dataclass(frozen=True)
class Restarted:
    """What came out; see the top of this file."""

    failed: float
    worst: float
    down: float


def measure(seeds: Sequence[int] = range(1, 6), **settings: Any) -> Restarted:
    """The whole run, with a Client of these settings."""
    runs = [run(_restarts(seed, settings)) for seed in seeds]
    failed = [one for one, _ in runs]
    return Restarted(mean(failed), max(failed), mean(down for _, down in runs))


async def _restarts(seed: int, settings: dict[str, Any]) -> tuple[float, float]:
    loop, chance = asyncio.get_running_loop(), random.Random(seed)
    starts = range(EVERY - DOWN, SECONDS, EVERY)
    life = [Condition(at, refuses=at in starts) for start in starts for at in (start, start + DOWN)]
    server, ended = Server([Condition(), *life], seed), []
    async with policy("asyncapi", server, seed, **settings) as call, asyncio.TaskGroup() as tasks:

        async def one() -> None:
            ended.append(await call())

        while loop.time() < SECONDS:
            tasks.create_task(one())
            await asyncio.sleep(chance.expovariate(RATE))
    seconds = [second for start in starts for second in range(start, start + DOWN)]
    reached = sum(server.arrived.get(second, 0) for second in seconds)
    return 1 - sum(ended) / len(ended), reached / (RATE * len(seconds))
