"""How soon a breaker is back after an outage, and what reaches the host meanwhile: the whole client in virtual time.

back        seconds from the host's return until nine in ten of the calls of a second are answered; the median and the
            worst of the seeds
while down  attempts that reached the host while it was down
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from asyncapi.testing import run

from .policies import policy
from .server import Condition, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTHS = (5, 30, 120, 600)  # seconds
RATE = 40.0  # calls a second
STARTS = 10  # seconds into the run
AFTER = 90  # seconds that the run goes on at the most


@dataclass(frozen=True)
class Recovered:
    """What came out; see the top of this file."""

    back: float
    worst: float
    down: float
    offered: int


def measure(seconds: int, seeds: Sequence[int] = range(1, 6), **settings: Any) -> Recovered:
    """Outages of this length, with a Client of these settings."""
    runs = [run(_outage(seconds, seed, settings)) for seed in seeds]
    backs = [back for back, _ in runs]
    return Recovered(median(backs), max(backs), median(down for _, down in runs), round(seconds * RATE))


async def _outage(seconds: int, seed: int, settings: dict[str, Any]) -> tuple[float, int]:
    loop, chance = asyncio.get_running_loop(), random.Random(seed)
    ends = STARTS + seconds
    server = Server([Condition(), Condition(STARTS, refuses=True), Condition(ends)], seed)
    good: list[tuple[float, bool]] = []
    async with policy("asyncapi", server, seed, **settings) as call, asyncio.TaskGroup() as tasks:

        async def one() -> None:
            began = loop.time()
            good.append((began, await call()))

        while loop.time() < ends + AFTER and not _is_back(good, loop.time(), ends):
            tasks.create_task(one())
            await asyncio.sleep(chance.expovariate(RATE))
    back = next((at for at, ok in sorted(good) if at >= ends and ok and _share(good, at) >= 0.9), ends + AFTER)
    return back - ends, sum(server.arrived.get(second, 0) for second in range(STARTS, ends))


def _is_back(good: list[tuple[float, bool]], now: float, ends: float) -> bool:
    """Enough has been seen: the last three seconds were well."""
    if now < ends + 4:
        return False
    recent = [ok for _, ok in good[-round(3 * RATE) :]]
    return all(recent)


def _share(good: list[tuple[float, bool]], at: float) -> float:
    """Of the calls begun in the second after."""
    calls = sorted(good)
    first, last = bisect_left(calls, (at, False)), bisect_left(calls, (at + 1.0, False))
    return sum(ok for _, ok in calls[first:last]) / max(1, last - first)
