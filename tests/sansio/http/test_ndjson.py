"""Lines and chunks out of pieces: the same whatever the pieces are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ProtocolError
from asyncapi.sansio.http.ndjson import ChunkParser, LineParser

CASES = [
    (b"", []),
    (b"a", [b"a"]),
    (b"a\n", [b"a"]),
    (b"a\r\n", [b"a"]),
    (b"a\nb", [b"a", b"b"]),
    (b"a\r\nb\r\n", [b"a", b"b"]),
    (b"\n\n", [b"", b""]),
    (b"a\rb\n", [b"a\rb"]),  # a lone CR is no end
    (b"a\r", [b"a"]),
    (b"\xe2\x80\xa8\n", [b"\xe2\x80\xa8"]),  # a line separator within a JSON string
]


def all_of(parser, pieces):
    found = [one for piece in pieces for one in parser.feed(piece)]
    return found + parser.end()


def bytewise(data):
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("data", "lines"), CASES)
def test_lines(data, lines):
    assert all_of(LineParser(), [data]) == lines
    assert all_of(LineParser(), bytewise(data)) == lines


@given(st.lists(st.text(alphabet="ab\r\n", max_size=6)))
def test_lines_do_not_depend_on_the_pieces(parts):
    pieces = [part.encode() for part in parts]
    whole = b"".join(pieces)
    assert all_of(LineParser(), pieces) == all_of(LineParser(), [whole]) == all_of(LineParser(), bytewise(whole))


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_chunks_have_one_size_and_lose_nothing(pieces, size):
    chunks = all_of(ChunkParser(size), pieces)
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size for chunk in chunks[-1:])


@pytest.mark.parametrize(
    "pieces", [[b"a" * 11], [b"a" * 6, b"a" * 5], [b"a\n" + b"b" * 11 + b"\nc"], [b"\n", b"a" * 11]]
)
def test_a_line_that_does_not_end_is_refused_and_says_what_to_do(pieces):
    with pytest.raises(ProtocolError, match="one line is longer than max_line=10 bytes: raise max_line") as caught:
        all_of(LineParser(10), pieces)
    assert caught.value.final


def test_a_line_of_the_greatest_length_is_taken():
    assert all_of(LineParser(10), [b"a" * 10, b"\n", b"b" * 10]) == [b"a" * 10, b"b" * 10]
