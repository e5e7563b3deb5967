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


async def test_many_notes_share_a_write_of_at_most_100(epochs, objects):
    epochs.begin(1)
    store = epochs.store(1)
    for index in range(250):
        store.start(index)
    await asyncio.gather(*(store.synced() for _ in range(250)))
    notes = [json.loads(objects.read(name)) for name in objects.names("000042/e1") if name.endswith(".started")]
    assert [len(group) for group in notes] == [100, 100, 50]


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
