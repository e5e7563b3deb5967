"""Objects of a store appear whole, and of two that are created one wins."""

import pytest

from asyncapi.bulk.fleet.objects import Objects
from asyncapi.errors import ConfigError

pytest.importorskip("fsspec")


@pytest.fixture
def objects(request):
    made = Objects(f"memory://{request.node.name}/out.parts")
    yield made
    made.remove()


def test_an_object_is_created_once(objects):
    assert objects.create("a/b", b"one")
    assert not objects.create("a/b", b"two")
    assert objects.create("a/b", b"one")  # the same again: the response to the first was lost
    assert objects.read("a/b") == b"one"


def test_what_is_not_there_is_none(objects):
    assert objects.read("nothing") is None
    assert objects.read_size("nothing") is None
    assert objects.names() == []
    objects.remove()


def test_names_are_those_below_the_folder_in_order(objects):
    for name in ("b", "a/2", "a/1"):
        objects.put(name, b"x")
    assert objects.names() == ["a/1", "a/2", "b"]
    assert objects.names("a") == ["a/1", "a/2"]
    assert objects.read_size("b") == 1


def test_an_upload_is_written_piece_by_piece(objects):
    with objects.upload("whole") as file:
        file.write(b"one ")
        file.write(b"two")
    assert objects.read("whole") == b"one two"


def test_a_store_that_fails_for_a_moment_is_asked_again(objects, monkeypatch):
    calls = []
    inner = objects._fs.pipe_file

    def fails_once(*arguments, **settings):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("slow down")
        return inner(*arguments, **settings)

    monkeypatch.setattr(objects._fs, "pipe_file", fails_once)
    monkeypatch.setattr("asyncapi.bulk.fleet.objects._PAUSE", 0.0)
    objects.put("a", b"x")
    assert (len(calls), objects.read("a")) == (2, b"x")


def test_a_store_without_conditional_writes_is_refused(objects, monkeypatch):
    def pipe_file(path, value):
        raise AssertionError

    monkeypatch.setattr(objects._fs, "pipe_file", pipe_file)
    with pytest.raises(ConfigError, match="has no conditional writes"):
        objects.create("a", b"x")


def test_an_unknown_kind_of_store_is_told():
    with pytest.raises(ConfigError, match="cannot use nonsense://"):
        Objects("nonsense://bucket/x")
