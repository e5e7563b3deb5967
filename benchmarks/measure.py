"""Measure one contestant, once, in this process, and print the figures as JSON.

    python benchmarks/measure.py httpx_pool http://127.0.0.1:8080 --concurrency 100 --loop uvloop
    python benchmarks/measure.py asyncapi_lane:native:post http://127.0.0.1:8080

What stands after a colon goes to the contestant, which says what it means.
The contestant pulls URLs from a `Meter`, which watches the clock: what happens in the warm-up is not counted, then
a window is measured while the load goes on, then the URLs end. Of several windows (`--windows`), the one with the least
CPU per request counts, which whatever else runs on the machine has disturbed least. Both ends of a window lie in the
steady part, with the same number of requests in flight, so no start-up, connecting or winding down is in the figures.
CPU is that of the whole process, all threads, user and system (getrusage); memory is its peak since it started.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import itertools
import json
import os
import resource
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from row import BODY, Row

HOST = "host-{}.test"  # RFC 6761: nobody's


class Moment(NamedTuple):
    time: float
    cpu: float
    done: int


class Meter:
    """An iterator of URLs that ends when the measurement does."""

    def __init__(
        self, base: str, *, warmup: float, seconds: float, at_least: int, hosts: int = 1, windows: int = 1
    ) -> None:
        self._bases = [base] if hosts == 1 else [base.replace("127.0.0.1", HOST.format(n)) for n in range(hosts)]
        self._seconds = seconds
        self._at_least = at_least
        self._marks = windows + 1
        self._given = 0
        self._done = 0
        self._length = 0
        self._due = time.perf_counter() + warmup
        self._moments: list[Moment] = []
        self._lock = threading.Lock()

    def __iter__(self) -> Meter:
        return self

    def __next__(self) -> str:
        if time.perf_counter() >= self._due:
            self._mark()
        self._given += 1
        return f"{self._bases[self._given % len(self._bases)]}/items/{self._given}"

    def took(self, row: Row) -> None:
        """Count an answer."""
        if row.__class__ is not Row:
            raise TypeError(f"a Row was expected, not {row!r}")
        self._done += 1

    def took_bytes(self, body: bytes) -> None:
        """Count an answer that is too large to be a Row: all of them have the same length."""
        self._length = self._length or len(body)
        if len(body) != self._length or len(body) <= len(BODY):
            raise ValueError(f"a body of {self._length:,} bytes was expected, not {len(body):,}")
        self._done += 1

    def _mark(self) -> None:
        with self._lock:
            if len(self._moments) == self._marks:
                raise StopIteration
            needed = self._at_least + (self._moments[-1].done if self._moments else 0)
            if self._done < needed:
                return
            usage = resource.getrusage(resource.RUSAGE_SELF)
            self._moments.append(Moment(time.perf_counter(), usage.ru_utime + usage.ru_stime, self._done))
            self._due = max(self._due + self._seconds, time.perf_counter())
            if len(self._moments) == self._marks:
                raise StopIteration

    def figures(self) -> dict[str, float]:
        """Rate, CPU and how many were counted, in the window with the least CPU per request."""
        pairs = itertools.pairwise(self._moments)
        start, end = min(pairs, key=lambda pair: (pair[1].cpu - pair[0].cpu) / (pair[1].done - pair[0].done))
        count, first, last = end.done - start.done, self._moments[0], self._moments[-1]
        return {
            "requests": count,
            "rps": round(count / (end.time - start.time), 1),
            "cpu_us": round((end.cpu - start.cpu) / count * 1e6, 2),
            "cpu_us_of_all": round((last.cpu - first.cpu) / (last.done - first.done) * 1e6, 2),
            "busy": round((end.cpu - start.cpu) / (end.time - start.time), 3),
        }


def peak_rss_mib() -> float:
    """The most memory this process has had resident."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
    # Not ru_maxrss: on Linux that one starts from the size of the process we were forked from.
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def runner_of(loop: str):
    """`asyncio.run`, or uvloop's."""
    return asyncio.run if loop == "asyncio" else importlib.import_module("uvloop").run


def find_hosts() -> None:
    """Let the loop find every host of ours on loopback, without asking the system for it."""
    loop = asyncio.get_running_loop()
    asked = loop.getaddrinfo

    async def find(host, port, **options):
        return await asked("127.0.0.1" if host.endswith(HOST[-5:]) else host, port, **options)

    loop.getaddrinfo = find  # type: ignore[method-assign]


def raise_open_files(connections: int) -> None:
    """500 connections need more than the 256 files that some systems start with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(4096, connections + 256)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard) if hard > 0 else needed, hard))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("url")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--hosts", type=int, default=1, help="call so many hosts in turn (asyncio only)")
    parser.add_argument("--windows", type=int, default=1, help="measure so many, and report the least CPU")
    parser.add_argument("--least", type=int, default=0, help="requests of a window, at least")
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=0.7)
    options = parser.parse_args()
    raise_open_files(options.concurrency + options.hosts)
    try:
        measured = measure(options)
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        sys.exit(f"{type(error).__name__}: {error}")
    print(json.dumps(measured), flush=True)
    # The end of the interpreter is not measured, and at least one peer's native thread can crash in it.
    os._exit(0)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one contestant, its peak memory, and the versions of what it is made of."""
    name, *how = options.contestant.split(":")
    contestant = importlib.import_module(f"contestants.{name}")
    meter = Meter(
        options.url, warmup=options.warmup, seconds=options.seconds,
        at_least=max(options.concurrency, options.hosts, options.least), hosts=options.hosts, windows=options.windows,
    )  # fmt: skip
    if inspect.iscoroutinefunction(contestant.run):

        async def run():
            if options.hosts > 1:
                find_hosts()
            await contestant.run(meter, options.concurrency, meter.took, *how)

        runner_of(options.loop)(run())
    else:
        contestant.run(meter, options.concurrency, meter.took, *how)
    versions = {name: version(name) for name in contestant.PACKAGES}
    return {**meter.figures(), "rss_mib": peak_rss_mib(), "versions": versions}


if __name__ == "__main__":
    main()
