"""The thread that writes: in order, in batches, and nothing is kept for ever where it can't."""

from __future__ import annotations

import threading

from asyncapi.stores import sqlite_writer
from asyncapi.stores.sqlite_file import open_file
from asyncapi.stores.sqlite_unwritten import Change
from asyncapi.stores.sqlite_writer import Writer

RECORD = ("", (), 0.0, 0.0, 60.0, False, False, -1.0, -1.0, False, 200, "1.1", (), b"x")


def writer_of(path, **options):
    done = []
    came = threading.Event()

    def written(changes, why):
        done.append((len(changes), why))
        came.set()

    return Writer(path, options.get("max_bytes", 1_000_000), None, written), done, came


def put(key):
    return Change("put", key, 600, [(b"v", RECORD)], [], None)


def test_what_comes_together_is_one_transaction(tmp_path):
    writer, done, _ = writer_of(tmp_path / "c")
    for number in range(100):
        writer.add(put(f"k{number}"))
    writer.stop()
    writer.join(30)
    assert sum(count for count, _ in done) == 100
    assert len(done) <= 3
    base = open_file(tmp_path / "c", busy=0)
    assert base.execute("SELECT count(*) FROM entries").fetchone() == (100,)
    base.close()


def test_a_removal_after_a_put_wins_and_a_put_after_it_too(tmp_path):
    writer, _, _ = writer_of(tmp_path / "c")
    for change in (put("a"), Change("drop", "a"), Change("drop", "b"), put("b")):
        writer.add(change)
    writer.stop()
    writer.join(30)
    base = open_file(tmp_path / "c", busy=0)
    assert base.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    base.close()


def test_where_it_can_not_write_puts_are_given_up_with_the_reason(tmp_path):
    writer, done, came = writer_of(tmp_path)  # a folder
    writer.add(put("a"))
    writer.add(Change("drop", "b"), urgent=True)
    assert came.wait(30)
    assert done[0][0] == 1
    assert "unable to open" in done[0][1]
    writer.stop()
    writer.join(30)


def test_more_removals_than_can_be_kept_become_one_of_everything(tmp_path, monkeypatch):
    base = open_file(tmp_path / "c", busy=0)
    base.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite_writer, "_MOST_WAITING", 10)
    monkeypatch.setattr(sqlite_writer, "_BUSY", 0.0)
    writer, _, _ = writer_of(tmp_path / "c")
    for number in range(50):
        writer.add(Change("drop", f"k{number}"))
    assert writer.emptying
    base.execute("COMMIT")
    base.close()
    writer.stop()
    writer.join(30)
    assert not writer.emptying
