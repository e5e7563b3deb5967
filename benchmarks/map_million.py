"""`client.map` over a million inputs and the mock transport: time an item, memory, live tasks.

    python benchmarks/map_million.py 1000000

The source is a generator, the outcomes are counted and dropped; what grows is what the fan-out keeps. Items are
timed in twenty blocks, so that a slow moment of the machine shows as a slow block and the median stays clean. A
second pass with a handler that yields to the event loop once an item makes the workers really overlap.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import peak_rss_mib
from row import BODY, Row

from asyncapi import Client
from asyncapi.testing import MockTransport, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONCURRENCY = 500
_BLOCKS = 20


def rss_mib() -> float:
    """What is resident now; 0 where the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def sources(count: int) -> Iterator[str]:
    """URLs, made one at a time."""
    for number in range(count):
        yield f"/items/{number}"


async def run(count: int, handler: Callable[..., Any]) -> dict[str, Any]:
    """One pass."""
    async with Client("http://mock.invalid", transport=MockTransport(handler), concurrency=CONCURRENCY) as client:
        async with client.map(sources(2_000), model=Row) as warm:  # models, caches and pools are made here
            async for _ in warm:
                pass
        before = rss_mib()
        blocks, most_tasks, ok = [], 0, 0
        size = count // _BLOCKS
        began = started = time.perf_counter()
        async with client.map(sources(count), model=Row, concurrency=CONCURRENCY) as outcomes:
            done = 0
            async for outcome in outcomes:
                done += 1
                ok += outcome.ok
                if done % size == 0:
                    now = time.perf_counter()
                    blocks.append((now - started) / size * 1e6)
                    most_tasks = max(most_tasks, len(asyncio.all_tasks()))
                    started = now
        seconds = time.perf_counter() - began
        return {
            "items": count,
            "ok": ok,
            "concurrency": CONCURRENCY,
            "us_an_item": round(statistics.median(blocks), 2),
            "us_an_item_worst_block": round(max(blocks), 2),
            "seconds": round(seconds, 1),
            "rss_growth_mib": round(rss_mib() - before, 1),
            "peak_rss_mib": peak_rss_mib(),
            "most_tasks": most_tasks,
        }


def at_once(request: Any) -> Any:
    """Answers without waiting."""
    return reply(200, content=BODY)


async def after_a_turn(request: Any) -> Any:
    """Answers after one turn of the event loop."""
    await asyncio.sleep(0)
    return reply(200, content=BODY)


def main() -> None:
    count = int(sys.argv[1])
    passes = {"at once": (count, at_once), "after a turn of the loop": (count // 5, after_a_turn)}
    print(json.dumps({name: asyncio.run(run(items, handler)) for name, (items, handler) in passes.items()}))


if __name__ == "__main__":
    main()
