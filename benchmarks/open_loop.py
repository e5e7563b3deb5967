"""An open loop: calls arrive at a given rate, whether or not earlier ones have ended, and each has a deadline.

    python benchmarks/run.py --only open
    python benchmarks/open_loop.py native http://127.0.0.1:8080 --rate 5000 --deadline 0.5 --seconds 3

A closed loop waits for a client that is slow; the users of a service don't. Arrivals are random (Poisson) and the same
for all contestants. A call's time runs from its arrival, not from its sending: what a busy loop starts late is late.
The rates are shares of what bare aiohttp can do at most: that is measured first, in a closed loop of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from measure import raise_open_files, runner_of
from row import Row

from asyncapi import Client, RateLimit, Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rounds import Settings

CONTESTANTS = {"bare": "bare aiohttp", "aiohttp": "aiohttp lane", "native": "native lane"}
SHARES = (0.6, 0.8, 1.2)
DELAY_MS = 10
DEADLINE = 0.5
_CONNECTIONS = 500
_WARMUP = 1.0


def run(settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """What bare aiohttp can do, and one table per share of it."""
    from rounds import interleave
    from server import delayed

    import peers

    with delayed(DELAY_MS) as (url,):
        say(f"open loop: what bare aiohttp can do, {DELAY_MS} ms of server latency")
        closed = partial(peers.measure, "aiohttp_load", url, concurrency=100, warmup=1.0, seconds=settings.seconds)
        most = interleave({"bare": closed}, settings.rounds, say)["bare"]
        if "error" in most:
            return {"error": most["error"]}
        capacity = most["median"]["rps"]
        tables = []
        for share in SHARES[1:2] if settings.quick else SHARES:
            rate = round(capacity * share, -2)
            say(f"open loop: {rate:,.0f} calls a second, {share:.0%} of {capacity:,.0f}")
            contestants = {name: partial(_measure, name, url, rate) for name in CONTESTANTS}
            tables.append({"share": share, "rate": rate, "results": interleave(contestants, settings.rounds, say)})
    return {"capacity": capacity, "delay_ms": DELAY_MS, "deadline_ms": DEADLINE * 1000, "tables": tables}


def _measure(name: str, url: str, rate: float) -> dict[str, Any]:
    from machine import HERE, output_of

    command = [sys.executable, HERE / "open_loop.py", name, url, "--rate", rate, "--deadline", DEADLINE]
    return json.loads(output_of(command, timeout=60))


def render(results: dict[str, Any]) -> Iterator[str]:
    """The section of the page."""
    yield "### Calls that arrive at a rate, each with a deadline\n"
    if "error" in results:
        yield f"Not measured: {results['error']}"
        return
    delay, deadline = results["delay_ms"], results["deadline_ms"]
    yield (
        f"An open loop over a server that takes {delay} ms; each call has {deadline:.0f} ms from its arrival. "
        f"In a closed loop, bare aiohttp can do {results['capacity']:,.0f} calls a second here.\n"
    )
    yield "| calls a second |  | in time | p50, ms | p99, ms | of a core |"
    yield "|---|---|---:|---:|---:|---:|"
    for table in results["tables"]:
        for name, result in table["results"].items():
            rate = f"{table['rate']:,.0f} ({table['share']:.0%})"
            if "error" in result:
                yield f"| {rate} | {CONTESTANTS[name]} | not measured: {result['error']} | | | |"
                continue
            one = result["median"]
            times = f"{_ms(one['p50_ms'])} | {_ms(one['p99_ms'])}"
            yield f"| {rate} | {CONTESTANTS[name]} | {one['in_time']:.1%} | {times} | {one['busy']:.0%} |"


def _ms(value: float) -> str:
    return "none answered" if value == float("inf") else f"{value:.1f}"


# --- one contestant, in a process of its own ----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def fetcher(name: str, deadline: float):
    """How one call is made: a function of its URL that raises where it fails or is late."""
    if name == "bare":
        limits = aiohttp.ClientTimeout(total=deadline)
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, timeout=limits) as session:

            async def fetch(url):
                async with session.get(url) as response:
                    return Row.model_validate(await response.json())

            yield fetch
        return
    async with Client(
        transport=name,
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=_CONNECTIONS,
        timeout=Timeout(total=deadline, connect=deadline, attempt=deadline),
    ) as api:
        yield partial(api.get, model=Row)


async def arrive(fetch: Any, url: str, *, rate: float, deadline: float, seconds: float) -> dict[str, float]:
    """Start calls as they arrive, and wait for the last of them."""
    dice = random.Random(7)
    now, took, late = time.perf_counter, [], 0
    tasks: set[asyncio.Task[None]] = set()

    async def call(number: int, arrived: float) -> None:
        nonlocal late
        try:
            await fetch(f"{url}/items/{number}")
        except Exception:
            late += arrived >= counted
            return
        elapsed = now() - arrived
        if arrived < counted:
            return
        took.append(elapsed)
        late += elapsed > deadline

    began = now()
    counted, end = began + _WARMUP, began + _WARMUP + seconds
    due, number, cpu = began, 0, None
    while due < end:
        while due <= now() and due < end:
            tasks.add(task := asyncio.create_task(call(number, due)))
            task.add_done_callback(tasks.discard)
            due += dice.expovariate(rate)
            number += 1
        if cpu is None and now() >= counted:
            cpu, since, first = _cpu(), now(), number
        await asyncio.sleep(max(0.0, min(due, end) - now()))
    busy = (_cpu() - cpu) / (now() - since)
    each = (_cpu() - cpu) / max(1, number - first) * 1e6
    if tasks:
        await asyncio.wait(tasks)
    whole = sorted(took) or [float("inf")]
    asked = len(took) + late - sum(1 for each_ in took if each_ > deadline)
    return {
        "calls": asked,
        "in_time": round(1 - late / max(1, asked), 5),
        "p50_ms": round(statistics.median(whole) * 1000, 2),
        "p99_ms": round(whole[min(len(whole) - 1, len(whole) * 99 // 100)] * 1000, 2),
        "busy": round(busy, 3),
        "cpu_us": round(each, 2),
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure one contestant, once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant", choices=tuple(CONTESTANTS))
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True, help="calls a second")
    parser.add_argument("--deadline", type=float, default=DEADLINE, help="seconds")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    options = parser.parse_args()
    raise_open_files(_CONNECTIONS)

    async def measure() -> dict[str, float]:
        async with fetcher(options.contestant, options.deadline) as fetch:
            return await arrive(
                fetch, options.url, rate=options.rate, deadline=options.deadline, seconds=options.seconds
            )

    print(json.dumps(runner_of(options.loop)(measure())), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
