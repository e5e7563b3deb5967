"""Lines are cut, compared and continued by the size of their file, compressed or not."""

import gzip

import pytest

from asyncapi.bulk.columns import Column, Columns
from asyncapi.bulk.places import journal_path
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store
from asyncapi.errors import ConfigError

PACKED = [".jsonl.gz", ".csv.gz", ".tsv.gz", ".jsonl.zst", ".csv.zst"]
PLAIN = [".jsonl", ".ndjson", ".csv", ".tsv", ""]


@pytest.fixture(autouse=True)
def _extra(request):
    if "zst" in request.node.name:
        pytest.importorskip("backports.zstd")


def row(index, text='é,\t"\n'):
    return {"id": index, "url": f"https://h/{index}", "status": 200, "ok": True, "data": text * index,
            "attempts": 1, "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


def write(path, indices, *, complete=False, batch=3, columns=None):
    store = open_store(sink_for(path), {"input": "d"}, resume=True, columns=columns)
    for count, index in enumerate([index for index in indices if index not in store.past.done], 1):
        store.add(index, "+", row(index))
        if count % batch == 0:
            store.flush()
    store.flush()
    if complete:
        store.complete()
    store.close()


def ids(path):
    return [int(kept.name) for kept in sink_for(path).rows()]


@pytest.mark.parametrize("ending", PLAIN + PACKED)
def test_what_is_written_is_read_back(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(5), complete=True)
    rows = list(sink_for(path).rows())
    assert [(kept.name, kept.url, kept.ok, kept.status, kept.error) for kept in rows] == [
        (str(n), f"https://h/{n}", True, 200, "") for n in range(5)
    ]
    copy = sink_for(tmp_path / f"copy{ending}")
    packed = copy.pack([kept.encoded for kept in rows], copy.open(0))
    copy.append(packed.data)
    copy.close()
    assert [kept.encoded for kept in sink_for(tmp_path / f"copy{ending}").rows()] == [kept.encoded for kept in rows]


@pytest.mark.parametrize("ending", PACKED)
def test_cut_at_every_byte_a_compressed_output_heals(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(5), batch=2)
    journal = journal_path(sink_for(path))
    whole, notes = path.read_bytes(), journal.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal.write_bytes(notes)
        write(path, range(6), complete=True)
        assert sorted(ids(path)) == list(range(6))


@pytest.mark.parametrize("ending", PACKED)
def test_a_journal_cut_inside_a_batch_counts_none_of_its_rows(tmp_path, ending):
    """The batch is one member: some of its rows can't be kept without the others."""
    path = tmp_path / f"out{ending}"
    write(path, range(6), batch=3)
    journal = journal_path(sink_for(path))
    whole, notes = path.read_bytes(), journal.read_bytes()
    for cut in range(notes.index(b"\n") + 1, len(notes) + 1):
        path.write_bytes(whole)
        journal.write_bytes(notes[:cut])
        store = open_store(sink_for(path), {"input": "d"}, resume=True)
        assert len(store.past.done) % 3 == 0
        store.close()
        write(path, range(6), complete=True)
        assert sorted(ids(path)) == list(range(6))


@pytest.mark.parametrize("ending", PACKED)
def test_a_compressed_output_that_was_changed_is_refused(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(6))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"has changed since the job stopped"):
        write(path, range(7))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".csv.zst"])
def test_another_header_is_one_clear_error(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(path, range(3))
    there = path.read_bytes()
    usual = sink_for(path).columns.columns
    with pytest.raises(
        ConfigError, match=r"has the columns id, url, .*at; this job has id, url, .*at, note: give the options"
    ):
        write(path, range(4), columns=Columns([*usual, Column("note", "any", "note")]))
    assert path.read_bytes() == there
    write(path, range(4), complete=True)
    assert ids(path) == [0, 1, 2, 3]


def test_a_header_is_there_once_also_after_a_resume(tmp_path):
    path = tmp_path / "out.csv.gz"
    write(path, range(3))
    write(path, range(6), complete=True)
    assert gzip.decompress(path.read_bytes()).count(b"id,url") == 1


@pytest.mark.parametrize("name", ["out.parquet.gz", "out.sqlite.zst", "out.xlsx", "out.xlsx.gz"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"unknown ending|is not compressed as a whole"):
        sink_for(tmp_path / name)


def test_what_cannot_be_decompressed_is_one_clear_error(tmp_path):
    path = tmp_path / "out.jsonl.gz"
    write(path, range(3), complete=True)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ConfigError, match=r"can't be decompressed"):
        ids(path)
