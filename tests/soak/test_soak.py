"""Under load with everything on nothing grows, and nothing is left; `make soak` is the same for longer."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import anyio.from_thread
import pytest

from asyncapi import Adaptive, Breaker, Cache, Client, Fallback, Hedge, RateLimit
from asyncapi.blocking import Client as BlockingClient
from asyncapi.serve import FaultServer
from asyncapi.testing import MockTransport, reply
from programs import on_lane

pytestmark = [pytest.mark.soak, pytest.mark.lanes]


def _loaded(name):
    spec = spec_from_file_location(f"soak_{name}", Path(__file__).with_name(f"{name}.py"))
    sys.modules[spec.name] = made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


soak = _loaded("soak")


@pytest.fixture(scope="module")
def server():
    """A real server, in a thread of its own."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FaultServer()) as running,
    ):
        yield running


async def test_nothing_grows_while_calls_come_and_go():
    report = await soak.main(seconds=15.0, rate=250.0)
    assert report.wrong == []
    assert report.calls > 1000
    for kind in ("hits", "revalidated", "hedged"):
        assert kind in report.told


def test_what_grows_is_told():
    def judged(**last):
        rows = [soak.Count(float(at), 0, 2, 10, 60_000, 60.0, 0.0) for at in range(9)]
        for row in rows[-2:]:
            for name, value in last.items():
                setattr(row, name, value)
        return soak.Soak.growth(rows[0], rows[1:])

    assert judged() == []
    assert "objects grew from 60,000 to 80,000" in judged(objects=80_000)
    assert "memory grew from 60 to 90 MiB" in judged(memory=90.0)
    assert judged(tasks=500)
    assert judged(sockets=500)


async def test_what_is_kept_for_a_host_is_little_to_the_garbage_collector():
    api = Client(
        transport=MockTransport(lambda r: reply()), breaker=Breaker(), hedge=Hedge(), concurrency=Adaptive(),
        rate=RateLimit(10**6, by="host"),
    )  # fmt: skip
    await api.get("https://warm/")
    before = soak.objects()
    for number in range(500):
        for _ in range(2):
            await api.get(f"https://h{number}/x", route=f"/r{number % 200}")
    assert soak.objects() - before < 500 * 36  # 29 of ours for each host, and of URLs what yarl keeps


async def test_a_thousand_clients_made_and_closed_leave_nothing(server):
    async def one(number):
        async with Client(
            server.url,
            cache=Cache(),
            breaker=Breaker(),
            hedge=Hedge(),
            fallback=Fallback(stale=60),
            rate=RateLimit(10**6),
        ) as api:
            if not number % 10:
                await api.get(f"/items/{number}")
            return weakref.ref(api)

    for number in range(20):  # caches of Python and of libraries
        await one(number * 10)
    tasks, sockets, objects = len(asyncio.all_tasks()), soak.sockets(), soak.objects()
    gone = [await one(number) for number in range(1000)]
    await asyncio.sleep(0)
    now = soak.objects()
    assert not any(ref() for ref in gone)
    assert len(asyncio.all_tasks()) == tasks
    assert await asyncio.to_thread(soak.sockets_once_settled, sockets) <= sockets
    assert now - objects < 5000


def test_fifty_threads_with_clients_that_do_not_await_leave_nothing(server):
    def one(number):
        with BlockingClient(server.url, cache=Cache()) as api:
            return [api.get(f"/items/{number + n + 1}").json()["id"] for n in range(3)]

    shared = BlockingClient(server.url)
    one(0)
    shared.get("/items/1")
    threads, sockets = threading.active_count(), soak.sockets()
    with ThreadPoolExecutor(50) as pool:
        own = list(pool.map(one, range(50)))
        both = list(pool.map(lambda n: shared.get(f"/items/{n + 1}").json()["id"], range(50)))
    assert own == [[n + 1, n + 2, n + 3] for n in range(50)]
    assert both == list(range(1, 51))
    shared.close()
    gc.collect()
    assert threading.active_count() <= threads - 1  # threads of earlier tests may end meanwhile
    assert soak.sockets_once_settled(sockets) <= sockets


ENDS = {
    "a task that is cancelled": """
        import asyncio, signal, sys
        from asyncapi import Client

        async def main():
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
            async with Client(sys.argv[1]) as api:
                await api.get("/items/1")
                print("ready", flush=True)
                try:
                    await api.gather([f"/delay/30?n={n}" for n in range(20)], concurrency=10)
                finally:
                    stats = api.stats
                    print(stats.in_flight, stats.queued, flush=True)

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            print("ended", flush=True)
        """,
    "a thread that waits": """
        import signal, sys
        from asyncapi.blocking import Client

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with Client(sys.argv[1]) as api:
            api.get("/items/1")
            try:
                print("ready", flush=True)
                api.get("/delay/30")
            finally:
                stats = api.stats
                print(stats.in_flight, stats.queued, flush=True)
                print("ended", flush=True)
        """,
}


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
def test_a_sigterm_ends_a_running_client_and_leaves_nothing(server, script, lane):
    command = [sys.executable, "-W", "error", "-c", on_lane(lane, script), server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("0 0\nended\n", "", 0)
