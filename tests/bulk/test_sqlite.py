"""SQLite as an output: one table in one file, and no lock is waited for where the job runs."""

import json
import sqlite3

import pytest

from asyncapi.bulk.rows import COLUMNS
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.sqlite import Busy

GOOD = {"id": "a", "url": "https://h/1", "status": 200, "ok": True, "data": {"k": [1, None, "é,\n"]}, "attempts": 2,
        "elapsed_ms": 12.5, "at": "2024-01-01T00:00:00.123Z"}  # fmt: skip
BAD = {"id": 2**70, "url": "https://h/2", "status": None, "ok": False, "error": "ConnectError: no", "attempts": 4,
       "elapsed_ms": None, "at": "2024-01-01T00:00:01.000Z"}  # fmt: skip


def written(path):
    sink = sink_for(path)
    sink.open(0)
    sink.append([sink.encode(GOOD), sink.encode(BAD)])
    sink.finish()
    sink.close()
    return path


def test_sqlite_has_a_table_rows_and_is_one_file(tmp_path):
    path = written(tmp_path / "out.db")
    base = sqlite3.connect(path)
    good, bad = base.execute(f"SELECT {', '.join(COLUMNS)} FROM rows").fetchall()
    base.close()
    assert json.loads(good[4]) == GOOD["data"]
    assert good[:4] == ("a", "https://h/1", 200, 1)
    assert bad == (str(2**70), "https://h/2", None, 0, None, "ConnectError: no", 4, None, BAD["at"])
    assert [file.name for file in tmp_path.iterdir()] == ["out.db"]


def test_a_locked_table_is_busy_at_once_and_nothing_is_written(tmp_path):
    sink = sink_for(tmp_path / "out.db")
    sink.open(0)
    other = sqlite3.connect(tmp_path / "out.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        sink.append([sink.encode(GOOD)])
    other.execute("ROLLBACK")
    assert sink.size() == 0
    sink.append([sink.encode(GOOD)])
    assert sink.size() == 1
    other.close()
    sink.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    sink = sink_for(tmp_path / "out.db")
    sink.open(0)
    with pytest.raises(sqlite3.Error):
        sink.append([sink.encode(GOOD), ("too few",)])
    assert sink.size() == 0
    sink.close()


def test_opening_cuts_off_the_rows_after_the_end(tmp_path):
    sink = sink_for(written(tmp_path / "out.db"))
    assert sink.size() == 2
    sink.open(1)
    assert sink.size() == 1
    sink.close()
