"""A path takes what is there, null of what isn't, and is refused before anything is sent where it can't be read."""

import pytest

from asyncapi.bulk.selection import selection
from asyncapi.errors import ConfigError

BODY = {"items": [{"name": "a", "tags": [1, 2]}, {"name": "b"}, 5], "total": 3, "0": "zero", "a.b": {"c,d": 1}, "": 9}


def taken(text, body=BODY):
    return {path.name: path.take(body) for path in selection([text])}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("total", {"total": 3}),
        ("data.total", {"total": 3}),
        ("$.total", {"total": 3}),
        ("items.name", {"name": ["a", "b", None]}),
        ("items[].name", {"name": ["a", "b", None]}),
        ("items[*].name", {"name": ["a", "b", None]}),
        ("items[0].name", {"name": "a"}),
        ("items.0.name", {"name": "a"}),
        ("items[-1]", {"items": 5}),
        ("items[7]", {"items": None}),
        ("items.tags.0", {"tags": [1, None, None]}),
        ("items.tags", {"tags": [[1, 2], None, None]}),
        ("n=0", {"n": "zero"}),
        ('["a.b"]["c,d"]', {"c,d": 1}),
        ("['a.b'].none", {"none": None}),
        ("total.deeper", {"deeper": None}),
        ("none.deeper", {"deeper": None}),
        ("all=.", {"all": BODY}),
        (".", {"data": BODY}),
        ("total, first name = items.0.name", {"total": 3, "first name": "a"}),
        (" total ", {"total": 3}),
    ],
)
def test_a_path_takes_its_value(text, found):
    assert taken(text) == found


def test_a_leading_data_is_a_key_where_the_response_has_it():
    assert taken("data.id", {"data": {"id": 1}, "id": 2}) == {"id": 1}
    assert taken("data.id", {"id": 2}) == {"id": 2}
    assert taken("data.id", [{"id": 1}, {"id": 2}]) == {"id": [1, 2]}
    assert taken("data", {"id": 2}) == {"data": {"id": 2}}


@pytest.mark.parametrize("body", [None, "text", 5, True, [], {}])
def test_a_body_without_the_path_gives_null_or_nothing(body):
    assert taken("a.b", body) == {"b": [] if body == [] else None}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a path is empty"),
        ("a,,b", "a path is empty"),
        ("a..b", "a key or .index. expected at '.b'"),
        ("a.", "ends with a dot"),
        ("a[", "expected at '\\['"),
        ("a]", "unexpected '\\]'"),
        ("a[x]", "expected at '\\[x\\]'"),
        ("a=b=c", "unexpected '='"),
        ("0", "no key names its column: write NAME=0"),
        ("name=", "a path is empty"),
        ("a.name,b.name", "two columns named 'name'.*--select 'other=name'"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(text, says):
    with pytest.raises(ConfigError, match=says):
        selection([text])


def test_several_paths_may_be_given_one_by_one():
    assert [path.name for path in selection(["a", "b.c,d"])] == ["a", "c", "d"]
