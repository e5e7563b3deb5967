"""An output is finished if it has exactly the rows of the input, in any order."""

import pytest

from asyncapi.bulk.columns import USUAL, Column, Columns
from asyncapi.bulk.finished import digest_of, finished
from asyncapi.bulk.reader import Reader
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store

NAMES = ["out.jsonl", "out.csv", "out.tsv.gz", "out.sqlite", "out.parquet"]


def row(index, *, ok=True, name=None):
    what = {"data": 1} if ok else {"error": "no"}
    return {"id": index if name is None else name, "url": f"https://h/{index}", "status": 200, "ok": ok, **what, "attempts": 1,
            "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


def write(path, rows, *, complete=True):
    store = open_store(sink_for(path), {"input": "d"})
    for place, each in enumerate(rows):
        store.add(place, "+" if each["ok"] else "-", each)
    store.flush()
    if complete:
        store.complete()
    store.close()
    return sink_for(path)


def reader(tmp_path, lines):
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    return Reader(tmp_path / "in.txt")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_in_another_order(tmp_path, name):
    sink = write(tmp_path / name, [row(2), row(0, ok=False), row(1)])
    found = finished(sink, USUAL, reader(tmp_path, [f"https://h/{n}" for n in range(3)]))
    assert (found.total, found.failed) == (3, 1)


@pytest.mark.parametrize(
    "rows",
    [[row(0), row(1)], [row(0), row(1), row(1)], [row(0), row(1), row(3)], [row(0), row(1), row(2, name="x")], []],
)
@pytest.mark.parametrize("name", ["out.jsonl", "out.sqlite"])
def test_other_rows_are_another_job(tmp_path, rows, name):
    sink = write(tmp_path / name, rows)
    assert finished(sink, USUAL, reader(tmp_path, [f"https://h/{n}" for n in range(3)])) is None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stopped_missing_or_foreign_is_not_finished(tmp_path, name):
    lines = reader(tmp_path, ["https://h/0"])
    assert finished(sink_for(tmp_path / name), USUAL, lines) is None
    sink = write(tmp_path / name, [row(0)], complete=False)
    assert finished(sink, USUAL, lines) is None
    (tmp_path / f"other-{name}").write_bytes(b"something else\n")
    assert finished(sink_for(tmp_path / f"other-{name}"), USUAL, lines) is None


@pytest.mark.parametrize("name", ["out.csv", "out.sqlite", "out.parquet"])
def test_a_table_with_other_columns_is_not_that_job(tmp_path, name):
    sink = write(tmp_path / name, [row(0)])
    more = Columns([*USUAL.columns, Column("note", "any", "note")])
    assert finished(sink, more, reader(tmp_path, ["https://h/0"])) is None


def test_the_digest_knows_ids_from_urls():
    assert digest_of([("a", "bc"), ("d", "e")]) == digest_of([("d", "e"), ("a", "bc")])
    assert digest_of([("a", "bc")]) != digest_of([("ab", "c")])
    assert digest_of([("a", "b"), ("a", "b")]) != digest_of([("c", "d"), ("c", "d")])
