"""A worker has one client for a run, two chunks open at a time, and nothing once the run has ended."""

import asyncio
import pickle
from types import SimpleNamespace

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet import worker
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.engines import Task
from asyncapi.bulk.fleet.slices import Chunk
from asyncapi.bulk.fleet.versions import versions
from asyncapi.errors import ConfigError


class Engine:
    def __init__(self):
        self.due = SimpleNamespace(drained=None)


@pytest.fixture
def ran(monkeypatch):
    """Has `run_chunk` note what it is given, and wait for `gate`."""

    class Ran:
        def __init__(self):
            self.clients, self.open, self.most, self.engines = set(), 0, 0, []
            self.gate = asyncio.Event()

        async def __call__(self, job, chunk, folder, leases, *, shared, opened, **_):
            self.clients.add(shared)
            engine = Engine()
            opened(engine)
            self.open += 1
            self.most = max(self.most, self.open)
            self.engines.append(engine)
            await self.gate.wait()
            self.open -= 1
            return Done(chunk=chunk.number, rows=1, ok=1)

    made = Ran()
    monkeypatch.setattr(worker, "run_chunk", made)
    return made


def task(number, run="run", alone=False, folder="/tmp", **settings):
    job = pickle.dumps(Job("in.txt", "o.jsonl", **settings))
    return Task(run, "0" * 32, job, folder, Chunk(number, number, 1, 0, 1, 1), versions(), alone)


async def work(*tasks):
    return await asyncio.gather(*(worker.work(each, "w", print) for each in tasks))


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_chunk_begins_when_the_one_before_has_only_rows_in_flight(ran, tmp_path):
    running = asyncio.create_task(work(*(task(number, folder=str(tmp_path)) for number in range(5))))
    await settle()
    assert ran.open == 1
    ran.engines[0].due.drained()
    await settle()
    assert ran.open == 2
    ran.engines[1].due.drained()
    await settle()
    assert ran.open == 2
    ran.gate.set()
    assert [done.chunk for done in await running] == [0, 1, 2, 3, 4]
    assert (len(ran.clients), ran.most) == (1, 2)
    await worker.finish("run")


async def test_a_chunk_that_may_have_killed_a_worker_is_open_alone(ran, tmp_path):
    tasks = [task(0, folder=str(tmp_path)), task(1, alone=True, folder=str(tmp_path)), task(2, folder=str(tmp_path))]
    ran.gate.set()
    seen = []
    inner = ran.__call__

    async def noting(job, chunk, *rest, **named):
        seen.append((chunk.number, ran.open))
        return await inner(job, chunk, *rest, **named)

    worker.run_chunk = noting
    await work(*tasks)
    assert dict(seen)[1] == 0
    await worker.finish("run")


async def test_a_run_that_was_stopped_stays_stopped(ran, tmp_path):
    ran.gate.set()
    worker.stop("stopped run", "interrupted", 130)
    assert await work(task(0, "stopped run", folder=str(tmp_path))) == [None]


async def test_what_is_wrong_on_a_worker_is_said_with_its_name(ran, tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ConfigError, match="on the worker w: the environment variable NOT_SET is not set"):
        await work(task(0, "unset", folder=str(tmp_path), auth_env="NOT_SET"))


async def test_finishing_a_run_closes_its_client(ran, tmp_path):
    ran.gate.set()
    await work(task(0, "closing", folder=str(tmp_path)))
    (shared,) = ran.clients
    await worker.finish("closing")
    assert "closing" not in worker._runs
    with pytest.raises(Exception, match="closed"):
        await shared.client.get("http://127.0.0.1:1/")
