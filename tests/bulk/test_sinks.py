"""Every output holds the same columns, and says so in its own way."""

import csv
import json

import pytest

from asyncapi.bulk.rows import COLUMNS
from asyncapi.bulk.sinks import sink_for

GOOD = {"id": "a", "url": "https://h/1", "status": 200, "ok": True, "data": {"k": [1, None, "é,\n"]}, "attempts": 2,
        "elapsed_ms": 12.5, "at": "2024-01-01T00:00:00.123Z"}  # fmt: skip
BAD = {"id": 2**70, "url": "https://h/2", "status": None, "ok": False, "error": "ConnectError: no", "attempts": 4,
       "elapsed_ms": None, "at": "2024-01-01T00:00:01.000Z"}  # fmt: skip


def written(path):
    sink = sink_for(path)
    sink.open(0)
    sink.append(sink.pack([sink.encode(GOOD), sink.encode(BAD)], 0).data)
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
    assert (good["ok"], good["error"], good["attempts"]) == ("true", "", "2")
    assert (bad["id"], bad["ok"], bad["data"], bad["error"]) == (str(2**70), "false", "", "ConnectError: no")


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
        sink.append(sink.pack([sink.encode(GOOD)], 0).data)
    sink.close()
