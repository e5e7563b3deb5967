"""The file that keeps a job's responses: what is wrong with it is said before anything is sent, and nothing is made."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from asyncapi import ConfigError
from asyncapi.bulk import Job, run
from asyncapi.bulk.cached import JobStore, check_store
from asyncapi.stores.sqlite_file import open_file
from asyncapi.testing import MockTransport, reply


def theirs(path):
    with closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE t(a)")


def newer(path):
    with closing(open_file(path, busy=1)) as base:
        base.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "it is a folder; name a file"),
        (lambda path: path.write_text("text" * 1000), "no SQLite database"),
        (theirs, "a database of another program"),
        (newer, "a newer version"),
        (os.mkfifo, "no regular file"),
    ],
)
def test_what_can_not_keep_responses_is_refused_and_left_alone(make, why, tmp_path):
    path = tmp_path / "c"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ConfigError, match=rf"cannot keep responses.*{why}") as caught:
        check_store(path)
    assert "--cache-store" in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("place", ["file/c", "file/deep/c", "locked/c", "locked/deep/c"])
def test_where_no_file_can_be_made_the_folder_is_named(place, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match=rf"cannot keep .*{place.partition('/')[0]} (is no folder|can't be written)"):
        check_store(tmp_path / place)


def test_a_file_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "c"
    open_file(path, busy=1).close()

    def read_only(path, *, busy):
        base = open_file(path, busy=busy)
        base.execute("PRAGMA query_only = ON")
        return base

    monkeypatch.setattr("asyncapi.bulk.cached.open_file", read_only)
    with pytest.raises(ConfigError, match="attempt to write a readonly database"):
        check_store(path)


def test_a_check_makes_nothing_and_a_locked_file_is_a_good_one(tmp_path, monkeypatch):
    check_store(tmp_path / "deep" / "er" / "c")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("asyncapi.bulk.cached._BUSY", 0.01)
    with closing(open_file(tmp_path / "c", busy=1)) as base:
        base.execute("BEGIN IMMEDIATE")
        check_store(tmp_path / "c")


def test_a_home_is_that_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c").mkdir()
    with pytest.raises(ConfigError, match="it is a folder"):
        check_store(Path("~/c"))


async def test_a_file_that_is_full_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr("asyncapi.bulk.cached._MAX_BYTES", 64 * 1024)
    big = MockTransport(lambda _: reply(200, json="x" * 3000, headers={"Cache-Control": "max-age=60"}))
    monkeypatch.setattr("asyncapi.bulk.prepare.http_transport", lambda *_, **__: big)
    urls = [f"https://h/{number}" for number in range(200)]
    job = Job(urls, tmp_path / "o.jsonl", cache_store=tmp_path / "c", concurrency=1)
    summary = await run(job)
    [note] = summary.notes
    assert (summary.ok, summary.cached) == (200, {})
    assert re.fullmatch(r".*/c is full: \d+ responses .* have made space for new ones", note)


def test_the_processes_of_a_job_take_no_turns(tmp_path):
    store = JobStore(tmp_path / "c")
    assert store.responses(1000).turns is False
    assert repr(store) == f"SQLiteStore('{tmp_path / 'c'}')"
