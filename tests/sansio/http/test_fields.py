"""Fields in their parts: quoted strings hold together, lines of one name are one list, and length is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http.fields import LONGEST, elements, lines, too_long, unescaped


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        (["a, b ,\tc"], ["a", "b", "c"]),
        (["a", "b, c"], ["a", "b", "c"]),
        ([",, a,,"], ["a"]),
        (['a="b, c", d'], ['a="b, c"', "d"]),
        (['"a\\", b", c'], ['"a\\", b"', "c"]),
        (['"a, b'], ['"a, b']),  # a quote that does not close runs to the end
        (['a"b,c"d, e'], ['a"b,c"d', "e"]),
        (['"\\'], ['"\\']),
    ],
)
def test_the_elements_of_a_list(values, found):
    assert list(elements(values)) == found


@given(st.lists(st.text(st.sampled_from('a",\\ '), max_size=20), max_size=5))
def test_nothing_but_commas_and_space_around_them_is_lost(values):
    kept = "".join(elements(values)).replace(",", "").replace(" ", "")
    assert kept == ", ".join(values).replace(",", "").replace(" ", "")


def test_lines_are_found_in_either_kind_of_mapping():
    assert list(lines(CIMultiDict([("A", "1"), ("a", "2")]), "A")) == ["1", "2"]
    assert list(lines({"A": "1"}, "A")) == ["1"]
    assert list(lines({}, "A")) == []


def test_what_is_too_long_is_said_to_be_and_not_read_on():
    assert not too_long(["a" * 10_000])
    assert too_long(["a" * 10_000, "b" * 10_000])
    assert sum(map(len, elements(["a" * 10_000, "b" * 10_000]))) <= LONGEST


def test_escapes_are_taken_out():
    assert unescaped(r"a\"b\\c\d") == 'a"b\\cd'
