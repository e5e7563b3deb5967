"""Files of object stores are read through fsspec."""

import gzip
import io
import sys

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asyncapi.bulk.reader import Reader
from asyncapi.bulk.remote import RemoteFile, is_remote
from asyncapi.errors import ConfigError


@pytest.fixture
def store():
    """Fsspec's store in memory."""
    files = fsspec.filesystem("memory")

    def put(name, content):
        files.pipe_file(f"/bulk/{name}", content)
        return f"memory://bulk/{name}"

    yield put
    if files.exists("/bulk"):
        files.rm("/bulk", recursive=True)


def test_a_file_is_checked_first_and_then_read_outside_of_the_loop(store):
    reader = Reader(store("in.txt", b"https://h/1\nhttps://h/2\n"))
    assert (reader.regular, reader.slow, reader.scan().total) == (True, True, 2)
    calls = []
    assert [item.given for item in reader.items(lambda: calls.append(1))] == ["https://h/1", "https://h/2"]
    assert len(calls) >= 2


def test_its_digest_is_that_of_the_same_file_here(store, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"https://h/1\n")
    assert Reader(store("in.txt", b"https://h/1\n")).scan() == Reader(tmp_path / "in.txt").scan()


def test_format_and_packing_are_told_by_its_name(store):
    path = store("in.csv.gz", gzip.compress(b"id,url\n7,https://h/1\n"))
    assert [item.name for item in Reader(path).items()] == ["7"]


def test_parquet_is_read_from_a_store(store):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": [1], "url": ["https://h/1"]}), buffer)
    reader = Reader(store("in.parquet", buffer.getvalue()))
    assert (reader.slow, reader.scan().total) == (True, 1)
    assert [item.given for item in reader.items()] == ["https://h/1"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("memory://bulk/none.txt", "cannot read the input memory://bulk/none.txt: there is no such file"),
        ("memory://bulk/none.parquet", "cannot read the input memory://bulk/none.parquet: there is no such file"),
        ("nope://b/k", "cannot read the input nope://b/k: Protocol not known: nope"),
        ("https://h/list.txt", "is a URL, not a file: give it in a list to fetch it, or download it first"),
        ("https://u:pw@h/list.txt", r"https://\*\*\*@h/list.txt is a URL"),
        ("memory://bulk/in.sqlite", "SQLite needs a file on this machine"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(path, says):
    with pytest.raises(ConfigError, match=says):
        Reader(path).scan()


def test_a_broken_line_names_the_file_in_the_store(store):
    with pytest.raises(ConfigError, match=r"^memory://bulk/in\.txt:1: the URL 'x' has no scheme"):
        Reader(store("in.txt", b"x\n")).scan()


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[fsspec\]'"):
        RemoteFile("s3://b/k")


def test_an_error_of_the_store_is_one_line_without_secrets(store, monkeypatch):
    path = store("in.txt", b"https://h/1\n")

    def broken(*_args, **_settings):
        raise RuntimeError("no\nway")

    monkeypatch.setattr(fsspec.filesystem("memory"), "_open", broken)
    with pytest.raises(ConfigError, match=r"cannot read the input memory://bulk/in\.txt: no way"):
        Reader(path).scan()


@pytest.mark.parametrize(
    ("path", "remote"),
    [("s3://b/k", True), ("zip://a.txt::s3://b/k", True), ("a.txt", False), ("-", False), ("a://", True)],
)
def test_a_url_is_told_from_a_path(path, remote):
    assert is_remote(path) is remote
