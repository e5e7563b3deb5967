"""Rows that go into a store are there exactly once, whatever was torn off its files in between."""

import contextlib
import csv
import errno
import math
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from asyncapi.bulk.places import check_output, journal_path
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import NotWritten, open_store
from asyncapi.errors import ConfigError

WHAT = {"input": "d", "url": None}
ENDINGS = [".jsonl", ".csv", ".sqlite", ".parquet"]


def row(index, *, ok=True):
    what = {"data": {"n": index, "text": "é\n" * (index % 3)}} if ok else {"error": "NotFound: 404"}
    return {"id": index, "url": f"https://h/{index}", "status": 200 if ok else 404, "ok": ok, **what,
            "attempts": 1, "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


def ids(path):
    """Every id in the output, in order; fails if a row is torn."""
    path = Path(path)
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [int(line["id"]) for line in csv.DictReader(file, strict=True)]
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as base:
            found = [line[0] for line in base.execute("SELECT id FROM rows ORDER BY rowid")]
        base.close()
        return found
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [int(line) for line in pq.read_table(path)["id"].to_pylist()]
    return [from_json(line)["id"] for line in path.read_bytes().splitlines()]


def write(path, indices, *, resume=False, batch=3, complete=False):
    store = open_store(sink_for(path), WHAT, resume=resume)
    for count, index in enumerate(indices, 1):
        store.add(index, "+", row(index))
        if count % batch == 0:
            store.flush()
    store.flush()
    if complete:
        store.complete()
    store.close()
    return store


def finish(path, total):
    """Resume and write what is missing; every row must then be there once."""
    store = open_store(sink_for(path), WHAT, resume=True)
    missing = [index for index in range(total) if index not in store.past.done]
    for index in missing:
        store.add(index, "?" if index in store.past.started else "+", row(index))
    store.flush()
    store.complete()
    store.close()
    assert sorted(ids(path)) == list(range(total))
    assert not journal_path(sink_for(path)).exists()
    return missing


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stopped_job_goes_on_where_it_was(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, [4, 0, 2])
    assert finish(path, 6) == [1, 3, 5]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_cut_at_every_byte_the_output_heals(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(5), batch=2)
    journal = journal_path(sink_for(path))
    whole, notes = path.read_bytes(), journal.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal.write_bytes(notes)
        finish(path, 6)


def test_cut_at_every_byte_the_journal_heals_or_refuses(tmp_path):
    """Without its first line nothing is known of the rows: refused, with nothing touched."""
    path = tmp_path / "out.jsonl"
    write(path, range(5), batch=2)
    journal = journal_path(sink_for(path))
    whole, notes = path.read_bytes(), journal.read_bytes()
    header = notes.index(b"\n") + 1
    for cut in range(len(notes) + 1):
        path.write_bytes(whole)
        journal.write_bytes(notes[:cut])
        if cut >= header:
            finish(path, 6)
            continue
        with pytest.raises(ConfigError, match="no journal"):
            open_store(sink_for(path), WHAT, resume=True)
        assert path.read_bytes() == whole
        path.write_bytes(b"")
        finish(path, 6)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_history_of_kills_ends_with_every_row_once(data):
    """Runs that each write some rows and lose any tail of both files; then one that finishes."""
    total = 12
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"out{data.draw(st.sampled_from(['.jsonl', '.csv']))}"
        journal = journal_path(sink_for(path))
        open_store(sink_for(path), WHAT).close()
        header = journal.stat().st_size
        for _ in range(data.draw(st.integers(1, 4))):
            store = open_store(sink_for(path), WHAT, resume=True)
            left = [index for index in range(total) if index not in store.past.done]
            for index in data.draw(st.permutations(left))[: data.draw(st.integers(0, total))]:
                store.start(index)
                store.add(index, "+", row(index))
                if data.draw(st.booleans()):
                    store.flush()
            store.flush()
            store.close()
            os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))
            os.truncate(journal, data.draw(st.integers(header, journal.stat().st_size)))
        finish(path, total)


def test_without_resume_nothing_is_overwritten(tmp_path):
    path = tmp_path / "out.jsonl"
    source = tmp_path / "in.txt"
    source.write_text("")
    path.write_text("precious\n")

    def check(**flags):
        check_output(sink_for(path), source, **{"resume": False, "overwrite": False, **flags})

    with pytest.raises(ConfigError, match=r"out\.jsonl exists: --overwrite replaces it, --resume continues"):
        check()
    with pytest.raises(ConfigError, match=r"has no journal.*it is complete"):
        open_store(sink_for(path), WHAT, resume=True)
    check(overwrite=True)
    path.unlink()
    write(path, [0])
    with pytest.raises(ConfigError, match="belongs to a stopped job: --resume continues it"):
        check()
    check(resume=True)


