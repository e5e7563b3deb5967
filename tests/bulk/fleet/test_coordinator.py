"""The coordinator alone: what it splits, locks, counts and leaves behind."""

import asyncio
import tracemalloc

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet import coordinator
from asyncapi.bulk.fleet.coordinator import Coordinator
from asyncapi.bulk.fleet.done import Done, make_done
from asyncapi.bulk.fleet.parts import open_parts, publish
from asyncapi.bulk.fleet.split import split
from asyncapi.errors import ConfigError

LINE = b'{"id":1}\n'


class Nothing:
    """An engine that says at once that a chunk is done, and sends nothing."""

    def __init__(self, ends=None):
        self.given = []
        self.stops = []
        self.closed = False
        self.ends = ends

    async def start(self, heard):
        pass

    def workers(self):
        return 2

    async def stop(self, run, why, code):
        self.stops.append(why)

    async def aclose(self):
        self.closed = True

    def submit(self, task):
        chunk = task.chunk
        self.given.append(chunk.number)
        end = asyncio.get_running_loop().create_future()
        if self.ends is not None:
            self.ends(chunk, end)
        if not end.done():
            shard = f"{chunk.number:06d}.e1.jsonl"
            with open(f"{task.folder}/{shard}", "wb") as file:
                file.write(LINE * chunk.rows)
            done = Done(chunk=chunk.number, shard=shard, rows=chunk.rows, ok=chunk.rows, size=len(LINE) * chunk.rows)
            end.set_result(done)
        return end


def inputs(folder, rows):
    with (folder / "in.txt").open("w") as file:
        file.writelines(f"http://h/{row}\n" for row in range(rows))
    return folder / "in.txt"


async def coordinate(folder, fleet, rows=50, chunk=10, **settings):
    job = Job(inputs(folder, rows), folder / "out.jsonl", chunk=chunk, **settings)
    return await Coordinator(job, fleet, on="local:2").run()


async def test_all_chunks_are_handed_out_and_nothing_is_left_behind(tmp_path):
    fleet = Nothing()
    summary = await coordinate(tmp_path, fleet)
    assert (summary.ok, summary.total, summary.exit_code) == (50, 50, 0)
    assert sorted(fleet.given) == [0, 1, 2, 3, 4]
    assert fleet.closed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


async def test_chunks_that_an_earlier_run_has_ended_are_not_handed_out_again(tmp_path):
    job = Job(inputs(tmp_path, 50), tmp_path / "out.jsonl", chunk=10)
    what = job.what(split(job).digest) | {"chunk": 10, "the use of --shared": False}
    parts = open_parts(job, what)
    publish(parts, what)
    (parts.path / "000001.e1.jsonl").write_bytes(LINE * 10)
    make_done(parts.path, Done(chunk=1, shard="000001.e1.jsonl", rows=10, ok=9, failed=1, size=90, epoch=1), "test")
    fleet = Nothing()
    summary = await coordinate(tmp_path, fleet, resume=True)
    assert sorted(fleet.given) == [0, 2, 3, 4]
    assert (summary.ok, summary.skipped, summary.skipped_failed, summary.exit_code) == (40, 10, 1, 1)


async def test_two_coordinators_of_one_output_are_one_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(coordinator, "TTL", 0.1)
    monkeypatch.setattr(coordinator, "_LOCK", 0.1)
    held = asyncio.Event()

    class Holding(Nothing):
        def submit(self, task):
            held.set()
            return asyncio.get_running_loop().create_future()

    first = asyncio.create_task(coordinate(tmp_path, Holding()))
    await held.wait()
    with pytest.raises(ConfigError, match="can't be written now"):
        await coordinate(tmp_path, Nothing(), resume=True)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_coordinator_that_is_cancelled_stops_its_workers(tmp_path):
    began = asyncio.Event()

    class Holding(Nothing):
        def submit(self, task):
            began.set()
            return asyncio.get_running_loop().create_future()

    fleet = Holding()
    running = asyncio.create_task(coordinate(tmp_path, fleet))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert fleet.stops == ["it was cancelled"]
    assert fleet.closed
    assert (tmp_path / "out.jsonl.parts" / "job.json").exists()


async def test_failed_rows_of_all_chunks_count_towards_max_errors(tmp_path):
    def fail(chunk, end):
        end.set_result(Done(chunk=chunk.number, shard="x", rows=10, ok=8, failed=2, size=1))

    summary = await coordinate(tmp_path, Nothing(fail), rows=1000, max_errors=5)
    assert summary.stopped is not None
    assert "max_errors" in summary.stopped
    assert (summary.exit_code, summary.failed < 40) == (1, True)


@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def test_the_memory_of_the_coordinator_does_not_grow_with_the_rows(rows, tmp_path):
    tracemalloc.start()
    try:
        await coordinate(tmp_path, Nothing(), rows=rows, chunk=10_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000  # of which one MiB is a piece of the merge
