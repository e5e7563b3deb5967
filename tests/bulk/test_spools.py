"""Parquet's rows are lines of JSON until all are there, and can be read back from the result."""

import json

import pytest

from asyncapi.bulk.columns import Column, Columns
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.spools import Parquet
from asyncapi.errors import ConfigError

pytest.importorskip("pyarrow")

ROW = {"id": "a", "url": "https://h/0", "status": 200, "ok": True, "data": {"k": [None, "é"]}, "attempts": 1, "elapsed_ms": 1.5,
       "at": "2024-01-01T00:00:00.123Z"}  # fmt: skip
BAD = {**ROW, "id": "b", "ok": False, "status": None, "error": "no"}
del BAD["data"]


def written(path, rows=(ROW, BAD)):
    sink = sink_for(path)
    assert isinstance(sink, Parquet)
    sink.open(0)
    sink.append(sink.pack([sink.encode(row) for row in rows], 0).data)
    assert not path.exists()
    assert not sink.exists()
    sink.finish()
    sink.close()
    return path


def test_a_result_gives_back_the_lines_that_it_was_made_of(tmp_path):
    path = written(tmp_path / "out.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["out.parquet"]
    good, bad = sink_for(path).rows()
    assert (good.name, good.url, good.ok, good.status, good.error) == ("a", "https://h/0", True, 200, "")
    assert (bad.name, bad.ok, bad.status, bad.error) == ("b", False, None, "no")
    assert [json.loads(kept.encoded) for kept in (good, bad)] == [ROW, BAD]


def test_a_result_with_other_columns_or_of_another_kind_is_refused(tmp_path):
    sink = sink_for(written(tmp_path / "out.parquet"))
    sink.columns = Columns([*sink.columns.columns, Column("note", "any", "note")])
    with pytest.raises(ConfigError, match=r"has the columns id, url.*; this job has .*, note: "):
        list(sink.rows())
    (tmp_path / "other.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ConfigError, match=r"can't be read as Parquet"):
        list(sink_for(tmp_path / "other.parquet").rows())
