"""The output is made of whole shards, in the order of their chunks, and appears whole."""

import gzip
import json
import sqlite3

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.merge import Merge, is_folder, shard_ending
from asyncapi.errors import ConfigError

ROW = {
    "url": "http://h/",
    "status": 200,
    "ok": True,
    "data": {"a": 1},
    "attempts": 1,
    "elapsed_ms": 1.0,
    "at": "2026-01-01T00:00:00.000Z",
}
HEADER = b"id,url,status,ok,data,error,attempts,elapsed_ms,at\n"


def line(number):
    return json.dumps({"id": number, **ROW}).encode() + b"\n"


def merged(folder, name, shards, is_stopped=lambda: False):
    """Merge shards of these bytes; return whether it is complete, and the output's path."""
    parts = folder / f"{name}.parts"
    parts.mkdir()
    job = Job(folder / "in.txt", folder / name)
    done = []
    for number, data in enumerate(shards):
        shard = parts / f"{number:06d}.e1{shard_ending(job)}"
        shard.write_bytes(data)
        done.append(Done(chunk=number, shard=shard.name, rows=1, ok=1, size=len(data), epoch=1))
    return Merge(job, parts, (), is_stopped).run(done, "run"), folder / name


@pytest.mark.parametrize(
    ("output", "ending"),
    [
        ("o.jsonl", ".jsonl"), ("o.ndjson", ".ndjson"), ("o", ".jsonl"), ("o.csv", ".csv"), ("o.TSV", ".tsv"),
        ("o.csv.gz", ".csv.gz"), ("o.jsonl.gz", ".jsonl.gz"), ("o.sqlite", ".jsonl"), ("o.db", ".jsonl"),
        ("o.parquet", ".jsonl"), ("o/", ".jsonl"),
    ],
)  # fmt: skip
def test_shards_have_the_form_of_the_output_where_lines_can_be_copied(output, ending):
    assert shard_ending(Job("in.txt", output)) == ending


def test_lines_are_copied_as_they_are(tmp_path):
    whole, path = merged(tmp_path, "o.jsonl", [b"b\n", b"", b"a\n"])
    assert (whole, path.read_bytes()) == (True, b"b\na\n")


def test_the_header_of_a_table_is_there_once(tmp_path):
    _, path = merged(tmp_path, "o.csv", [HEADER + b"1\n", HEADER + b'"2\n"\n', HEADER])
    assert path.read_bytes() == HEADER + b'1\n"2\n"\n'


def test_members_follow_each_other_without_a_second_header(tmp_path):
    shard = [gzip.compress(HEADER) + gzip.compress(b"%d\n" % number) for number in range(3)]
    _, path = merged(tmp_path, "o.csv.gz", shard)
    assert gzip.decompress(path.read_bytes()) == HEADER + b"0\n1\n2\n"


def test_a_database_is_made_of_the_rows(tmp_path):
    _, path = merged(tmp_path, "o.sqlite", [line(0) + line(1), line(2)])
    base = sqlite3.connect(path)
    assert base.execute("SELECT id, data FROM rows").fetchall() == [(number, '{"a":1}') for number in range(3)]
    base.close()


def test_parquet_is_made_of_the_rows(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    _, path = merged(tmp_path, "o.parquet", [line(0) + line(1), line(2)])
    assert pq.read_table(path).column("id").to_pylist() == ["0", "1", "2"]
    assert [entry.name for entry in (tmp_path / "o.parquet.parts").glob("*.part")] == []


@pytest.mark.parametrize(("name", "data"), [("o.csv", HEADER), ("o.jsonl", b"")])
def test_an_input_without_rows_has_an_output_without_rows(name, data, tmp_path):
    _, path = merged(tmp_path, name, [])
    assert path.read_bytes() == data


def test_a_shard_that_was_cut_off_is_an_error_and_the_output_is_kept(tmp_path):
    parts = tmp_path / "o.jsonl.parts"
    parts.mkdir()
    (parts / "s.jsonl").write_bytes(b"a\n")
    (tmp_path / "o.jsonl").write_text("before")
    done = Done(chunk=0, shard="s.jsonl", rows=2, ok=2, size=4, epoch=1)
    with pytest.raises(ConfigError, match=r"s\.jsonl has 2 bytes where 4 were written"):
        Merge(Job("in.txt", tmp_path / "o.jsonl"), parts, (), lambda: False).run([done], "run")
    assert (tmp_path / "o.jsonl").read_text() == "before"


def test_a_shard_that_is_gone_is_an_error(tmp_path):
    (tmp_path / "o.jsonl.parts").mkdir()
    done = Done(chunk=0, shard="s.jsonl", rows=2, ok=2, size=4, epoch=1)
    with pytest.raises(ConfigError, match="is gone"):
        Merge(Job("in.txt", tmp_path / "o.jsonl"), tmp_path / "o.jsonl.parts", (), lambda: False).run([done], "run")


def test_a_merge_that_is_stopped_leaves_no_output(tmp_path):
    whole, path = merged(tmp_path, "o.jsonl", [b"a\n"], lambda: True)
    assert (whole, path.exists()) == (False, False)


def test_a_path_that_ends_with_a_slash_is_a_folder(tmp_path):
    assert is_folder("new/")
    assert is_folder(tmp_path)
    assert not is_folder(tmp_path / "new")
