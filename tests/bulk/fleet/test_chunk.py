"""A chunk is done once, each row once, and no un-keyed POST goes out twice, whatever happens to its holders."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

import asyncapi
from asyncapi import Redis
from asyncapi.bulk import Job
from asyncapi.bulk.fleet.chunk import run_chunk
from asyncapi.bulk.fleet.file_leases import FileLeases
from asyncapi.bulk.fleet.leases import leases_of
from asyncapi.bulk.fleet.redis_leases import RedisLeases, RedisScripts
from asyncapi.bulk.fleet.split import split
from asyncapi.errors import ConfigError
from redis_server import redis  # noqa: F401
from servers import application

pytestmark = pytest.mark.lane("native", reason="a job has a transport of its own")

ID = "a" * 32
WORKER = """
import asyncio, json, sys
from asyncapi.bulk import Job
from asyncapi.bulk.fleet.chunk import run_chunk
from asyncapi.bulk.fleet.redis_leases import RedisLeases, RedisScripts
from asyncapi.bulk.fleet.split import split

async def main(source, output, url):
    job = Job(source, output, concurrency=5)
    leases = RedisLeases(RedisScripts(url), "key", ttl=3.0)
    await run_chunk(job, split(job).chunks[0], output + ".parts", leases, job_id="a" * 32)

