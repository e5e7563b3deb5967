"""Rows that are sent again take the places of the failed ones; a kill leaves the old output or the new one, whole."""

import sqlite3

import pytest

from asyncapi.bulk import disk
from asyncapi.bulk.again import may_be_sent_again
from asyncapi.bulk.columns import USUAL
from asyncapi.bulk.places import journal_path
from asyncapi.bulk.reader import Reader
from asyncapi.bulk.retried import Retried
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import NotWritten, open_store
from asyncapi.errors import ConfigError

NAMES = ["out.jsonl", "out.csv", "out.tsv", "out.jsonl.gz", "out.csv.gz", "out.sqlite", "out.parquet"]
TOTAL = 9


def row(index, *, ok, error="NotFound: 404", status=404):
    what = {"data": {"n": index}} if ok else {"error": error}
    return {"id": index, "url": f"https://h/{index}", "status": 200 if ok else status, "ok": ok, **what, "attempts": 1,
            "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


def write(path, order=range(TOTAL), **settings):
    store = open_store(sink_for(path), {"input": "d"})
    for index in order:
        store.add(index, "+" if index % 3 else "-", row(index, ok=index % 3 != 0, **settings))
    store.flush()
    store.complete()
    store.close()


def reader(tmp_path, count=TOTAL, method="GET"):
    (tmp_path / "in.txt").write_text("".join(f"https://h/{n}\n" for n in range(count)))
    return Reader(tmp_path / "in.txt", method=method)


def retried(path, **settings):
    return Retried(path, USUAL, may_be_sent_again, **settings)


def send(path, lines, rows=None, **settings):
    """Send the failed rows again, or so many of them."""
    again = retried(path, **settings)
    again.check_input(lines)
    store = open_store(again.sink, {"input": "d", "output": again.identity}, resume=True)
    due = [item.index for item in lines.items() if again.due(item) and item.index not in store.past.done]
    for index in due[:rows]:
        store.add(index, "+", row(index, ok=True))
    store.flush()
    return store, due


def found(path):
    return [(int(kept.name), kept.ok) for kept in sink_for(path).rows()]


def names(tmp_path):
    return sorted(file.name for file in tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ordered", [True, False])
def test_the_output_has_the_new_rows_in_the_places_of_the_failed(tmp_path, name, ordered):
    path, lines = tmp_path / name, reader(tmp_path)
    write(path)
    store, due = send(path, lines, ordered=ordered)
    assert due == [0, 3, 6]
    assert found(path)[0] == (0, False)
    store.complete()
    store.close()
    order = range(TOTAL) if ordered else [1, 2, 4, 5, 7, 8, 0, 3, 6]
    assert found(path) == [(index, True) for index in order]
    assert names(tmp_path) == ["in.txt", name]


@pytest.mark.parametrize("name", NAMES)
def test_killed_midway_the_output_is_as_it_was_and_the_next_run_continues(tmp_path, name):
    path, lines = tmp_path / name, reader(tmp_path)
    write(path, [8, 0, 6, 3, 1, 2, 4, 5, 7])
    there = path.read_bytes()
    store, _ = send(path, lines, rows=2)
    store.close()
    assert path.read_bytes() == there
    store, due = send(path, lines)
    assert due == [6]
    store.complete()
    store.close()
    assert sorted(found(path)) == [(index, True) for index in range(TOTAL)]
    assert names(tmp_path) == ["in.txt", name]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv.gz", "out.sqlite", "out.parquet"])
def test_killed_at_any_step_of_the_end_the_output_is_old_or_new(tmp_path, monkeypatch, name):
    """Each change of a file is a moment to die; the same command then continues."""
    steps, done = 0, False
    while not done:
        folder = tmp_path / str(steps)
        folder.mkdir()
        path, lines = folder / name, reader(folder)
        write(path)
        there = sorted(found(path))
        store, _ = send(path, lines)
        left = steps

        def step(real):
            def checked(*args, **settings):
                nonlocal left
                if not left:
                    raise Killed
                left -= 1
                return real(*args, **settings)

            return checked

        with monkeypatch.context() as patch:
            for change in ("open_append", "write_all", "sync_path", "sync_folder", "replace", "remove"):
                patch.setattr(disk, change, step(getattr(disk, change)))
            try:
                store.complete()
                store.close()
                done = True
            except Killed:
                pass
        store._sink.inner.close()
        store._journal.close()
        new = [(index, True) for index in range(TOTAL)]
        assert sorted(found(path)) in (there, new)
        again = retried(path)
        again.check_input(lines)
        if again.due_rows:
            store, _ = send(path, lines)
            store.complete()
            store.close()
        assert sorted(found(path)) == new
        if not done:
            assert not [left for left in names(folder) if "retry" in left and "new" not in left]
        steps += 1
    assert steps > 8


def test_an_output_that_a_program_has_open_is_not_replaced(tmp_path):
    path, lines = tmp_path / "out.sqlite", reader(tmp_path)
    write(path)
    store, _ = send(path, lines)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE rows SET error = error")
    with pytest.raises(NotWritten, match=r"another program has .* open: close it"):
        store.complete()
    store.close()
    other.close()
    store, _ = send(path, lines)
    store.complete()
    store.close()
    assert sorted(found(path)) == [(index, True) for index in range(TOTAL)]


@pytest.mark.parametrize(
    ("status", "error", "unknown", "due"),
    [
        (404, "NotFound: 404", False, 3),
        (None, "ConnectError: refused", False, 3),
        (None, "RequestTimeout: body", False, 0),
        (500, "ServerError: 500", False, 0),
        (None, "unknown: was in flight when the job stopped; not sent again", False, 0),
        (500, "ServerError: 500", True, 3),
        (None, "unknown: was in flight when the job stopped; not sent again", True, 3),
    ],
)
def test_a_post_that_may_have_been_processed_is_not_sent_again(tmp_path, status, error, unknown, due):
    write(tmp_path / "out.jsonl", status=status, error=error)
    again = retried(tmp_path / "out.jsonl", include_unknown=unknown)
    again.check_input(reader(tmp_path, method="POST"))
    assert (again.total, again.failed, again.due_rows, again.kept) == (TOTAL, 3, due, 3 - due)
    again = retried(tmp_path / "out.jsonl")
    again.check_input(reader(tmp_path, method="PUT"))
    assert again.due_rows == 3


def test_an_input_without_the_failed_rows_is_refused(tmp_path):
    write(tmp_path / "out.jsonl")
    with pytest.raises(ConfigError, match=r"has 3 failed rows, of which the input has 2, by their ids and URLs"):
        retried(tmp_path / "out.jsonl").check_input(reader(tmp_path, count=5))


def test_an_output_that_is_not_there_or_not_finished_is_refused(tmp_path):
    path = tmp_path / "out.jsonl"
    with pytest.raises(ConfigError, match=r"there is no output"):
        retried(path)
    write(path)
    journal_path(sink_for(path)).write_text("")
    with pytest.raises(ConfigError, match=r"belongs to a stopped job: --resume --retry-failed finishes it"):
        retried(path)
    for output in ("-", "s3://b/out.jsonl", "/dev/null"):
        with pytest.raises(ConfigError, match=r"needs the output as a file"):
            retried(output)
    journal_path(sink_for(path)).unlink()
    path.write_text("something else\n")
    with pytest.raises(ConfigError, match=r"out.jsonl:1: not a row"):
        retried(path)
