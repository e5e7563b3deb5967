"""A client with everything on, under load for as long as is asked: does anything grow, is the loop ever held up?

    python tests/soak/soak.py --seconds 600 --rate 1200 --transport native

Calls come at a steady rate, whatever becomes of those before. Nothing may grow once the caches are full: tasks, sockets,
objects that the garbage collector walks, memory. The loop's lag is how late a timer of 10 ms fires, at most 15 ms at p99
by our own doing; the moments in which the soak itself counts objects are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from asyncapi import (
    Adaptive,
    Alert,
    ApiKey,
    AsyncAPIError,
    Breaker,
    Cache,
    Client,
    Fallback,
    Hedge,
    KeyPool,
    RateLimit,
    Retry,
)
from asyncapi.watch import Logs, OpenTelemetry, Prometheus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TICK = 0.01  # seconds between looks at the loop's lag
WARM = 0.3  # of the time, until what is bounded is full
CHECKS = 8  # counts after that
MOST_LAG = 0.015  # seconds, p99
MORE_OBJECTS, MORE_MEMORY = 0.05, 0.10  # of what there is once it is warm
SLACK_OBJECTS, SLACK_MEMORY = 3000, 8.0  # MiB
SHARES = (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
MIX = (("fresh", 45), ("check", 15), ("plain", 20), ("ill", 5), ("keys", 15))
NUMBERS = {"fresh": 200, "check": 100, "plain": 2000, "ill": 50, "keys": 2000}  # different ones of each, at each host


@dataclass(slots=True)
class Count:
    """What there is at one moment; memory in MiB."""

    at: float
    calls: int
    tasks: int
    sockets: int
    objects: int
    memory: float
    lag: float


@dataclass(slots=True)
class Report:
    """What a soak has seen.

    Attributes:
        counts: From when it was warm on.
        lags: How late timers were, seconds.
        ours: As much of it as this process can have been busy for: the rest is other processes' doing.
        wrong: What should not be, but for lag.
        calls: Calls begun.
        failed: Calls that failed, by error.
        told: What the client has done.
    """

    counts: list[Count] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    calls: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    told: str = ""


def quantile(values: list[float], share: float) -> float:
    """Of any number of values; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def sockets() -> int:
    """Open sockets of this process."""
    return sum(_target(entry).startswith("socket:") for entry in os.listdir("/proc/self/fd"))


def sockets_once_settled(expected: int, patience: float = 30.0) -> int:
    """Open sockets of this process, once there are `expected` at most, or after `patience` seconds.

    A server in a thread of its own learns that its peers have hung up when that thread next runs.
    """
    end = time.monotonic() + patience
    while (count := sockets()) > expected and time.monotonic() < end:
        time.sleep(0.01)
    return count


