"""Scenarios: calls arrive at a server by a clock of their own, whatever becomes of them; and what is counted.

success     calls answered, of those that began during the trouble and in all
load        attempts that reached the server / calls offered, during the trouble
p50, p99    seconds of the calls that were answered
recovery    seconds from the end of the trouble until 99 % of the calls of five seconds on end are answered, half of
            them within twice the time of a healthy server; None if not within the scenario
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from asyncapi import Adaptive, Breaker, Hedge
from asyncapi.testing import run

from .policies import policy
from .server import Condition, Server

HEALTHY = 0.1  # seconds of a usual answer


@dataclass(frozen=True)
class Scenario:
    """A storm.

    Attributes:
        title: For the chart.
        rate: Calls a second.
        burst: They come so many at a time.
        seconds: In all.
        trouble: From when to when, seconds.
        conditions: The server's life.
        armed: The Client's settings that are meant for this,
        told: and in a word.
    """

    title: str
    conditions: tuple[Condition, ...]
    trouble: tuple[int, int]
    rate: float = 120.0
    burst: int = 1
    seconds: int = 80
    armed: dict[str, Any] = field(default_factory=dict)
    told: str = ""


SCENARIOS = {
    "outage": Scenario(
        "No connection for 20 s",
        (Condition(), Condition(20, refuses=True), Condition(40)),
        (20, 40),
        armed={"breaker": Breaker()},
        told="breaker",
    ),
    "brownout": Scenario(
        "A fifth of the capacity for 20 s",
        (Condition(queue=400), Condition(20, workers=4, queue=400), Condition(40, queue=400)),
        (20, 40),
        armed={"concurrency": Adaptive(), "max_queue": 100},
        told="Adaptive, max_queue",
    ),
    "broken": Scenario(
        "503 to everything for a minute",
        (Condition(), Condition(10, broken=True), Condition(70)),
        (10, 70),
        seconds=100,
        armed={"breaker": Breaker()},
        told="breaker",
    ),
    "overload": Scenario(
        "1.5 times what the server can do, for 30 s",
        (Condition(workers=24), Condition(20, workers=8), Condition(50, workers=24)),
        (20, 50),
        armed={"concurrency": Adaptive(), "wait": 2.0},
        told="Adaptive, wait=2",
    ),
    "quota": Scenario(
        "A quota of 500 in 5 s for 550 calls, in bursts",
        (Condition(workers=100, quota=500),),
        (0, 60),
        rate=110.0,
        burst=110,
        seconds=60,
        armed={"pace": False},
        told="pace=False",
    ),
    "tail": Scenario(
        "2 % of the answers take 2 s",
        (Condition(workers=200, tail=0.02),),
        (0, 60),
        rate=60.0,
        seconds=60,
        armed={"hedge": Hedge()},
        told="hedge",
    ),
}

POLICIES = ("none", "fixed x3", "urllib3", "openai", "aws", "asyncapi", "asyncapi, armed")


@dataclass(frozen=True)
class Row:
    """One call."""

    began: float
    took: float
    ok: bool


@dataclass(frozen=True)
class Measured:
    """What came out; see the top of this file."""

    success: float
    success_in_trouble: float
    load: float
    p50: float
    p99: float
    recovery: float | None
    by_second: tuple[float, ...]  # share of the calls begun in each second that were answered
    sent: tuple[int, ...]  # attempts that reached the server in each second


def measure(scenario: Scenario, name: str, *, seed: int = 1) -> Measured:
    """Run one policy through one scenario, in virtual time."""
    rows, arrived = run(_storm(scenario, name, seed))
    start, end = scenario.trouble
    caught = [row for row in rows if start <= row.began < end]
    times = sorted(row.took for row in rows if row.ok) or [0.0]
    groups: list[list[Row]] = [[] for _ in range(scenario.seconds)]
    for row in rows:
        groups[int(row.began)].append(row)
    return Measured(
        success=_share(rows),
        success_in_trouble=_share(caught),
        load=sum(arrived.get(second, 0) for second in range(start, end)) / len(caught),
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        recovery=_recovery(groups, end),
        by_second=tuple(_share(group) for group in groups),
        sent=tuple(arrived.get(second, 0) for second in range(scenario.seconds)),
    )


async def _storm(scenario: Scenario, name: str, seed: int) -> tuple[list[Row], dict[int, int]]:
    loop, chance = asyncio.get_running_loop(), random.Random(seed)
    server, rows = Server(list(scenario.conditions), seed), []
    settings = scenario.armed if name.endswith("armed") else {}
    async with policy(name, server, seed, **settings) as call, asyncio.TaskGroup() as tasks:

        async def one() -> None:
            began = loop.time()
            ok = await call()
            rows.append(Row(began, loop.time() - began, ok))

        while True:
            await asyncio.sleep(chance.expovariate(scenario.rate / scenario.burst) if scenario.burst == 1 else 0.0)
            if loop.time() >= scenario.seconds:
                break
            for _ in range(scenario.burst):
                tasks.create_task(one())
            if scenario.burst > 1:
                await asyncio.sleep(scenario.burst / scenario.rate)
    return rows, server.arrived


def _share(rows: list[Row]) -> float:
    return sum(row.ok for row in rows) / len(rows) if rows else 1.0


def _recovery(groups: list[list[Row]], end: int) -> float | None:
    """The first of five good seconds on end, after the trouble."""
    good = [_is_good(group) for group in groups]
    for second in range(end, len(groups) - 5):
        if all(good[second : second + 5]):
            return float(second - end)
    return None


def _is_good(group: list[Row]) -> bool:
    times = sorted(row.took for row in group if row.ok)
    return bool(times) and _share(group) >= 0.99 and times[len(times) // 2] <= 2 * HEALTHY