def test_an_output_that_is_the_input_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    with pytest.raises(ConfigError, match="is also the input"):
        check_output(sink_for(path), path, resume=False, overwrite=True)


def test_overwrite_begins_anew_over_a_stopped_job(tmp_path):
    path = tmp_path / "out.sqlite"
    write(path, [0, 1])
    store = open_store(sink_for(path), WHAT, overwrite=True)
    store.add(7, "+", row(7))
    store.flush()
    store.complete()
    store.close()
    assert ids(path) == [7]


def test_resume_with_nothing_there_begins(tmp_path):
    path = tmp_path / "out.csv"
    assert finish(path, 2) == [0, 1]


def test_another_input_cannot_resume_the_job(tmp_path):
    path = tmp_path / "out.jsonl"
    write(path, [0])
    with pytest.raises(ConfigError, match="belongs to another job: input and url changed since it began"):
        open_store(sink_for(path), {"input": "e", "url": "x"}, resume=True)
    assert finish(path, 2) == [1]


@pytest.mark.parametrize(
    ("name", "says"),
    [("none/out.jsonl", "there is no folder"), ("out.xlsx", "unknown ending: use one of .jsonl"), (".", "is a folder")],
)
def test_an_output_that_cannot_be_is_refused_before_anything(tmp_path, name, says):
    with pytest.raises(ConfigError, match=says):
        check_output(sink_for(tmp_path / name), "-", resume=False, overwrite=False)


def test_an_unwritable_place_is_one_clear_error():
    for name in ("/proc/out.jsonl", "/proc/out.sqlite"):
        with pytest.raises(ConfigError, match=f"cannot write {name}: "):
            open_store(sink_for(name), WHAT)


class Unwritable(pydantic.BaseModel):
    @pydantic.model_serializer
    def broken(self):
        raise LookupError("not today")


def test_data_that_cannot_be_written_fails_its_row_and_not_the_job(tmp_path):
    path = tmp_path / "out.jsonl"
    store = open_store(sink_for(path), WHAT)
    assert store.add(0, "+", {**row(0), "data": Unwritable()}) == "-"
    assert store.add(1, "+", row(1)) == "+"
    store.flush()
    store.close()
    first, second = (from_json(line) for line in path.read_bytes().splitlines())
    assert not first["ok"]
    assert "cannot be written as JSON" in first["error"]
    assert second["ok"]


@pytest.mark.parametrize("name", ["out.jsonl", "out.sqlite", "out.parquet", "out.csv"])
def test_data_that_is_nested_deep_is_written_and_what_is_too_deep_fails_its_row(tmp_path, name):
    path = tmp_path / name
    store = open_store(sink_for(path), WHAT)
    deep, deeper = [math.nan], [1]
    for _ in range(400):
        deep = [deep]
    for _ in range(100_000):
        deeper = [deeper]
    assert store.add(0, "+", {**row(0), "data": deep}) == "+"
    assert store.add(1, "+", {**row(1), "data": deeper}) == "-"
    store.flush()
    store.complete()
    store.close()
    text = "[" * 401 + "null" + "]" * 401
    if name == "out.jsonl":
        assert f'"data":{text}' in path.read_text()
    elif name == "out.sqlite":
        with contextlib.closing(sqlite3.connect(path)) as base:
            assert base.execute("SELECT data FROM rows WHERE ok").fetchall() == [(text,)]
    elif name == "out.csv":
        assert text in path.read_text()
    else:
        assert pytest.importorskip("pyarrow.parquet").read_table(path).column("data").to_pylist()[0] == text


def removed(path):
    if path.suffix == ".sqlite":
        return edited(path, "DELETE FROM rows WHERE id = 5")
    lines = path.read_bytes().splitlines(keepends=True)
    return path.write_bytes(b"".join(lines[:5] + lines[6:]))


def edited(path, *statements):
    base = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        base.execute(statement)
    base.close()


def rewritten(path, change):
    path.write_bytes(change(path.read_bytes()))


def swapped(text):
    lines = text.splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    return b"".join(lines)


