"""Cache-Control is read as RFC 9111 says; what can't be read holds the cache back."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http.cache_control import argument, directives, seconds

CONTROL = "Cache-Control"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("max-age=60", {"max-age": "60"}),
        ("No-Cache, MAX-AGE=5", {"no-cache": "", "max-age": "5"}),
        ('private="set-cookie, x", max-age="7"', {"private": "set-cookie, x", "max-age": "7"}),
        ("max-age=60, max-age=10", {"max-age": "10"}),
        (",, ,no-store,", {"no-store": ""}),
        ("max-age = 3", {"max-age": "max-age = 3"}),  # no number: it is stale
        ("", {}),
        ('x="a\\"b", y', {"x": 'a\\"b', "y": ""}),
        ('extension="max-age=3600", max-age=1', {"extension": "max-age=3600", "max-age": "1"}),
        ("max-age=10, max-age=x", {"max-age": "x"}),  # of two the one that trusts less
        ("max-age=x, max-age=10", {"max-age": "x"}),
        ("max-age=x, max-age=10, max-age=5", {"max-age": "x"}),
        # no directives by the grammar: words that keep the cache back count all the same, others don't
        ("no-store; max-age=60", {"no-store; max-age": "no-store; max-age=60", "no-store": "no-store; max-age=60"}),
        ("max-age=60; no-cache", {"max-age": "max-age=60; no-cache", "no-cache": "max-age=60; no-cache"}),
        ("max-age =60", {"max-age": "max-age =60"}),
        ("max-age='60'", {"max-age": "'60'"}),
        ('"max-age=60"', {'"max-age': '"max-age=60"'}),
    ],
)
def test_cache_control_is_read(value, told):
    assert directives(CIMultiDict([(CONTROL, value)])) == told


def test_several_lines_are_one_and_pragma_counts_where_there_is_none():
    assert directives(CIMultiDict([(CONTROL, "a"), (CONTROL, "b=1")])) == {"a": "", "b": "1"}
    assert directives(CIMultiDict([("Pragma", "no-cache")])) == {"no-cache": ""}
    assert directives(CIMultiDict([("Pragma", "no-cache"), (CONTROL, "max-age=1")])) == {"max-age": "1"}


def test_a_field_that_is_too_long_to_be_read_is_not_trusted():
    assert directives(CIMultiDict([(CONTROL, "max-age=60" + ", x" * 10_000)])) == {"no-store": ""}
    assert directives(CIMultiDict([(CONTROL, "max-age=60"), *[(CONTROL, "x" * 8000)] * 3])) == {"no-store": ""}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("60", 60), ("0060", 60), ("0" * 5000 + "7", 7), ("2147483648", 2**31), ("99999999999", 2**31),
        ("9" * 5000, 2**31),  # section 1.2.2
        ("", None), ("-1", None), ("+1", None), ("1.0", None), ("1e3", None), (" 1", None), ("\u0663", None), ("1s", None),
    ],
)  # fmt: skip
def test_seconds_are_digits_and_no_more_than_68_years(text, number):
    assert seconds(text) == number
    assert argument(text) == (number or 0)
