"""The lines of a head mean the same whether they were seen before or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.heads import (
    _FRAMING,
    FRAMINGS,
    USUAL,
    BadResponse,
    _Fields,
    any_field,
    framing_of,
    lines_of,
    names_framing,
    one_length,
    usual_field,
)


def or_why(read, *given):
    try:
        return read(*given)
    except BadResponse as bad:
        return bad.why


@given(st.one_of(st.binary(max_size=30), st.from_regex(rb"[A-Za-z-]{1,8}:[ -~]{0,8}", fullmatch=True)))
def test_a_remembered_line_is_read_as_a_new_one_is(line):
    for _ in range(2):
        assert or_why(usual_field, line) == or_why(any_field, line) == or_why(_Fields(odd=True).__getitem__, line)


@pytest.mark.parametrize("name", sorted(USUAL))
def test_usual_names_of_fields_that_matter_are_remembered(name):
    line = f"{name}: 1".encode()
    assert usual_field(line) == (name, "1")
    assert line in usual_field.__self__


@pytest.mark.parametrize("name", ["cONTENT-LENGTH", "Transfer-encodinG", "CoNNection"])
def test_unusual_names_of_fields_that_matter_are_left_to_the_careful_way(name):
    assert name.lower() in _FRAMING
    with pytest.raises(BadResponse, match="odd name"):
        usual_field(f"{name}: 1".encode())
    assert any_field(f"{name}: 1".encode()) == (name, "1")


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(sorted(USUAL)),
        st.sampled_from(["1", "2", "1, 1", "chunked", "gzip, chunked", "close", "keep-alive, x", "", ","]),
    ),
    max_size=3,
)


@given(FIELDS)
def test_what_fields_say_together_does_not_depend_on_what_was_seen_before(fields):
    for _ in range(2):
        assert or_why(FRAMINGS.__getitem__, tuple(fields)) == or_why(framing_of, fields)


@given(FIELDS, st.randoms())
def test_what_fields_say_together_does_not_depend_on_other_fields(fields, chance):
    mixed = list(fields)
    for _ in range(3):
        mixed.insert(chance.randrange(len(mixed) + 1), ("X-Content-Length", "9"))
    assert or_why(framing_of, mixed) == or_why(framing_of, fields)


@pytest.mark.parametrize(
    ("section", "first", "lines"),
    [
        (b"a\r\nb", 1, [b"a", b"b"]),
        (b"a\nb\r\nc", 0, [b"a", b"b", b"c"]),
        (b"s\r\na \t\r\n\t b \r\n c", 1, [b"s", b"a b c"]),
        (b"a\r\n b", 0, [b"a b"]),
        (b"a\rb", 0, [b"a\rb"]),
        (b"a\r\r\nb", 0, [b"a\r", b"b"]),
        (b"", 0, [b""]),
    ],
)
def test_lines_end_in_crlf_or_lf_and_go_on_after_whitespace(section, first, lines):
    assert lines_of(section, first) == lines


@pytest.mark.parametrize(("section", "first"), [(b"s\r\n a", 1), (b" s", 1), (b"\ta", 0)])
def test_the_first_field_goes_on_with_nothing(section, first):
    with pytest.raises(BadResponse, match="whitespace stands before its first header"):
        lines_of(section, first)


def test_equal_lengths_become_one_where_the_first_stands():
    fields = [("A", "1"), ("content-length", "2, 2"), ("B", "1"), ("Content-Length", "2")]
    assert one_length(fields) == [("A", "1"), ("content-length", "2"), ("B", "1")]


def test_fields_that_say_where_a_body_ends_are_found_however_they_are_written():
    assert names_framing([("A", "b"), ("cONTENT-lENGTH", "1")])
    assert names_framing([("transfer-encoding", "x")])
    assert not names_framing([("Connection", "close"), ("Content-Type", "x")])
