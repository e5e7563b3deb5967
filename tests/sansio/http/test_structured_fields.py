"""RFC 9651: what parses is read to the letter, and what does not has no value at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.structured_fields import Date, Item, Token, parse_dictionary, parse_list


def bare(text):
    members = parse_list(text)
    return None if members is None else [member.value for member in members]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("  ", []),
        ("1", [1]),
        ("-0", [0]),
        ("999999999999999", [999_999_999_999_999]),
        ("1.5, -0.125", [1.5, -0.125]),
        ("123456789012.1", [123_456_789_012.1]),
        ('"a b", "c\\"\\\\"', ["a b", 'c"\\']),
        ("a, *b:/c#", ["a", "*b:/c#"]),
        (":aGVsbG8=:, ::", [b"hello", b""]),
        ("?0, ?1", [False, True]),
        ("@1659578233", [1_659_578_233]),
        ('%"f%c3%bc%c3%bc"', ["f\u00fc\u00fc"]),
        ("a \t,\t b", ["a", "b"]),
        ('("a" 1  b )', [[Item("a", {}), Item(1, {}), Item("b", {})]]),
        ("()", [[]]),
    ],
)
def test_lists_are_read(text, values):
    assert bare(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "a,", "a,,b", ",a", "a b", "a;", "a;B", "a ;b", "a; b =1", "a;b= 1", "a=1", '"a', '"\\a"', '"\t"', '"\u00e9"', "'a'",
        "1234567890123456", "1.", "1.1234", "1234567890123.1", "--1", "-", "+1", "1e3", ":a*:", ":aGk", "?2", "?", "@1.5", "@",
        '%"%C3%BC"', '%"%c3"', '%"a', '%"%f"', "(a", "(a b", "(a,b)", "a)", '("a""b")', "\tb", "{}", "\u0663",
    ],
)  # fmt: skip
def test_what_does_not_parse_has_no_value(text):
    assert parse_list(text) is None


@pytest.mark.parametrize("text", ["a=1,", "a=1,,b", "A=1", "a==1", "a= 1", "a =1", "1=a", "a=1 b=2", "a=1;", '"a"=1'])
def test_nor_has_a_dictionary_that_is_none(text):
    assert parse_dictionary(text) is None


def test_dictionaries_are_read_and_the_last_of_a_key_counts():
    read = parse_dictionary("a=1;x, b, a=2;y=z, *c-d.e_f=(1 2)")
    assert list(read) == ["b", "a", "*c-d.e_f"]
    assert read["b"] == Item(True, {})
    assert read["a"] == Item(2, {"y": "z"})
    assert parse_dictionary("") == {}


def test_parameters_are_read_and_the_last_of_a_key_counts():
    assert parse_list('a;b=1;  c;b="x"')[0].parameters == {"c": True, "b": "x"}
    assert parse_list("(a;b=1);c=2") == [Item([Item("a", {"b": 1})], {"c": 2})]


def test_types_that_look_alike_are_distinguished():
    token, text, date = bare('a, "a", @1')
    assert (type(token), type(text), type(date)) == (Token, str, Date)


def test_what_is_too_long_has_no_value():
    assert parse_list("a, " * 10_000 + "a") is None


STRINGS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(
    st.lists(st.tuples(STRINGS, st.dictionaries(st.from_regex(r"[a-z*][a-z0-9_.*-]{0,5}", fullmatch=True), STRINGS)))
)
def test_what_is_written_is_read_back(members):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(
        quoted(value) + "".join(f";{key}={quoted(each)}" for key, each in parameters.items())
        for value, parameters in members
    )
    assert parse_list(text) == [Item(*member) for member in members] or len(text) > 16_384
