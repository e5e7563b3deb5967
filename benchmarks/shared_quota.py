"""One quota, several processes: what a server with a token bucket sees of a fleet that shares its limit by Redis.

    python benchmarks/shared_quota.py                       all scenarios, about five minutes; a table
    python benchmarks/shared_quota.py --only four eight     these alone
    python benchmarks/shared_quota.py --seconds 5 --json results.json

Real processes, real sockets, a real redis-server on a free port. The server takes 500 requests a second and 50 at once
(GCRA), responds after 20 ms, and refuses the rest with 429. Each worker has so many callers that it could use the whole
quota alone. The bars: the sum within 1 % of the quota, under 0.5 % of 429s, the worst worker at 0.9 of the mean.

The CPU of sharing is what a lease costs the client, measured by itself, times the leases of a request; and what taking
a slot costs beyond taking a token of a local bucket.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import uvloop

from asyncapi import Client, RateLimit, Redis
from asyncapi.clock import SYSTEM
from asyncapi.layers.pace import Pace
from asyncapi.sansio.limits.bucket import Bucket
from asyncapi.sansio.limits.slots import Slots
from asyncapi.sharing.fleet import Fleet, Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE, SERVER_BURST, BURST = 500.0, 50.0, 40.0
WARM_UP = 1.0  # seconds that are not counted: connections, imports, the first slots
DELAY = 0.02  # seconds


@dataclass(frozen=True)
class Scenario:
    """One row of the table: `event` happens in the middle."""

    title: str
    workers: int = 4
    event: str = ""
    shared: bool = True
    redis: bool = True
    callers: int = 100


SCENARIOS = {
    "split": Scenario("4 workers, a quarter each, nothing shared", shared=False),
    "four": Scenario("4 workers"),
    "eight": Scenario("8 workers", workers=8, callers=50),
    "killed": Scenario("Redis killed, back empty after 3 s", event="killed"),
    "frozen": Scenario("Redis frozen for 3 s", event="frozen"),
    "emptied": Scenario("Redis emptied (FLUSHALL)", event="emptied"),
    "away": Scenario("Redis away all the time", redis=False),
    "worker": Scenario("a worker killed", event="worker"),
    "stalled": Scenario("a worker frozen for 1 s", event="stalled"),
}


# --- the server -----------------------------------------------------------------------------------------------------


class Api(asyncio.Protocol):
    """A server with a token bucket that counts what it takes, by second and by worker."""

    tat: ClassVar[float] = 0.0
    taken: ClassVar[Counter[int]] = Counter()
    refused: ClassVar[Counter[int]] = Counter()
    by: ClassVar[Counter[str]] = Counter()
    _OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    _TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"

    def connection_made(self, transport: Any) -> None:
        self._wire, self._rest = transport, b""

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            self._respond(head)

    def _respond(self, head: bytes) -> None:
        if head.startswith(b"GET /stats"):
            body = json.dumps([Api.taken, Api.refused, Api.by]).encode()
            self._wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        now = time.monotonic()
        if max(Api.tat, now) - now > (SERVER_BURST - 1) / RATE + 1e-9:
            Api.refused[int(now * 10)] += 1
            self._wire.write(self._TOO_MANY)
            return
        Api.tat = max(Api.tat, now) + 1 / RATE
        Api.taken[int(now * 10)] += 1
        Api.by[head.lower().partition(b"x-worker: ")[2].partition(b"\r")[0].decode()] += 1
        asyncio.get_running_loop().call_later(DELAY, self._reply)

    def _reply(self) -> None:
        if not self._wire.is_closing():
            self._wire.write(self._OK)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Api, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


# --- a worker -------------------------------------------------------------------------------------------------------


async def work(name: str, api: str, redis: str, *, workers: int, callers: int, seconds: float) -> None:
    """Call as fast as the quota allows, from a time that comes from standard input; print what it cost."""
    limit = RateLimit(RATE, burst=BURST) if redis else RateLimit(RATE / workers, burst=BURST / workers)
    shared = Redis(redis, name="bench", workers=workers) if redis else None
    done = 0
    async with Client(
        api, rate=limit, shared=shared, concurrency=callers, pace=False, retry=None, raise_for_status=False,
        headers={"X-Worker": name},
    ) as client:  # fmt: skip
        print("ready", flush=True)
        begins = float(await asyncio.to_thread(sys.stdin.readline))
        ends = begins + seconds
        await asyncio.sleep(begins - time.monotonic())

        async def caller() -> None:
            nonlocal done
            with contextlib.suppress(Exception):
                while (left := ends - time.monotonic()) > 0:
                    await client.get("/x", timeout=left + 0.01)
                    done += 1

        await asyncio.gather(*(caller() for _ in range(callers)))
        fleet = client.stats.fleet
    print(json.dumps({"name": name, "done": done, "trips": fleet.get("trips", 0), "lapsed": fleet.get("lapsed", 0)}))


# --- the figures ----------------------------------------------------------------------------------------------------


def measure(scenario: Scenario, seconds: float) -> dict[str, Any]:
    """Run one scenario, and return what the server and the workers saw."""
    with contextlib.ExitStack() as stack:
        api, store = free_port(), Store(stack)
        if scenario.redis and scenario.shared:
            store.start()
        stack.enter_context(process("--serve", str(api)))
        wait_for(api)
        url = store.url if scenario.shared else ""
        workers = [
            stack.enter_context(
                process("--work", f"w{n}", f"http://127.0.0.1:{api}", url, str(scenario.workers),
                        str(scenario.callers), str(seconds))
            )
            for n in range(scenario.workers)
        ]  # fmt: skip
        begins = begin(workers)
        time.sleep(max(0.0, begins + seconds * 0.4 - time.monotonic()))
        happen(scenario.event, store, workers)
        outputs = [worker.communicate(timeout=seconds + 60)[0] for worker in workers]
        taken, refused, by = stats(api)
    first, last = (begins + WARM_UP) * 10, (begins + seconds) * 10 - 1
    counted = {int(tenth): count for tenth, count in taken.items() if first <= int(tenth) < last}
    refusals = sum(count for tenth, count in refused.items() if first <= int(tenth) < last)
    span = (int(last) - int(first)) / 10
    reports = [json.loads(output) for output in outputs if output.strip()]
    done = sum(report["done"] for report in reports)
    alive = [count for name, count in by.items() if name in {report["name"] for report in reports}]
    rate = sum(counted.values()) / span
    return {
        "title": scenario.title,
        "accepted a second": round(rate, 1),
        "429s, %": round(100 * refusals / max(1, refusals + sum(counted.values())), 2),
        "worst worker / mean": round(min(alive) * len(alive) / sum(alive), 3),
        "trips a request": round(sum(report["trips"] for report in reports) / max(1, done), 3),
        "lapsed, %": round(100 * sum(report["lapsed"] for report in reports) / max(1, done), 2),
        "by worker": dict(sorted(by.items())),
    }


def begin(workers: list[subprocess.Popen[str]]) -> float:
    """Have all workers begin at the same time, once all are ready; return it."""
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    begins = time.monotonic() + 0.3
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(f"{begins}\n")
        worker.stdin.flush()
    return begins


def happen(event: str, store: Store, workers: list[subprocess.Popen[str]]) -> None:
    """Have something happen in the middle of a run."""
    match event:
        case "killed":
            store.process.kill()
            store.process.wait()
            time.sleep(3.0)
            store.start()
        case "frozen":
            store.process.send_signal(signal.SIGSTOP)
            time.sleep(3.0)
            store.process.send_signal(signal.SIGCONT)
        case "emptied":
            store.tell(b"FLUSHALL\r\n")
        case "worker":
            workers[0].kill()
        case "stalled":
            workers[0].send_signal(signal.SIGSTOP)
            time.sleep(1.0)
            workers[0].send_signal(signal.SIGCONT)


def cost() -> dict[str, float]:
    """What sharing costs the client's CPU, microseconds: a lease, and a take beside that of a local bucket."""
    with contextlib.ExitStack() as stack:
        store = Store(stack)
        store.start()
        lease = uvloop.run(_lease_cost(store.url))
    return {"lease, us": round(lease, 1), "take beyond a bucket's, us": round(_take_cost(), 2)}