EDITS = {
    "a row removed": removed,
    "CRLF": lambda path: rewritten(path, lambda text: text.replace(b"\n", b"\r\n")),
    "a byte order mark": lambda path: rewritten(path, lambda text: b"\xef\xbb\xbf" + text),
    "UTF-16": lambda path: rewritten(path, lambda text: text.decode().encode("utf-16")),
    "Latin-1": lambda path: rewritten(path, lambda text: text.decode().encode("latin-1")),
    "two rows swapped": lambda path: rewritten(path, swapped),
    "a line added": lambda path: rewritten(path, lambda text: text.replace(b"\n", b"\n\n", 3)),
    "a value changed": lambda path: rewritten(path, lambda text: text.replace(b"https://h/1", b"https://H/1")),
    "another file": lambda path: path.write_bytes(b"x" * path.stat().st_size),
    "a table's row changed": lambda path: edited(path, "UPDATE rows SET id = 'first' WHERE id = 1"),
    "a table's rows renumbered": lambda path: edited(path, "DELETE FROM rows WHERE id = 2", "VACUUM"),
    "a table emptied and filled": lambda path: edited(
        path,
        "CREATE TABLE t AS SELECT * FROM rows ORDER BY id DESC",
        "DELETE FROM rows",
        "INSERT INTO rows SELECT * FROM t",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", EDITS)
def test_an_output_that_somebody_changed_is_refused_and_left_alone(tmp_path, ending, name):
    """Rows would be lost, or torn, where the job goes on by places that no longer hold."""
    if (ending == ".sqlite") != ("table" in name) and name != "a row removed":
        pytest.skip("a change of another kind of file")
    path = tmp_path / f"out{ending}"
    write(path, range(12))
    place = sink_for(path).files[1 if ending == ".parquet" else 0]
    journal = journal_path(sink_for(path))
    notes = journal.read_bytes()
    EDITS[name](place)
    there = place.read_bytes()
    with pytest.raises(ConfigError, match=r"has changed since the job stopped: its row \d+ was edited.*--overwrite"):
        open_store(sink_for(path), WHAT, resume=True)
    assert journal.read_bytes() == notes
    assert ending == ".sqlite" or place.read_bytes() == there


def test_a_table_that_is_refused_is_let_go_of(tmp_path):
    path = tmp_path / "out.sqlite"
    write(path, range(3))
    edited(path, "DELETE FROM rows WHERE id = 1")
    sink = sink_for(path)
    with pytest.raises(ConfigError, match="has changed since the job stopped"):
        open_store(sink, WHAT, resume=True)
    assert sink._base is None


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_what_a_power_cut_leaves_empty_is_cut_off(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(12))
    place = sink_for(path).files[1 if ending == ".parquet" else 0]
    whole = place.read_bytes()
    for cut in (len(whole) - 1, len(whole) // 2, 1, 0):
        place.write_bytes(whole[:cut] + bytes(len(whole) - cut))
        store = open_store(sink_for(path), WHAT, resume=True)
        store.close()
    assert finish(path, 13)[-1] == 12


def test_a_journal_without_checksums_is_taken_up(tmp_path):
    path = tmp_path / "out.jsonl"
    write(path, range(4))
    journal = journal_path(sink_for(path))
    first, *lines = journal.read_text().splitlines()
    journal.write_text("\n".join([first, *(line.rpartition(" ")[0] for line in lines), ""]))
    assert finish(path, 6) == [4, 5]


def test_rows_wait_while_another_program_has_locked_the_table(tmp_path):
    path = tmp_path / "out.sqlite"
    store = open_store(sink_for(path), WHAT)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for index in range(600):
        store.add(index, "+", row(index))
    assert not store.flush()
    assert store.locked >= 0
    assert not store.behind
    for index in range(600, 21_000):
        store.add(index, "+", row(index))
    assert store.behind
    other.execute("ROLLBACK")
    assert store.flush()
    assert not store.behind
    assert store.locked == 0
    other.close()
    store.complete()
    store.close()
    assert ids(path) == list(range(21_000))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_killed_while_the_table_is_locked_every_row_is_there_once(tmp_path):
    path = tmp_path / "out.sqlite"
    write(path, [0, 1])
    store = open_store(sink_for(path), WHAT, resume=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.add(2, "+", row(2))
    assert not store.flush()
    store._broken = True
    store.close()  # as a kill leaves it
    other.execute("ROLLBACK")
    other.close()
    assert finish(path, 4) == [2, 3]


def test_a_lock_that_never_ends_is_an_error_in_the_end(tmp_path, monkeypatch):
    path = tmp_path / "out.sqlite"
    store = open_store(sink_for(path), WHAT)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.add(0, "+", row(0))
    monkeypatch.setattr("asyncapi.bulk.store._MAX_LOCKED", 0.0)
    with pytest.raises(NotWritten, match="another program has locked it"):
        store.flush()
    store.close()
    other.close()


def test_a_table_that_somebody_looks_at_is_complete(tmp_path):
    path = tmp_path / "out.sqlite"
    store = open_store(sink_for(path), WHAT)
    store.add(0, "+", row(0))
    store.flush()
    other = sqlite3.connect(path)
    other.execute("SELECT * FROM rows").fetchall()
    store.complete()
    store.close()
    assert other.execute("SELECT id FROM rows").fetchall() == [(0,)]
    other.close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]  # whoever closes last tidies up
    assert ids(path) == [0]


def test_a_request_that_the_server_has_not_done_may_be_sent_after_a_kill(tmp_path):
    path = tmp_path / "out.jsonl"
    store = open_store(sink_for(path), WHAT)
    store.start(0)
    store.start(1)
    store.release(1)
    store.close()
    store = open_store(sink_for(path), WHAT, resume=True)
    assert store.past.started == {0}
    store.close()


def test_large_rows_are_not_kept_waiting(tmp_path):
    path = tmp_path / "out.jsonl"
    store = open_store(sink_for(path), WHAT)
    store.add(0, "+", {**row(0), "data": "x" * (1 << 20)})
    assert path.stat().st_size > 1 << 20
    store.close()


def fill(store):
    for index in range(2000):
        store.add(index, "+", row(index))
        store.flush()


@pytest.mark.parametrize("ending", [".jsonl", ".sqlite"])
def test_a_full_disk_is_an_error_and_what_was_written_stays(tmp_path, ending):
    """A real small file system fills up; after room is made the job goes on."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", tmp_path], check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        path = tmp_path / f"out{ending}"
        room = tmp_path / "room"
        room.write_bytes(bytes(48 * 1024))
        store = open_store(sink_for(path), WHAT)
        with pytest.raises(NotWritten, match=r"[Nn]o space|full"):
            fill(store)
        store.close()
        room.unlink()
        store = open_store(sink_for(path), WHAT, resume=True)
        done = len(store.past.done)
        assert done > 5
        store.close()
        assert ids(path) == list(range(done))
        assert len(finish(path, done + 5)) == 5
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_file_size_limit_is_an_error_and_what_was_written_stays(tmp_path):
    path = tmp_path / "out.jsonl"
    code = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
store = open_store(sink_for({str(path)!r}), {WHAT!r})
for index in range(100):
    store.add(index, "+", {{"id": index, "ok": True, "data": "x" * 50}})
    store.flush()
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert os.strerror(errno.EFBIG) in ended.stderr
    assert path.stat().st_size == 2000
    assert len(finish(path, 40)) > 5
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2000


CRASHES = """
import os, shutil, sys
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store

path, what, total = sys.argv[1], {"input": "d", "url": None}, 7
left = 0  # system calls until the process is gone

def dying(call):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            if call is write and args[1]:
                call(args[0], args[1][: len(args[1]) // 2])  # torn
            os._exit(9)
        return call(*args, **kwargs)
    return wrapped

write = os.write
for name in ("write", "ftruncate", "open", "replace", "unlink"):
    setattr(os, name, dying(getattr(os, name)))

def row(index):
    return {"id": index, "url": "", "status": 200, "ok": True, "data": "x" * 9, "attempts": 1, "elapsed_ms": 1, "at": ""}

def work():
    store = open_store(sink_for(path), what, resume=True)
    for index in range(total):
        if index not in store.past.done:
            store.start(index)
            store.add(index, "+", row(index))
            if index % 2:
                store.flush()
    store.flush()
    store.complete()
    store.close()

first = 1
while True:  # each life dies one call later than the one before; every state it leaves is taken up by the next ones
    shutil.rmtree(os.path.dirname(path), ignore_errors=True)
    os.mkdir(os.path.dirname(path))
    lives = 0
    while True:
        child = os.fork()
        if not child:
            left = first + lives
            work()
            os._exit(0)
        lives += 1
        if not os.waitpid(child, 0)[1]:
            break
    lines = open(path).read().splitlines()
    found = sorted(__import__("json").loads(line)["id"] for line in lines)
    assert found == list(range(total)), (first, lives, found)
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)], os.listdir(os.path.dirname(path))
    if lives == 1:
        break
    first += 1
print(first)
"""


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_killed_at_every_system_call_it_heals(tmp_path, name):
    """Opening, healing, writing and completing included; writes are torn in their middle."""
    path = tmp_path / "work" / name
    code = (
        CRASHES
        if name.endswith("jsonl")
        else CRASHES.replace('__import__("json").loads(line)["id"]', 'int(line.split(",")[0])').replace(
            "splitlines()", "splitlines()[1:]"
        )
    )
    ended = subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 15
