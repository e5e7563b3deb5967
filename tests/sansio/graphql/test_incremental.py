"""Results that come bit by bit grow to what they would have been at once, in each format that servers use."""

from __future__ import annotations

import copy

import pytest

from asyncapi import ProtocolError
from asyncapi.sansio.graphql.incremental import GrowingResult

FIRST = {"data": {"user": {"id": 1}, "list": ["a"]}, "hasNext": True}
WHOLE = {"user": {"id": 1, "name": "Ada"}, "list": ["a", "b", "c"]}
FORMATS = {
    "2020": [
        FIRST,
        {"path": ["user"], "data": {"name": "Ada"}, "label": "l", "hasNext": True},
        {"path": ["list", 1], "data": "b", "hasNext": True},
        {"path": ["list", 2], "data": "c", "hasNext": True},
        {"hasNext": False},
    ],
    "2022": [
        FIRST,
        {
            "incremental": [{"path": ["user"], "data": {"name": "Ada"}}, {"path": ["list", 1], "items": ["b"]}],
            "hasNext": True,
        },
        {"incremental": [{"path": ["list", 2], "items": ["c"]}], "hasNext": False},
    ],
    "2023": [
        {**FIRST, "pending": [{"id": "0", "path": ["user"]}, {"id": "1", "path": ["list"], "label": "l"}]},
        {"incremental": [{"id": "1", "items": ["b"]}, {"id": "0", "data": {"name": "Ada"}}], "hasNext": True},
        {
            "incremental": [{"id": "1", "items": ["c"]}],
            "completed": [{"id": "0"}, {"id": "1"}],
            "hasNext": False,
        },
    ],
    "2023, under a path of its own": [
        {**FIRST, "pending": [{"id": "0", "path": []}]},
        {
            "pending": [{"id": "1", "path": ["list"]}],
            "incremental": [
                {"id": "0", "subPath": ["user"], "data": {"name": "Ada"}},
                {"id": "1", "items": ["b", "c"]},
            ],
            "completed": [{"id": "0"}, {"id": "1"}],
            "hasNext": False,
        },
    ],
    "at once": [{"data": WHOLE}],
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_grows_to_the_same(name):
    result, seen = GrowingResult(), []
    for payload in FORMATS[name]:
        assert result.has_next
        assert result.add(payload) == []
        seen.append((result.data, copy.deepcopy(result.data)))
    assert result.data == WHOLE
    assert not result.has_next
    assert [before for before, _ in seen] == [at_that_time for _, at_that_time in seen]  # nothing changes later


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"c": 1}, {"c": 2}]}, {"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({"a": [[{"b": 1}]]}, {"a": [[{"c": 1}]]}, {"a": [[{"b": 1, "c": 1}]]}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({}, {"a": None}, {"a": None}),
    ],
)
def test_deferred_data_is_merged_objects_by_field_and_lists_by_index(old, patch, new):
    result = GrowingResult()
    result.add({"data": old, "hasNext": True})
    result.add({"incremental": [{"path": [], "data": patch}], "hasNext": False})
    assert result.data == new


def test_a_deferred_fragment_within_a_streamed_item():
    result = GrowingResult()
    result.add({"data": {"list": []}, "hasNext": True})
    result.add({"incremental": [{"path": ["list", 0], "items": [{"id": 1}]}], "hasNext": True})
    result.add({"incremental": [{"path": ["list", 0], "data": {"name": "a"}}], "hasNext": False})
    assert result.data == {"list": [{"id": 1, "name": "a"}]}


def test_errors_of_all_parts_are_collected_and_a_null_part_changes_nothing():
    result = GrowingResult()
    assert result.add({"data": {"a": 1}, "errors": [{"message": "1"}], "hasNext": True}) == [{"message": "1"}]
    part = {"path": [], "data": None, "errors": [{"message": "2"}], "extensions": {"x": 1}}
    assert result.add({"incremental": [part], "hasNext": True}) == [{"message": "2"}]
    assert result.add({"path": ["l", 0], "items": None, "errors": [{"message": "3"}], "hasNext": True})
    assert result.add({"completed": [{"id": "0", "errors": [{"message": "4"}]}], "hasNext": False})
    assert [error["message"] for error in result.errors] == ["1", "2", "3", "4"]
    assert (result.data, result.extensions) == ({"a": 1}, {"x": 1})


@pytest.mark.parametrize(
    "payload",
    [
        [], "a", {"incremental": {}}, {"incremental": [1]}, {"errors": "a"}, {"pending": [{"id": "1", "path": "a"}]},
        {"incremental": [{"id": "9", "data": {}}]}, {"incremental": [{"path": ["a", "b", "c"], "data": {}}]},
        {"incremental": [{"path": ["a", 7], "items": [1]}]}, {"incremental": [{"path": ["list", 7], "data": {}}]},
        {"incremental": [{"path": ["list", 2], "items": [1]}]}, {"path": ["user", 0], "items": [1]},
        {"path": [True], "data": {}}, {"path": None, "data": {}}, {"path": ["list", -1], "data": {}},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_and_never_dropped(payload):
    result = GrowingResult()
    result.add(FIRST)
    with pytest.raises(ProtocolError, match="incremental delivery") as caught:
        result.add(payload)
    assert caught.value.final