def news() -> dict[str, float]:
    """How long it takes until all four members of a fleet keep a pause that one was asked for, milliseconds."""
    with contextlib.ExitStack() as stack:
        store = Store(stack)
        store.start()
        took = sorted(uvloop.run(_news_times(store.url)))
    return {"median, ms": round(took[len(took) // 2], 2), "longest, ms": round(took[-1], 2), "pauses": len(took)}


async def _news_times(url: str) -> list[float]:
    fleets = [Fleet(url, "news", 1, SYSTEM) for _ in range(4)]
    took = []
    for number in range(100):
        host = f"h{number}.example"
        paces = [Pace(SYSTEM) for _ in fleets]
        for fleet, pace in zip(fleets, paces, strict=True):
            fleet.news.join(host, pace)
        if not number:
            await asyncio.sleep(0.5)  # all listen
        began = time.perf_counter()
        fleets[0].news.tell_pause(host, 30.0, "-")
        while not all(pace.pacer.active for pace in paces[1:]):
            await asyncio.sleep(0)
        took.append((time.perf_counter() - began) * 1000)
    for fleet in fleets:
        await fleet.aclose()
    return took


async def _lease_cost(url: str) -> float:
    fleet = Fleet(url, "cost", 1, SYSTEM)
    (slots,) = fleet.limiter([Limit(1e9, 1.0, 1e9)]).buckets
    leased, count = next(iter(fleet._leased.values())), 3_000
    for _ in range(200):
        await leased._book()
    began = time.process_time()
    for _ in range(count):
        slots.asking = True
        await asyncio.get_running_loop().create_task(leased._book())
    took = time.process_time() - began
    await fleet.aclose()
    return took / count * 1e6


def _take_cost() -> float:
    def timed(bucket: Any, count: int) -> float:
        now = time.monotonic
        began = time.process_time()
        for _ in range(count):
            bucket.try_take(now(), 1.0)
        return (time.process_time() - began) / count * 1e6

    best = float("inf")
    for _ in range(5):
        slots, count = Slots(1e9, 1.0, 1e12), 20_000
        slots.granted(time.monotonic(), time.monotonic(), -1.0, count + 10, 1)
        slots._low = -1.0
        best = min(best, timed(slots, count) - timed(Bucket(1e9, 1.0, 1e12), count))
    return best


# --- processes ------------------------------------------------------------------------------------------------------


class Store:
    """A redis-server on a free port, which may be killed and started again."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = stack.enter_context(tempfile.TemporaryDirectory())
        self._stack = stack

    def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            sys.exit("install redis-server: apt-get install redis-server")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._stack.callback(lambda process=self.process: (process.kill(), process.wait()))
        wait_for(self.port)

    def tell(self, command: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(command)
            wire.recv(100)


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """This file as another process."""
    command = [sys.executable, __file__, *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def stats(port: int) -> list[dict[str, int]]:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
        data = b""
        while not data.endswith(b"]"):
            data += wire.recv(65_536)
    return [
        {int(k) if k.isdigit() else k: v for k, v in each.items()} for each in json.loads(data.split(b"\r\n\r\n")[1])
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=15.0, help="of each scenario")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    costs = cost()
    print(json.dumps(costs))
    heard = news()
    print(json.dumps({"a pause is kept by all after": heard}))
    rows = {}
    for name in options.only:
        row = rows[name] = measure(SCENARIOS[name], options.seconds)
        cpu = row["trips a request"] * costs["lease, us"] + costs["take beyond a bucket's, us"]
        row["CPU a request, us"] = round(cpu, 1)
        print(json.dumps(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"costs": costs, "pauses": heard, "rows": rows}, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(serve(int(sys.argv[2])))
    elif sys.argv[1:2] == ["--work"]:
        name, api, redis, workers, callers, seconds = sys.argv[2:]
        uvloop.run(work(name, api, redis, workers=int(workers), callers=int(callers), seconds=float(seconds)))
    else:
        main()
