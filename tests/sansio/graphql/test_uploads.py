"""Files go where the multipart request specification of GraphQL wants them."""

from __future__ import annotations

import io
import json

import pytest

from asyncapi.errors import ConfigError
from asyncapi.sansio.graphql.uploads import open_files, parts


def written(value):
    return json.dumps(value).encode()


def test_each_file_is_null_in_the_variables_and_a_part_of_its_own():
    parameters = {"query": "q", "variables": {"a": "kept", "input": {"images": ["x", "y", "z"]}}}
    fields, files = parts(parameters, {"file": b"1", "variables.input.images.1": b"2"}, written)
    assert [name for name, _ in fields] == ["operations", "map"]
    operations, places = (json.loads(text) for _, text in fields)
    assert operations["variables"] == {"a": "kept", "input": {"images": ["x", None, "z"]}, "file": None}
    assert places == {"0": ["variables.file"], "1": ["variables.input.images.1"]}
    assert files == [("0", b"1"), ("1", b"2")]
    assert parameters["variables"] == {"a": "kept", "input": {"images": ["x", "y", "z"]}}


def test_one_file_in_two_places_is_one_part():
    file = io.BytesIO(b"1")
    fields, files = parts({"query": "q"}, {"a": file, "b": file}, written)
    assert json.loads(fields[1][1]) == {"0": ["variables.a", "variables.b"]}
    assert files == [("0", file)]


@pytest.mark.parametrize(
    "place", ["", "variables.", 1, "input.file", "list.2", "list.x", "list.-1", "text.a", "list.²"]
)
def test_a_place_that_isnt_there_is_named(place):
    with pytest.raises(ConfigError, match="files: "):
        parts({"query": "q", "variables": {"list": [1, 2], "text": "t"}}, {place: b""}, written)


def test_variables_with_files_are_a_dict():
    with pytest.raises(ConfigError, match="variables=list"):
        parts({"query": "q", "variables": []}, {"a": b""}, written)


def test_open_files_are_found_wherever_they_are():
    file = io.BytesIO()
    assert open_files({"a": {"b": [1, file], "c": (file,)}, "d": file, "e": [{"f": None}]}) == {
        "a.b.1": file, "a.c.0": file, "d": file,
    }  # fmt: skip
    for nothing in (None, {}, {"a": 1, "b": ["x"]}, [], object()):
        assert open_files(nothing) is None
