"""Every output holds the same columns, and says so in its own way."""

import csv
import json
import sqlite3
import sys

import pyarrow.parquet as pq
import pytest

from asyncapi.bulk.sinks import COLUMNS, sink_for
from asyncapi.errors import ConfigError

GOOD = {"id": "a", "url": "https://h/1", "status": 200, "ok": True, "data": {"k": [1, None, "é,\n"]}, "attempts": 2,
        "elapsed_ms": 12.5, "at": "2024-01-01T00:00:00.123Z"}  # fmt: skip
BAD = {"id": 2**70, "url": "https://h/2", "status": None, "ok": False, "error": "ConnectError: no", "attempts": 4,
       "elapsed_ms": None, "at": "2024-01-01T00:00:01.000Z"}  # fmt: skip


def written(path):
    sink = sink_for(path)
    sink.open(0)
    sink.append([sink.encode(GOOD), sink.encode(BAD)])
    assert sink.present()
    sink.finish()
    sink.close()
    return path


@pytest.mark.parametrize("name", ["out.jsonl", "out.ndjson", "out", "OUT.JSONL"])
def test_jsonl_holds_the_row_as_it_is(tmp_path, name):
    lines = written(tmp_path / name).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [GOOD, BAD]


def test_csv_has_a_header_and_data_as_json(tmp_path):
    with written(tmp_path / "out.csv").open(newline="") as file:
        good, bad = csv.DictReader(file)
    assert tuple(good) == COLUMNS
    assert json.loads(good["data"]) == GOOD["data"]
    assert (good["ok"], good["error"], good["attempts"]) == ("1", "", "2")
    assert (bad["id"], bad["ok"], bad["data"], bad["error"]) == (str(2**70), "0", "", "ConnectError: no")


def test_sqlite_has_a_table_rows_and_is_one_file(tmp_path):
    path = written(tmp_path / "out.db")
    base = sqlite3.connect(path)
    good, bad = base.execute(f"SELECT {', '.join(COLUMNS)} FROM rows").fetchall()
    base.close()
    assert json.loads(good[4]) == GOOD["data"]
    assert good[:4] == ("a", "https://h/1", 200, 1)
    assert bad == (str(2**70), "https://h/2", None, 0, None, "ConnectError: no", 4, None, BAD["at"])
    assert [file.name for file in tmp_path.iterdir()] == ["out.db"]


def test_parquet_appears_whole_and_typed(tmp_path):
    good, bad = pq.read_table(written(tmp_path / "out.parquet")).to_pylist()
    assert tuple(good) == COLUMNS
    assert json.loads(good["data"]) == GOOD["data"]
    assert good["at"].isoformat() == "2024-01-01T00:00:00.123000+00:00"
    assert (good["ok"], bad["ok"], bad["data"], bad["error"]) == (True, False, None, "ConnectError: no")
    assert [file.name for file in tmp_path.iterdir()] == ["out.parquet"]


def test_parquet_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "asyncapi.bulk.parquet", raising=False)
    monkeypatch.delattr("asyncapi.bulk.parquet", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[parquet\]'"):
        sink_for(tmp_path / "out.parquet")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.db"])
def test_an_output_that_vanished_is_noticed(tmp_path, name):
    sink = sink_for(tmp_path / name)
    sink.open(0)
    (tmp_path / name).unlink()
    assert not sink.present()
    sink.close()


def test_a_device_is_written_as_a_stream():
    sink = sink_for("/dev/full")
    assert not sink.resumable
    sink.open(0)
    with pytest.raises(OSError, match="No space"):
        sink.append([sink.encode(GOOD)])
    sink.close()