def _target(entry: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{entry}")
    except OSError:  # the listing's own
        return ""


def memory() -> float:
    """Resident memory, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def objects() -> int:
    """Objects that the garbage collector walks."""
    gc.collect()
    return len(gc.get_objects())


@asynccontextmanager
async def started() -> AsyncIterator[int]:
    """The server's port."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate()


class Soak:
    """One run.

    Args:
        port: The server's.
        seconds: How long.
        rate: Calls a second.
        transport: Of the client; None for its default.
        seed: Of the choice of calls.
    """

    def __init__(self, port: int, seconds: float, rate: float, transport: str | None = None, seed: int = 1) -> None:
        self.hosts = [f"http://127.0.0.{number}:{port}" for number in range(1, 5)]
        self.seconds, self.rate, self.transport = seconds, rate, transport
        self.burst = max(
            2, round(rate * TICK)
        )  # twice the rate: what was held up is caught up with, but no burst of ours
        self.random = random.Random(seed)
        self.report = Report()
        self.registry = CollectorRegistry()
        self.hooked = self.alarms = 0
        self.running: set[asyncio.Task[None]] = set()
        self.blind = 0.0  # no lag counts before this: we were counting ourselves
        self.lately: list[float] = []

    def client(self) -> Client:
        """Everything on."""

        def hook(record: object) -> None:
            self.hooked += 1

        def alarm(told: object) -> None:
            self.alarms += 1

        return Client(
            self.hosts[0],
            transport=self.transport,
            auth=KeyPool([ApiKey(f"key-{number}") for number in range(8)]),
            retry=Retry(3, base=0.02),
            concurrency=Adaptive(),
            rate=[RateLimit(20_000), RateLimit(10_000, by="host")],
            cache=Cache(room=3 * 2**20),
            single_flight=True,
            fallback=[Fallback(stale=60), Fallback(value={"id": -1})],
            breaker=Breaker(failure_rate=0.9),
            hedge=Hedge(),
            watch=[
                Prometheus(self.registry), OpenTelemetry(), Logs("soak"),
                Alert(when="p95 > 10", over=10, notify=alarm),
            ],
            hooks=[hook],
        )  # fmt: skip

    async def run(self) -> Report:
        """Load, counts, the end; what was seen."""
        loop = asyncio.get_running_loop()
        before, report = sockets(), self.report
        watching = asyncio.create_task(self.watch())
        async with self.client() as api:
            began = loop.time()
            due = [began + self.seconds * (WARM + (1 - WARM) * number / CHECKS) for number in range(CHECKS + 1)]
            sent = 0
            while due:
                await asyncio.sleep(TICK / 2)
                now = loop.time()
                for _ in range(min(int((now - began) * self.rate) - sent, self.burst)):
                    sent += 1
                    self.start(api)
                if now >= due[0]:
                    del due[0]
                    self.count(now - began, api)
            await asyncio.gather(*self.running)
            report.calls, stats = api.stats.calls, api.stats
            if (stats.in_flight, stats.queued) != (0, 0):
                report.wrong.append(f"{stats.in_flight} calls in flight and {stats.queued} in line at the end")
            report.told = (
                f"cache {stats.cache}\nhedged {stats.hedged}, retries {stats.retries}, degraded {stats.degraded}, "
                f"shared {stats.shared}, statuses {stats.by_status}, errors {stats.by_error}\n"
                f"hooks {self.hooked}, a scrape {len(generate_latest(self.registry)) // 1024} KiB"
            )
        watching.cancel()
        await asyncio.wait([watching])
        await asyncio.sleep(0)
        self.judge(before)
        return report

    def start(self, api: Client) -> None:
        """One more call."""
        kind = self.random.choices([kind for kind, _ in MIX], [weight for _, weight in MIX])[0]
        number = self.random.randrange(NUMBERS[kind])
        host = self.hosts[0] if kind == "keys" else self.random.choice(self.hosts)
        task = asyncio.create_task(self.call(api, f"{host}/{kind}/{number}", f"/{kind}/{{id}}"))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def call(self, api: Client, url: str, route: str) -> None:
        try:
            await api.get(url, route=route)
        except AsyncAPIError as error:
            name = type(error).__name__
            self.report.failed[name] = self.report.failed.get(name, 0) + 1

    async def watch(self) -> None:
        """How late is a timer?"""
        loop = asyncio.get_running_loop()
        while True:
            due, used = loop.time() + TICK, time.thread_time()
            await asyncio.sleep(TICK)
            lag, used = loop.time() - due, time.thread_time() - used
            if due > self.blind:
                self.report.lags.append(lag)
                self.report.ours.append(min(lag, used))
                self.lately.append(lag)

    def count(self, at: float, api: Client) -> None:
        tasks = len(asyncio.all_tasks()) - len(self.running)
        lag, self.lately = quantile(self.lately, 0.99), []
        self.report.counts.append(Count(at, api.stats.calls, tasks, sockets(), objects(), memory(), lag))
        self.blind = asyncio.get_running_loop().time() + 5 * TICK

    def judge(self, before: int) -> None:
        """What should not be, once the client is closed; `before` sockets were open when it was made."""
        report = self.report
        first, *rest = report.counts
        report.wrong += self.growth(first, rest)
        if len(asyncio.all_tasks()) != 1:
            report.wrong.append(f"{len(asyncio.all_tasks()) - 1} tasks are left when the client is closed")
        if sockets() > before:
            report.wrong.append(f"{sockets() - before} sockets are left when the client is closed")
        failed = sum(report.failed.values())
        if failed > 0.02 * report.calls:
            report.wrong.append(f"{failed} of {report.calls} calls failed: {report.failed}")

    @staticmethod
    def growth(first: Count, rest: list[Count]) -> list[str]:
        """What has grown since it was warm; calls under way come and go, so the lesser of the last two counts."""
        found, early, late = [], rest[: len(rest) // 2], rest[-2:]
        most = max(one.objects for one in (first, *early)) * (1 + MORE_OBJECTS) + SLACK_OBJECTS
        if min(one.objects for one in late) > most:
            found.append(f"objects grew from {first.objects:,} to {late[-1].objects:,}")
        if late[-1].memory > first.memory * (1 + MORE_MEMORY) + SLACK_MEMORY:
            found.append(f"memory grew from {first.memory:.0f} to {late[-1].memory:.0f} MiB")
        if min(one.tasks for one in late) > first.tasks + 50:
            found.append(f"tasks grew from {first.tasks} to {late[-1].tasks}, beside those of calls")
        if min(one.sockets for one in late) > max(200, 2 * first.sockets):
            found.append(f"sockets grew from {first.sockets} to {late[-1].sockets}")
        return found


def show(report: Report, seconds: float) -> bool:
    """Print a table and the verdict; whether all is well."""
    print(f"{'seconds':>8}{'calls':>10}{'tasks':>7}{'sockets':>9}{'objects':>10}{'MiB':>7}{'lag p99 ms':>12}")
    for one in report.counts:
        print(
            f"{one.at:8.0f}{one.calls:10,}{one.tasks:7}{one.sockets:9}{one.objects:10,}{one.memory:7.1f}{one.lag * 1000:12.1f}"
        )
    print(report.told)
    print(f"{report.calls:,} calls, {report.calls / seconds:,.0f} a second; failed {report.failed or 0}")
    for name, lags in (("lag", report.lags), ("of it ours", report.ours)):
        shown = ", ".join(f"{word} {quantile(lags, share) * 1000:.1f} ms" for word, share in SHARES)
        print(f"{name}: {shown}; {sum(lag > MOST_LAG for lag in lags)} of {len(lags):,} over {MOST_LAG * 1000:g} ms")
    wrong, lag, ours = list(report.wrong), quantile(report.lags, 0.99), quantile(report.ours, 0.99)
    if ours > MOST_LAG:
        wrong.append(f"the loop's lag is {lag * 1000:.1f} ms at p99, {ours * 1000:.1f} ms of it ours")
    elif lag > MOST_LAG:
        print("the machine was busy with something else: lag that is not ours is not held against it")
    print("soak: " + ("; ".join(wrong) if wrong else "well: nothing grows, nothing is left, the loop is free"))
    return not wrong


async def main(seconds: float, rate: float, transport: str | None = None) -> Report:
    """Start the server, and soak."""
    async with started() as port:
        return await Soak(port, seconds, rate, transport).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A client with everything on under load: nothing may grow.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="calls a second")
    parser.add_argument("--transport", choices=["aiohttp", "native"], help="the client's default where none is given")
    given = parser.parse_args()
    report = asyncio.run(main(given.seconds, given.rate, given.transport))
    sys.exit(0 if show(report, given.seconds) else 1)
