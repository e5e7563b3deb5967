"""The failed rows of a job are there as they were given, whatever happened in between."""

import json

import pytest

from asyncapi.bulk.failed import FailedRows
from asyncapi.bulk.item import Item
from asyncapi.bulk.journal import Past
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store
from asyncapi.errors import ConfigError

TOTAL = 8


def item(index):
    made = Item("GET", f"https://h/{index}")
    made.index, made.name, made.given = index, None, f"https://h/{index}"
    made.row = {"url": f"https://h/{index}", "n": index, "asyncapi_error": "of an earlier run"}
    return made


def row(index, *, ok=False):
    what = {"data": index} if ok else {"error": f"NotFound: {index}"}
    return {"id": index, "url": f"https://h/{index}", "status": 404, "ok": ok, **what, "attempts": 1, "elapsed_ms": 1.5,
            "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


def opened(tmp_path, **settings):
    store = open_store(sink_for(tmp_path / "out.jsonl"), {"input": "d"}, resume=True, **settings)
    store.failed = FailedRows(tmp_path / "failed.jsonl")
    store.failed.check()
    store.failed.open(store.past)
    return store


def add(store, *indices):
    for index in indices:
        store.add(index, "-" if index % 2 else "+", row(index, ok=index % 2 == 0), item(index))


def failed(tmp_path):
    return [json.loads(line) for line in (tmp_path / "failed.jsonl").read_text().splitlines()]


def wanted(*indices):
    return [{"url": f"https://h/{index}", "n": index, "asyncapi_error": f"NotFound: {index}"} for index in indices]


def names(tmp_path):
    return sorted(file.name for file in tmp_path.iterdir())


def test_they_are_there_at_the_end_and_replace_older_ones(tmp_path):
    (tmp_path / "failed.jsonl").write_text("old\n")
    store = opened(tmp_path)
    add(store, 3, 0, 1)
    store.flush()
    assert (tmp_path / "failed.jsonl").read_text() == "old\n"
    store.complete()
    store.close()
    assert failed(tmp_path) == wanted(3, 1)
    assert names(tmp_path) == ["failed.jsonl", "out.jsonl"]


def test_without_failures_the_file_is_empty(tmp_path):
    store = opened(tmp_path)
    add(store, 0, 2)
    store.complete()
    store.close()
    assert failed(tmp_path) == []


def test_a_job_that_stops_has_those_so_far_and_a_resume_the_others(tmp_path):
    store = opened(tmp_path)
    add(store, 0, 1, 3)
    store.close()
    assert failed(tmp_path) == wanted(1, 3)
    store = opened(tmp_path)
    add(store, 5)
    store.flush()
    store.complete()
    store.close()
    assert failed(tmp_path) == wanted(1, 3, 5)
    assert names(tmp_path) == ["failed.jsonl", "out.jsonl"]


@pytest.mark.parametrize("kept", range(0, 200, 7))
def test_cut_anywhere_the_collected_rows_heal(tmp_path, kept):
    """What is missing is made of the input again, without what went wrong; what the journal doesn't have is dropped."""
    store = opened(tmp_path)
    add(store, 1, 3)
    store.flush()
    store._broken = True
    store.failed._descriptor = -1
    store.failed.add(5, item(5), "never written to the output")
    part = tmp_path / "failed.jsonl.part"
    with part.open("ab") as file:
        file.write(store.failed._batch[0])
    store.close()
    part.write_bytes(part.read_bytes()[:kept])
    store = opened(tmp_path)
    for index in range(TOTAL):
        if index in store.past.done:
            store.failed.passed(index, item(index), store.past)
    store.flush()
    store.complete()
    store.close()
    assert sorted(line["n"] for line in failed(tmp_path)) == [1, 3]


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder"):
        FailedRows(tmp_path / "none" / "failed.jsonl").check()
    with pytest.raises(ConfigError, match="it is the input or the output; name another file"):
        FailedRows(tmp_path / "in.jsonl").check(tmp_path / "x" / ".." / "in.jsonl", "s3://b/out.jsonl")
    with pytest.raises(ConfigError, match="it is a folder; name a file"):
        FailedRows(tmp_path).check()
    with pytest.raises(ConfigError, match="cannot write the failed rows to"):
        FailedRows(tmp_path / ("x" * 300)).open(Past("job", {}))
