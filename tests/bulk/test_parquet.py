"""Parquet as an output: typed, and there whole or not at all."""

import json
import sys

import pyarrow.parquet as pq
import pytest

from asyncapi.bulk.parquet import convert
from asyncapi.bulk.rows import COLUMNS
from asyncapi.bulk.sinks import sink_for
from asyncapi.errors import ConfigError

GOOD = {"id": "a", "url": "https://h/1", "status": 200, "ok": True, "data": {"k": [1, None, "é,\n"]}, "attempts": 2,
        "elapsed_ms": 12.5, "at": "2024-01-01T00:00:00.123Z"}  # fmt: skip
BAD = {"id": 2**70, "url": "https://h/2", "status": None, "ok": False, "error": "ConnectError: no", "attempts": 4,
       "elapsed_ms": None, "at": "2024-01-01T00:00:01.000Z"}  # fmt: skip


def written(path):
    sink = sink_for(path)
    sink.open(0)
    sink.append(sink.pack([sink.encode(GOOD), sink.encode(BAD)], 0).data)
    sink.finish()
    sink.close()
    return path


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


def test_many_rows_are_many_groups_in_their_order(tmp_path):
    spool, result = tmp_path / "spool", tmp_path / "out.parquet"
    spool.write_text("".join(json.dumps({**GOOD, "id": str(number)}) + "\n" for number in range(25_000)))
    convert(spool, result)
    file = pq.ParquetFile(result)
    assert file.metadata.num_row_groups == 3
    assert file.read()["id"].to_pylist() == [str(number) for number in range(25_000)]


def test_a_spool_that_cannot_be_read_leaves_no_result(tmp_path):
    (tmp_path / "spool").write_text("not JSON\n")
    with pytest.raises(ValueError, match="Expecting value"):
        convert(tmp_path / "spool", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
