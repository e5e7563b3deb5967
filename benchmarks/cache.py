"""What a response from the cache costs: a hit, a revalidation, and a miss that is stored; microseconds a call.

    python benchmarks/cache.py             the figures as JSON, as `run.py --only cache` takes them
    python benchmarks/cache.py --quick     two short rounds, to see that it works

Nothing is sent: mock transports respond at once, so that what is measured is the client and its cache. Calls follow one
another. Contestants take turns in each round, and the medians of the rounds count. A window is as many calls as take
about a tenth of a second. Its CPU is that of the whole process with its threads, until all that was stored is written;
its time ends with the last call. That of a Redis server is not included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
from cache_contestants import CONTESTANTS, MEMORY, SQLITE, redis_command
from rounds import medians

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cache_contestants import Caller

SIZES = (200, 8192)
# what is measured: the paths that are asked for, and how the responses have to come
KINDS = {"hit": ("/fresh/{size}/0", "fresh"), "revalidated": ("/stale/{size}/0", "revalidated"), "miss": ("", "")}
BARS = {MEMORY: 15.0, SQLITE: 60.0}  # microseconds of CPU for a hit
_WINDOW, _MOST_CALLS = 0.1, 2000  # seconds, and calls, of one window


class Bench:
    """One contestant's calls of one kind and size.

    Args:
        caller: The contestant's client.
        kind: What is measured.
        size: Bytes of the body.
        cached: Whether it has a cache.
    """

    def __init__(self, caller: Caller, kind: str, size: int, *, cached: bool) -> None:
        self._caller = caller
        self._path, self._how = KINDS[kind]
        self._path = self._path.format(size=size)
        self._size = size
        self._cached = cached
        self._number = 0
        self.calls = 0

    async def prepare(self, seconds: float) -> None:
        """Warm up, see that responses come as they should, and choose how many calls a window has.

        Raises:
            RuntimeError: They come in another way.
        """
        for _ in range(2):
            await self._check_one()
        began = time.perf_counter()
        await self._ask(self._paths(20))
        took = (time.perf_counter() - began) / 20
        self.calls = max(10, min(_MOST_CALLS, int(seconds / took)))

    async def window(self) -> dict[str, float]:
        """Time of CPU and time of a call, in microseconds."""
        paths = self._paths(self.calls)
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        await self._ask(paths)
        wall = time.perf_counter() - wall
        if self._caller.settled is not None:
            await self._caller.settled()
        cpu = time.process_time() - cpu
        await self._check_one()
        return {"cpu_us": cpu / self.calls * 1e6, "us": wall / self.calls * 1e6}

    async def _ask(self, paths: list[str]) -> None:
        get = self._caller.get
        if self._caller.waits:
            for path in paths:
                await get(path)
        else:
            for path in paths:
                get(path)

    async def _check_one(self) -> None:
        """Make one call, and look at its response (the first one of a kind fills the cache)."""
        [path] = self._paths(1)
        said = "nothing"
        for _ in range(2 if self._path else 1):
            response = self._caller.get(path)
            if self._caller.waits:
                response = await response
            said = self._caller.said(response)
        expected = self._how if self._cached else ""
        if said != expected or len(self._caller.body(response)) != self._size:
            raise RuntimeError(f"{path} came as {said!r}, not as {expected!r}")

    def _paths(self, count: int) -> list[str]:
        if self._path:
            return [self._path] * count
        self._number += count  # each one new
        return [f"/fresh/{self._size}/{number}" for number in range(self._number - count + 1, self._number + 1)]


async def measure(rounds: int, seconds: float, folder: Path, redis: str) -> dict[str, Any]:
    """The figures of all contestants by name: for each kind and size, or why there are none."""
    results: dict[str, Any] = {}
    benches: dict[str, dict[str, Bench]] = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, contestant in CONTESTANTS.items():
            try:
                caller = await stack.enter_async_context(contestant(folder, redis))
                benches[name] = {
                    f"{kind} {size}": Bench(caller, kind, size, cached="no cache" not in name)
                    for kind in KINDS for size in SIZES
                }  # fmt: skip
                for bench in benches[name].values():
                    await bench.prepare(seconds)
            except (ImportError, RuntimeError) as error:
                benches.pop(name, None)
                results[name] = {"error": str(error)}
        taken: dict[str, dict[str, list[dict[str, float]]]] = {
            name: {what: [] for what in each} for name, each in benches.items()
        }
        for _ in range(rounds):
            for what in [f"{kind} {size}" for kind in KINDS for size in SIZES]:
                for name, each in benches.items():
                    taken[name][what].append(await each[what].window())
    for name, each in taken.items():
        results[name] = {
            what: {**medians(windows), "least": round(min(one["cpu_us"] for one in windows), 3)}
            for what, windows in each.items()
        }
    return {name: results[name] for name in CONTESTANTS}


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis server of our own: its URL, or "" where none is installed."""
    command = redis_command()
    if command is None:
        yield ""
        return
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command += ["--port", str(port), "--dir", str(folder)]
    with machine.running(command, core=machine.SERVER_CORE, stdout=subprocess.DEVNULL):
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"


def bars(results: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """What was promised: the dearer of the two sizes counts."""
    for name, most in BARS.items():
        if "error" not in results.get(name, {"error": ""}):
            cost = max(results[name][f"hit {size}"]["cpu_us"] for size in SIZES)
            yield f"A hit of the cache: {name}", f"<= {most:g} us", f"{cost:.1f} us", cost <= most


def render(results: dict[str, Any], table: Callable[..., Iterator[str]]) -> Iterator[str]:
    """The section of the page."""
    yield "### The cache\n"
    if "error" in results:
        yield f"Not measured: {results['error']}"
        return
    yield "Microseconds of CPU a call, and of time in brackets; bodies of 200 B and of 8 KiB.\n"
    rows = []
    for name, each in results.items():
        if "error" in each:
            rows.append((name, f"not measured: {each['error']}", *[""] * (len(KINDS) * len(SIZES) - 1)))
            continue
        rows.append((name, *(f"{one['cpu_us']:,.0f} ({one['us']:,.0f})" for one in each.values())))
    titles = {"hit": "hit", "revalidated": "stale, a 304", "miss": "miss, stored"}
    header = [f"{titles[kind]}, {'8 KiB' if size > 1000 else f'{size} B'}" for kind in KINDS for size in SIZES]
    yield from table(("", *header), rows)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds, seconds = (2, 0.01) if options.quick else (options.rounds, _WINDOW)
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as redis:
        json.dump(asyncio.run(measure(rounds, seconds, Path(folder), redis)), sys.stdout)
        print()


if __name__ == "__main__":
    main()
