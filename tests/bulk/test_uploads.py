"""A result is uploaded as a whole; a store that shows half-written files gets it under another name first."""

import builtins
import json
from pathlib import Path

import pytest

from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import NotWritten, open_store
from asyncapi.errors import ConfigError

fsspec = pytest.importorskip("fsspec")
ROW = {"id": 0, "url": "https://h/0", "status": 200, "ok": True, "data": 1, "attempts": 1, "elapsed_ms": 1.5,
       "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(output, **settings):
    store = open_store(sink_for(output), {"input": "d"}, **settings)
    store.add(0, "+", ROW)
    store.flush()
    return store


@pytest.mark.parametrize("output", ["memory://rows/out.jsonl", "file://{}/out.jsonl"])
def test_rows_lie_here_until_all_are_there(tmp_path, output):
    folder = tmp_path / "store"
    folder.mkdir()
    output = output.format(folder)
    sink = sink_for(output)
    store = write(output)
    assert not sink.exists()
    assert sink.files[0].parent == Path()
    assert sink.files[0].read_bytes().count(b"\n") == 1
    store.complete()
    store.close()
    assert sink.exists()
    assert json.loads(fsspec.open(output, "rb").fs.cat_file(output)) == ROW
    assert [kept.name for kept in sink_for(output).rows()] == ["0"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store"]
    assert [file.name for file in folder.iterdir()] in ([], ["out.jsonl"])


def test_a_failed_upload_keeps_the_rows(tmp_path, monkeypatch):
    sink = sink_for("memory://rows/failed.jsonl")

    def broken(*_):
        raise RuntimeError("memory://rows/failed.jsonl?token=s3cret: access\ndenied")

    store = write("memory://rows/failed.jsonl")
    monkeypatch.setattr(type(sink._store), "put_file", broken)
    with pytest.raises(
        NotWritten, match=r"upload to memory://rows/failed.jsonl failed: .*access.*--resume uploads them"
    ):
        store.complete()
    store.close()
    assert sink.files[0].exists()


def test_two_outputs_of_one_name_do_not_share_their_rows():
    assert sink_for("memory://a/out.jsonl").files != sink_for("memory://b/out.jsonl").files


def test_a_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **settings):
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *args, **settings)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"needs fsspec: pip install 'asyncapi-sdk\[fsspec\]'"):
        sink_for("s3://bucket/out.jsonl")
