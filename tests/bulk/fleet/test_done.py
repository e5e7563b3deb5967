"""A chunk is done once: the first `.done` stands, and one that is torn says nothing."""

import os

import pytest

from asyncapi.bulk.fleet import done as module
from asyncapi.bulk.fleet.done import Done, all_done, done_in, done_of, done_path, make_done


def done(epoch=1, **values):
    return Done(
        chunk=42, shard=f"000042.e{epoch}.jsonl", rows=10, ok=8, failed=1, unknown=1, size=99, epoch=epoch, **values
    )


def test_the_first_done_stands(tmp_path):
    assert make_done(tmp_path, done(1), "a") == done(1)
    assert make_done(tmp_path, done(2), "b") == done(1)
    assert done_in(tmp_path, 42) == done(1)
    assert os.listdir(tmp_path) == ["000042.done"]


def test_a_torn_file_says_nothing_and_is_replaced(tmp_path):
    whole = done().text()
    for length in range(len(whole) - 1):
        assert done_of(whole[:length]) is None
    done_path(tmp_path, 42).write_text(whole[:20])
    assert done_in(tmp_path, 42) is None
    assert list(all_done(tmp_path)) == []
    make_done(tmp_path, done(3), "c")
    assert done_in(tmp_path, 42) == done(3)


def test_where_there_are_no_links_the_file_is_made_anyway(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "link", link)
    make_done(tmp_path, done(1), "a")
    assert done_in(tmp_path, 42) == done(1)
    assert make_done(tmp_path, done(2), "b") == done(1)
    assert os.listdir(tmp_path) == ["000042.done"]


def test_all_done_chunks_of_a_folder_are_found(tmp_path):
    make_done(tmp_path, done(), "a")
    for other in ("000043.e1.jsonl", "job.json", "000044.done.a.tmp", "x.done"):
        (tmp_path / other).touch()
    assert list(all_done(tmp_path)) == [done()]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\0\0\0", b'{"chunk": 1, "shard": 2}'])
def test_what_is_no_done_file_says_nothing(content):
    assert done_of(content) is None
