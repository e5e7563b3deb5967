"""YAML is read as JSON's data: no surprises of YAML 1.1, no tags that make objects, no text that grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.errors import ConfigError
from asyncapi.openapi.yaml_text import MAX_DEPTH, parse

yaml = pytest.importorskip("yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: [yes, on, off, NO, y]", {"a": ["yes", "on", "off", "NO", "y"]}),
        ("a: true\nb: False", {"a": True, "b": False}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: 2020-01-01T00:00:00Z", {"a": "2020-01-01T00:00:00Z"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 0123", {"a": 123}),
        ("a: 0o17", {"a": 15}),
        ("a: 0xff", {"a": 255}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 1e3\nb: -.5\nc: +7", {"a": 1000.0, "b": -0.5, "c": 7}),
        ("a: ~\nb:\nc: null", {"a": None, "b": None, "c": None}),
        ("a: '5'\nb: \"no\"", {"a": "5", "b": "no"}),
        ("a: |\n  1\n", {"a": "1\n"}),
        ("a: !!str 5\nb: !!int '5'", {"a": "5", "b": 5}),
        ("a: !!timestamp 2020-01-01", {"a": "2020-01-01"}),
        ("200: ok\nno: x\nnull: y\n1.5: z\ntrue: t", {"200": "ok", "no": "x", "null": "y", "1.5": "z", "true": "t"}),
        ("openapi: 3.0\ninfo: {version: 1.10}\na: {b: {version: 1.10}}",
         {"openapi": "3.0", "info": {"version": "1.10"}, "a": {"b": {"version": 1.1}}}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: {<<: [{b: 1}, {b: 2, c: 3}]}", {"a": {"b": 1, "c": 3}}),
        ("- &k a\n- {*k : 1}", ["a", {"a": 1}]),
        ("", None),
    ],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(text, value):
    assert parse(text).value == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: !!python/object/apply:os.system ['true']",
            "line 1: the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        ("a:\n  !include other.yaml", "line 2: the tag !include isn't part of OpenAPI"),
        ("a: !!python/name:os.system x", "isn't part of OpenAPI"),
        ("a: *b", "line 1"),
        ("a: &x {b: *x}", "line 1: the alias *x stands inside its own anchor"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ("{a: 1}: 2", "line 1: a mapping's key is a mapping or a list"),
        ("b: 1\na: [1,\n 2", "in what begins on line 2"),
        ("a:\n\t- b", "line 2"),
        ("a: b: c", "line 1, column 5"),
        ("[" * (MAX_DEPTH + 5), f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text, said):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert said in error.value.message


def test_aliases_that_grow_out_of_proportion_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="would grow to more than 20 times"):
        parse("\n".join(lines))


def test_aliases_in_proportion_cost_nothing():
    shared = "a: &a {" + ", ".join(f"k{n}: {n}" for n in range(50)) + "}\n"
    value = parse(shared + "\n".join(f"b{n}: *a" for n in range(1000))).value
    assert value["b999"] is value["a"]


def test_a_key_that_stands_twice_is_noticed_with_its_line():
    parsed = parse("a:\n  b: 1\n  c: [{x: 1}, {x: 1,\n    x: 2}]\n  b: 2\n")
    assert parsed.value == {"a": {"b": 2, "c": [{"x": 1}, {"x": 2}]}}
    assert parsed.twice == [(("a", "c", "1"), "x", 4), (("a",), "b", 5)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | st.text(st.characters(codec="utf-8", exclude_characters="\x85"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<no1 ", max_size=5).filter(lambda key: key != "<<"), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_what_pyyaml_writes_is_read_as_it_was(value):
    text = yaml.safe_dump({"value": value}, allow_unicode=True)
    assert parse(text).value == {"value": value}


@given(st.text(st.sampled_from(list("ab:-[]{}&*!|>'\"#%@,? \n\t<")), max_size=60))
def test_any_text_is_read_or_refused_with_one_error(text):
    try:
        parse(text)
    except ConfigError as error:
        assert "\n" not in error.message  # noqa: PT017 - any text may be YAML
