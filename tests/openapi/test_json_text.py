"""JSON is read strictly, keys that stand twice are noticed, and each part's line can be found."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.errors import ConfigError
from asyncapi.openapi.json_text import lines, parse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,}', "line 1, column"),
        ('{"a": 1', "line 1, column 8"),
        ('{\n"a": tru}', "line 2, column 6"),
        ('{"a": NaN}', "NaN isn't JSON"),
        ('{"a": -Infinity}', "-Infinity isn't JSON"),
        ('{"a": ' + "[" * 200_000, "nested deeper"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_broken_json_is_refused_with_its_place(text, said):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert said in error.value.message


def test_a_key_that_stands_twice_is_noticed_with_its_line():
    parsed = parse('{\n "a": {"b": 1,\n "c": [{"x": 1}, {"x": "}{",\n "x": 2}],\n "b": 2}\n}')
    assert parsed.value == {"a": {"b": 2, "c": [{"x": 1}, {"x": 2}]}}
    assert parsed.twice == [(("a", "c", "1"), "x", 4), (("a",), "b", 5)]


def test_each_part_has_its_line():
    text = '{\n"a": [1,\n{"b\\n": "x,{"}],\n"c":\n{}}'
    assert dict(lines(text)) == {("a",): 2, ("a", "1"): 3, ("a", "1", "b\n"): 3, ("c",): 4}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def paths_of(value, path=()):
    found = set()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        if isinstance(value, dict) or isinstance(each, dict | list):
            found.add((*path, str(key)))
        found |= paths_of(each, (*path, str(key)))
    return found


@given(JSON, st.sampled_from([None, 1]))
def test_the_paths_with_lines_are_those_of_the_value(value, indent):
    text = json.dumps({"value": value}, indent=indent)
    assert {path for path, _ in lines(text)} == paths_of({"value": value})
    assert parse(text).twice == []
