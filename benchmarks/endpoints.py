"""Many endpoints in an open loop, in virtual time: one is slow, one is dead, all are equal; beside plain round robin.

    python benchmarks/endpoints.py                   the figures, as a table
    python benchmarks/endpoints.py --json out.json   and as data

Whole clients over a mock transport, without retries and with deadlines. Nothing is measured by a clock: the same code
gives the same figures on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asyncapi import Client, ConnectError, TransportError
from asyncapi.testing import FakeClock, MockTransport, reply, run

if TYPE_CHECKING:
    from asyncapi import Request, Response

MEAN = 0.02  # seconds of a response
SLOWER = 10  # times
RATES = (20, 200, 1000)  # calls a second
SECONDS = 30


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        p50: Seconds.
        p99: Seconds.
        failed: The share of failed calls.
        shares: Of each endpoint.
    """

    p50: float
    p99: float
    failed: float
    shares: list[float]


def measure(hosts: str, *, rate: int, balanced: bool, slow: str = "", dead: str = "") -> Row:
    """Call endpoints with these names at a rate, and say how it went."""
    return run(_measure(hosts, rate=rate, balanced=balanced, slow=slow, dead=dead))


async def _measure(hosts: str, *, rate: int, balanced: bool, slow: str, dead: str) -> Row:
    clock, draw = FakeClock(seed=1), random.Random(2)
    took: list[float] = []
    counts = dict.fromkeys(hosts, 0)
    failed = 0

    async def answer(request: Request) -> Response:
        host = request.url.host or ""
        counts[host] += 1
        if host in dead:
            raise ConnectError("connection refused")
        await asyncio.sleep(draw.expovariate(1 / MEAN) * (SLOWER if host in slow else 1))
        return reply(200)

    async def call(api: Client, url: str) -> None:
        nonlocal failed
        began = clock.now()
        try:
            await api.get(url)
        except TransportError:
            failed += 1
        took.append(clock.now() - began)

    bases = [f"https://{host}" for host in hosts]
    turns = itertools.cycle(bases)
    transport = MockTransport(answer, clock=clock)
    settings = {"endpoints": bases} if balanced else {}
    async with Client(transport=transport, clock=clock, retry=None, timeout=2, concurrency=None, **settings) as api:  # type: ignore[arg-type]
        calls = []
        for _ in range(rate * SECONDS):
            await clock.sleep(draw.expovariate(rate))
            calls.append(asyncio.ensure_future(call(api, "/x" if balanced else f"{next(turns)}/x")))
        await asyncio.gather(*calls)
    took.sort()
    shares = [round(count / sum(counts.values()), 4) for count in counts.values()]
    return Row(took[len(took) // 2], took[int(len(took) * 0.99)], failed / len(took), shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    rows = {}
    for rate in RATES:
        pair = measure("ab", rate=rate, balanced=True)
        for name, balanced in (("round robin", False), ("balanced", True)):
            slow = measure("abc", rate=rate, balanced=balanced, slow="c")
            dead = measure("abc", rate=rate, balanced=balanced, dead="c")
            equal = measure("abc", rate=rate, balanced=balanced)
            apart = max(abs(share * 3 - 1) for share in equal.shares)
            rows[f"{rate} a second, {name}"] = {
                "healthy pair": asdict(pair), "one slow": asdict(slow), "one dead": asdict(dead),
                "equal": asdict(equal),
            }  # fmt: skip
            print(
                f"{rate:5} a second, {name:12} one {SLOWER}x slower: p99 {slow.p99 / pair.p99:4.1f}x of the pair; "
                f"one dead: {dead.failed:6.2%} failed; equal: {apart:5.1%} apart"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