asyncio.run(main(*sys.argv[1:]))
"""


class Server:
    """Counts the requests; those of `slow` wait until it is set."""

    def __init__(self):
        self.seen = Counter()
        self.waits = asyncio.Event()
        self.waits.set()
        self.took = asyncio.Event()

    async def handle(self, request):
        self.seen[request.method, request.path] += 1
        if sum(self.seen.values()) >= 8:
            self.took.set()
        await asyncio.sleep(0.02)
        await self.waits.wait()
        return web.json_response({})

    @property
    def twice(self):
        return [what for what, times in self.seen.items() if times > 1 and what[0] == "POST"]


@pytest.fixture
async def server():
    made = Server()
    async with application(web.route("*", "/{path:.*}", made.handle)) as url:
        made.url = url
        yield made


@pytest.fixture
def job(server, tmp_path):
    lines = (json.dumps({"url": f"{server.url}/{n}", "method": "POST" if n % 2 else "GET"}) + "\n" for n in range(40))
    (tmp_path / "in.jsonl").write_text("".join(lines))
    parts = tmp_path / "out.jsonl.parts"
    parts.mkdir()
    (parts / "job.json").write_text(json.dumps({"job": ID}))
    return Job(tmp_path / "in.jsonl", tmp_path / "out.jsonl", concurrency=5)


def parts_of(job):
    return Path(f"{job.output}.parts")


async def ran(job, leases, **settings):
    [chunk] = split(job).chunks
    return await run_chunk(job, chunk, str(parts_of(job)), leases, job_id=ID, **settings)


def rows(job, done):
    found = [json.loads(line) for line in (parts_of(job) / done.shard).read_text().splitlines()]
    assert sorted(row["id"] for row in found) == list(range(40))
    return found


class Lease:
    """A lease that somebody else decides about."""

    def __init__(self, leases, epoch):
        self.leases, self.epoch = leases, epoch
        self.gone = asyncio.Event()

    def holds(self):
        return not self.gone.is_set()

    async def confirm(self):
        return self.holds()

    async def lost(self):
        await self.gone.wait()

    async def release(self, *, done=False):
        self.leases.released.append((self.epoch, done))


class Leases:
    why, pause, silent = "another worker has it", 0.01, 0.0

    def __init__(self):
        self.granted, self.released = [], []

    async def take(self, name, above=0):
        self.granted.append(Lease(self, above + 1))
        return self.granted[-1]


async def test_a_chunk_is_run_once_however_often_it_is_asked_for(job, server):
    leases = FileLeases(parts_of(job))
    one, two = await asyncio.gather(ran(job, leases), ran(job, leases))
    again = await ran(job, leases)
    assert (one.shard, one.rows, one.ok, one.epoch) == ("000000.e1.jsonl", 40, 40, 1)
    assert (two.shard, again.shard, again.size) == (one.shard, one.shard, (parts_of(job) / one.shard).stat().st_size)
    assert set(server.seen.values()) == {1}
    rows(job, one)


async def test_a_worker_that_loses_its_lease_stops_at_once_and_takes_the_chunk_again(job, server):
    leases = Leases()
    server.waits.clear()
    running = asyncio.create_task(ran(job, leases))
    while len(server.seen) < 5:
        await asyncio.sleep(0.01)
    before = sum(server.seen.values())
    leases.granted[0].gone.set()
    while len(leases.granted) < 2:
        await asyncio.sleep(0.01)
    server.waits.set()
    done = await running
    found = rows(job, done)
    lost = [row["id"] for row in found if row["ok"] is False]
    assert (before, done.epoch, server.twice) == (5, 2, [])
    assert (done.unknown, len(lost)) == (2, 2)  # the POSTs that were in flight
    assert leases.released == [(1, False), (2, True)]


async def test_a_post_is_not_sent_once_the_lease_has_run_out(job, server):
    """The lease runs out without a word: the look right before the head is what stops the POST."""
    leases = Leases()

    async def take(name, above=0):
        lease = await Leases.take(leases, name, above)
        if above == 0:
            lease.holds = lambda: False
        return lease

    leases.take = take
    done = await ran(job, leases)
    assert done.epoch == 2
    assert (done.ok, done.unknown, server.twice) == (40, 0, [])


async def test_where_nobody_grants_a_lease_the_chunk_stops_to_be_resumed(job, server):
    leases = Leases()
    leases.silent = 61.0
    leases.take = lambda name, above=0: asyncio.sleep(0)
    done = await ran(job, leases)
    assert done.stopped == ("no lease for 60 s: another worker has it", 1)
    assert not server.seen


async def test_a_chunk_that_is_given_up_has_all_its_rows_and_sends_nothing(job, server):
    leases = Leases()
    server.waits.clear()
    running = asyncio.create_task(ran(job, leases))
    while len(server.seen) < 5:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    sent = sum(server.seen.values())
    done = await ran(job, leases, give_up="killed 3 workers")
    errors = Counter(row["error"].partition(":")[0] for row in rows(job, done))
    assert (errors, sum(server.seen.values())) == ({"unknown": 2, "NotSent": 38}, sent)
    assert (done.failed, done.unknown, done.stopped) == (38, 2, None)


async def test_a_stopped_engine_leaves_its_files_to_the_next(job, server):
    leases = Leases()
    engines = []
    running = asyncio.create_task(ran(job, leases, opened=engines.append))
    while len(server.seen) < 10:
        await asyncio.sleep(0.01)
    engines[0].stop("interrupted", 130)
    done = await running
    assert (done.stopped, done.shard, leases.released) == (("interrupted", 130), "", [(1, False)])
    again = await ran(job, leases)
    assert (again.epoch, again.ok, again.skipped > 0, server.twice) == (2, 40, True, [])
    rows(job, again)


async def test_in_a_folder_that_is_gone_nothing_is_sent(job, server):
    (parts_of(job) / "job.json").unlink()
    with pytest.raises(ConfigError, match="the folder of the job is gone"):
        await ran(job, FileLeases(parts_of(job)))
    assert not server.seen


async def test_a_worker_without_room_stops_the_chunk_and_says_why(job, server, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asyncapi.bulk.fleet.epochs.os.open", full)
    done = await ran(job, Leases())
    assert done.stopped == (f"cannot write in {parts_of(job)}: No space left on device", 1)
    assert not server.seen


async def test_leases_of_a_job_that_names_a_redis_are_those_of_redis(job, server, redis):  # noqa: F811
    leases = leases_of(Redis(redis.url), str(parts_of(job)), ID)
    await leases.begin()
    done = await ran(job, leases)
    assert (done.ok, done.epoch) == (40, 1)
    await leases.aclose()


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_frozen_or_killed_worker_is_taken_over(job, server, redis, how):  # noqa: F811
    """Frozen for three times the lease; its requests in flight then get their responses, and nobody reads its rows."""
    leases = RedisLeases(RedisScripts(redis.url), "key", ttl=3.0)
    await leases.begin()
    environment = {**os.environ, "PYTHONPATH": str(Path(asyncapi.__file__).parent.parent)}
    command = [sys.executable, "-c", WORKER, str(job.input), str(job.output), redis.url]
    worker = subprocess.Popen(command, env=environment)
    try:
        await server.took.wait()
        worker.send_signal(how)
        done = await ran(job, leases)
        found = rows(job, done)
        if how is signal.SIGSTOP:
            await asyncio.sleep(6)
            worker.send_signal(signal.SIGCONT)
            await asyncio.to_thread(worker.wait, 20)
        assert (done.epoch, server.twice, rows(job, done)) == (2, [], found)
        assert sum(row["ok"] for row in found) == 40 - done.unknown
    finally:
        worker.kill()
        worker.wait()
        await leases.aclose()
