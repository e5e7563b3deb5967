"""In an object store an epoch is a row of segments: rows are written or not, and a zombie's are in no list."""

import asyncio
import json

import pytest

from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.objects import Objects
from asyncapi.bulk.fleet.segments import EpochSegments
from asyncapi.bulk.journal import FAILED, OK
from asyncapi.bulk.store import NotWritten
from asyncapi.errors import ConfigError

pytest.importorskip("fsspec")

ID = "a" * 32


@pytest.fixture
def objects(request):
    made = Objects(f"memory://{request.node.name}/out.parts")
    made.put("job.json", json.dumps({"job": ID}).encode())
    yield made
    made.remove()


@pytest.fixture
def epochs(objects):
    return EpochSegments(objects, 42, ID)


def row(index):
    return {"id": index, "url": f"https://h/{index}", "status": 200, "ok": True, "data": None}


async def flushed(store):
    async with asyncio.timeout(10):
        while not store.flush():
            await asyncio.sleep(0.001)


async def written(epochs, epoch, *indices, started=()):
    store = epochs.store(epoch)
    for index in indices:
        store.add(index, OK, row(index))
    await flushed(store)
    for index in started:
        store.start(index)
        await store.synced()
    return store


async def test_the_next_holder_goes_on_where_the_last_one_stopped(epochs, objects):
    assert epochs.begin(1)
    store = await written(epochs, 1, 0, 1, started=[2, 3])
    store.add(4, FAILED, row(4))
    store.release(3)
    await flushed(store)
    assert not epochs.begin(1)
    assert (epochs.highest(), epochs.begin(2)) == (1, True)
    past = epochs.store(2).past
    assert (len(past.done), past.failed, past.started, past.job) == (3, 1, {2}, ID)


async def test_what_a_zombie_writes_later_is_in_no_list(epochs, objects):
    epochs.begin(1)
    zombie = await written(epochs, 1, 0)
    successor = EpochSegments(objects, 42, ID)
    successor.begin(2)
    zombie.add(1, OK, row(1))
    await flushed(zombie)
    assert len(successor.store(2).past.done) == 1
    third = EpochSegments(objects, 42, ID)
    third.begin(3)
    assert len(third.store(3).past.done) == 1


async def test_a_row_that_was_started_again_after_a_release_may_have_been_sent(epochs):
    epochs.begin(1)
    store = await written(epochs, 1, started=[7])
    store.release(7)
    store.start(7)
    await store.synced()
    store.add(0, OK, row(0))
    await flushed(store)
    epochs.begin(2)
    assert epochs.store(2).past.started == {7}


async def test_at_most_100_requests_have_a_note_and_no_row(epochs, objects):
    epochs.begin(1)
    store = epochs.store(1)
    most = open_ = 0

    async def send(index):
        nonlocal most, open_
        store.start(index)
        await store.synced()
        open_ += 1
        most = max(most, open_)
        await asyncio.sleep(0.001)
        store.add(index, OK, row(index))
        open_ -= 1

    async def clock():
        while True:
            await asyncio.sleep(0.01)
            store.flush()

    ticking = asyncio.create_task(clock())
    async with asyncio.timeout(30):
        await asyncio.gather(*(send(index) for index in range(250)))
    ticking.cancel()
    await flushed(store)
    notes = [json.loads(objects.read(name)) for name in objects.names("000042/e1") if name.endswith(".started")]
    assert (most, sum(map(len, notes))) == (100, 250)
    assert max(map(len, notes)) == 100
    epochs.begin(2)
    past = epochs.store(2).past
    assert (len(past.done), past.started) == (250, set())


async def test_a_retry_needs_no_second_note(epochs, objects):
    epochs.begin(1)
    store = await written(epochs, 1, started=[7, 7])
    assert len([name for name in objects.names("000042/e1") if name.endswith(".started")]) == 1
    store.release(7)
    store.start(7)
    await store.synced()
    assert len([name for name in objects.names("000042/e1") if name.endswith(".started")]) == 2


async def test_a_row_whose_write_is_under_way_is_not_lost_at_the_end(epochs, objects):
    epochs.begin(1)
    store = await written(epochs, 1, *range(10))
    store.add(10, OK, row(10))
    await flushed(store)
    store.complete(keep_journal=True)
    name, size = epochs.measured(1)
    assert (name, size, len(json.loads(objects.read(name)))) == ("000042/e1/whole", 2, 2)


async def test_the_first_done_stands(epochs, objects):
    first = Done(chunk=42, shard="000042/e1/whole", rows=1, epoch=1)
    assert epochs.finish(first) == first
    other = EpochSegments(objects, 42, ID)
    assert other.finish(Done(chunk=42, shard="000042/e2/whole", rows=1, epoch=2)) == first
    assert other.done() == first


async def test_a_store_that_refuses_writes_stops_the_chunk(epochs, objects, monkeypatch):
    epochs.begin(1)
    store = epochs.store(1)

    def put(*_):
        raise OSError("access denied")

    monkeypatch.setattr(objects, "put", put)
    store.start(1)
    with pytest.raises(NotWritten, match="access denied"):
        await store.synced()
    with pytest.raises(NotWritten, match="access denied"):
        store.add(0, OK, row(0))


async def test_in_the_folder_of_another_job_a_worker_does_nothing(epochs, objects):
    objects.put("job.json", b'{"job": "another"}')
    with pytest.raises(ConfigError, match="is gone, or belongs to another job now"):
        epochs.begin(1)
