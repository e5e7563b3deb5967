"""What a durable job has noted survives a power cut, whatever of the unsynced writes is lost."""

import asyncio
import os
import random
import sqlite3
from pathlib import Path

import pytest

from asyncapi.bulk import disk
from asyncapi.bulk.places import journal_path
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store
from asyncapi.errors import ConfigError
from tests.support.power_cut import Change, Recorder, left, losses, unsynced

WHAT = {"input": "d"}


def row(index):
    return {"id": index, "url": f"https://h/{index}", "status": 200, "ok": True, "data": {"n": "é," * index},
            "attempts": 1, "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


class Job:
    """A durable job over `total` rows of which each is noted before it is sent; it is stopped once and resumed."""

    def __init__(self, path, total, recorder):
        self.path, self.total, self.recorder = path, total, recorder
        self.sent = {}  # how many changes there were when a row was sent
        self.written = {}  # and when it was safe
        self.opened = []

    def run(self, rows, *, complete=False):
        store = open_store(sink_for(self.path), WHAT, resume=True, durable=True)
        self.opened.append(len(self.recorder.changes))
        for start in range(0, len(rows), 3):
            batch = rows[start : start + 3]
            for index in batch:
                store.start(index)
            asyncio.run(store.synced())
            for index in batch:
                self.sent[index] = len(self.recorder.changes)
                store.add(index, "+", row(index))
            store.flush()
            self.written |= dict.fromkeys(batch, len(self.recorder.changes))
        if complete:
            store.complete()
        store._broken = True  # as a kill leaves it
        store.close()


def read(path):
    return [int(kept.name) for kept in sink_for(path).rows()]


def recovered(path, job, cut):
    """Resume what the power cut has left; every row must end there once, and none be sent twice."""
    try:
        store = open_store(sink_for(path), WHAT, resume=True)
    except ConfigError as error:
        if "has no journal" not in str(error):
            raise
        assert cut < job.opened[0] or sorted(read(path)) == list(range(job.total))  # nothing was sent, or all is there
        return
    past = store.past
    for index in range(job.total):
        if job.written.get(index, cut) < cut:
            assert index in past.done
        if job.sent.get(index, cut) < cut:
            assert index in past.done or index in past.started
    for index in range(job.total):
        if index not in past.done:
            store.add(index, "?" if index in past.started else "+", row(index))
    store.flush()
    store.complete()
    store.close()
    assert sorted(read(path)) == list(range(job.total))


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.jsonl.gz", "out.csv.zst"])
@pytest.mark.parametrize("total", [7, pytest.param(60, marks=pytest.mark.soak)])
def test_no_power_cut_loses_what_the_journal_says(tmp_path, monkeypatch, name, total):
    if name.endswith(".zst"):
        pytest.importorskip("backports.zstd")
    folder = tmp_path / "job"
    folder.mkdir()
    recorder = Recorder()
    job = Job(folder / name, total, recorder)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", recorder)
        job.run([3, 0, 2, 1])
        job.run(range(4, total), complete=True)
    draw, seen = random.Random(total), set()
    for cut in range(len(recorder.changes) + 1):
        changes = recorder.changes[:cut]
        for lost in losses(changes, draw):
            files = left(changes, lost)
            state = (
                *sorted(files.items()),
                *(place for places in (job.sent, job.written) for place in places if places[place] < cut),
            )
            if state in seen:
                continue
            seen.add(state)
            for file in folder.iterdir():
                file.unlink()
            for path, content in files.items():
                Path(path).write_bytes(content)
            recovered(folder / name, job, cut)
    assert len(seen) > 50


def test_a_job_that_is_not_durable_syncs_nothing(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(disk, "os", recorder)
    store = open_store(sink_for(tmp_path / "out.csv"), WHAT)
    store.start(0)
    store.add(0, "+", row(0))
    asyncio.run(store.synced())
    store.flush()
    store.close()
    assert not [change for change in recorder.changes if change.kind.startswith("sync")]


def test_notes_that_wait_together_share_a_sync(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(disk, "os", recorder)
    store = open_store(sink_for(tmp_path / "out.jsonl"), WHAT, durable=True)

    async def note(index):
        store.start(index)
        await store.synced()

    async def notes():
        await asyncio.gather(*(note(index) for index in range(50)))

    before = len(recorder.changes)
    asyncio.run(notes())
    syncs = [change for change in recorder.changes[before:] if change.kind == "sync"]
    assert 1 <= len(syncs) <= 2
    assert unsynced(recorder.changes) == []
    store.close()


def test_a_durable_table_is_synced_before_its_journal(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(disk, "os", recorder)
    sink = sink_for(tmp_path / "out.sqlite")
    store = open_store(sink, WHAT, durable=True)
    assert sink._base.execute("PRAGMA synchronous").fetchone() == (2,)
    before = len(recorder.changes)
    sink._base.set_trace_callback(lambda text: recorder.changes.append(Change(text.split()[0], 0)))
    store.add(0, "+", row(0))
    store.flush()
    kinds = [change.kind for change in recorder.changes[before:]]
    assert kinds == ["BEGIN", "INSERT", "COMMIT", "write", "sync"]
    store.close()


@pytest.mark.parametrize("name", ["out.jsonl", "out.sqlite"])
def test_a_sync_that_fails_stops_the_job(tmp_path, monkeypatch, name):
    from asyncapi.bulk.store import NotWritten

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    store = open_store(sink_for(tmp_path / name), WHAT, durable=True)
    monkeypatch.setattr(disk, "sync", full)
    store.start(0)
    with pytest.raises(NotWritten, match="No space left"):
        asyncio.run(store.synced())
    store.close()


def test_what_is_written_in_pieces_is_written_whole(tmp_path, monkeypatch):
    class Slow:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, descriptor, data):
            return os.write(descriptor, data[:3])

    monkeypatch.setattr(disk, "os", Slow())
    descriptor = disk.open_append(tmp_path / "a")
    disk.write_all(descriptor, b"0123456789")
    disk.cut(descriptor, 8)
    disk.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"01234567"
    disk.replace(tmp_path / "a", tmp_path / "b")
    disk.remove(tmp_path / "b")
    disk.remove(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_table_survives_a_kill_between_its_commit_and_the_journal(tmp_path):
    path = tmp_path / "out.sqlite"
    store = open_store(sink_for(path), WHAT, durable=True)
    store.add(0, "+", row(0))
    store.flush()
    notes = journal_path(sink_for(path)).read_bytes()
    store.add(1, "+", row(1))
    store.flush()
    store.close()
    journal_path(sink_for(path)).write_bytes(notes)
    store = open_store(sink_for(path), WHAT, resume=True, durable=True)
    assert 1 not in store.past.done
    store.add(1, "+", row(1))
    store.flush()
    store.complete()
    store.close()
    with sqlite3.connect(path) as base:
        assert base.execute("SELECT id FROM rows ORDER BY rowid").fetchall() == [(0,), (1,)]
    base.close()
