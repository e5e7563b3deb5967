"""Chunked bodies are read by the grammar of RFC 9112 section 7.1, however their bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.chunks import Chunks, _sizes
from asyncapi.sansio.http.heads import BadResponse
from http1_pieces import read

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

SIZES = {
    b"2": b"hi",
    b"02": b"hi",
    b"00000000000000000000000000000000002": b"hi",
    b"a": b"0123456789",
    b"A": b"0123456789",
    b"0b": b"0123456789a",  # a size like any other, and no prefix
    b"1E": b"x" * 30,
    b"2 ": b"hi",
    b"2 \t ": b"hi",
    b"2;a": b"hi",
    b"2;a=b": b"hi",
    b"2;a=": b"hi",
    b"2;a;b=c;d": b"hi",
    b"2 ; a = b ; c ": b"hi",
    b'2;a="b c;d\xe9\t"': b"hi",
    b'2;a="\\"\\\\"': b"hi",
    b'2;a=""': b"hi",
    b"2;!#$%&'*+-.^_`|~=x": b"hi",
}


@pytest.mark.parametrize("size", SIZES)
def test_a_size_is_hexadecimal_digits_and_extensions_are_ignored(size):
    got = read(HEAD + size + b"\r\n" + SIZES[size] + b"\r\n0\r\n\r\n")
    assert (got.body, got.trailers, got.keep, got.rest) == (SIZES[size], [], True, b"")


NOT_SIZES = [
    b"", b" 2", b"\t2", b"+2", b"-2", b"0x2", b"0X2", b"2h", b"g", b"1_0", b"2.0", b"2,2", b"\xb2", "\u0662".encode(),
    b"2 2", b"2 a", b"2;", b"2;;", b"2; ", b"2;=b", b"2;a=b;", b"2;a=b;;c", b"2;a b", b"2;a=b c", b'2;a="b', b'2;a=b"',
    b'2;a="b"c', b'2;"a"', b"2;a=\0", b'2;a="\0"', b'2;a="\x7f"', b"2\0", b"2\x0b", b"2;\xe9", b"\n2", b"fffffffffffffffff",
    b"8000000000000000", b"2;a\r", b"2\r", b"\r2", b'2;a="\r"', b";", b";a",
]  # fmt: skip


@pytest.mark.parametrize("size", NOT_SIZES)
def test_a_size_that_is_not_valid_is_refused(size):
    data = HEAD + size + b"\r\nhi\r\n0\r\n\r\n"
    assert read(data).why == "a chunk of its body has no valid size"


@pytest.mark.parametrize("line", [b"2\n", b"2;a=b\n", b"2 \n", b'2;a="\n"\r\n', b"2;a\nb\r\n"])
def test_a_size_line_that_ends_in_lf_alone_is_refused(line):
    """RFC 9112 section 2.2 allows it for a status line and for fields."""
    assert read(HEAD + line + b"hi\r\n0\r\n\r\n").why == "a chunk of its body has no valid size"


def test_the_last_size_line_has_to_end_in_crlf_too():
    assert read(HEAD + b"2\r\nhi\r\n0\n\r\n").why == "a chunk of its body has no valid size"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\rx", b"", b"x", b"\n\r", b" \r\n", b"hi\r\n", b"\0\0"])
def test_data_that_does_not_end_where_its_size_says_is_refused(end):
    assert read(HEAD + b"2\r\nhi" + end + b"0\r\n\r\n").why == "a chunk of its body is longer than its size"


@pytest.mark.parametrize("end", [b"x", b"\rx", b"\n"])
def test_data_that_is_longer_than_its_size_is_refused_at_once(end):
    """The server may send no more."""
    chunks = Chunks(8192, 100)
    with pytest.raises(BadResponse, match="longer than its size"):
        [chunks.feed(piece) for piece in (b"2\r\nhi", *(bytes([byte]) for byte in end))]


def test_plain_chunks_pay_for_the_extensions_of_others():
    pair = b"1;a=" + b"a" * 1000 + b"\r\nx\r\n258\r\n" + b"x" * 600 + b"\r\n"
    got = read(HEAD + pair * 50 + b"0\r\n\r\n", max_head=8192, cuts=2)
    assert got.body == b"x" * 601 * 50


def test_size_lines_that_are_remembered_are_bounded():
    chunks = Chunks(1 << 20, 100)
    for size in range(1, 3000):
        chunks.feed(b"%x\r\n" % size + bytes(size) + b"\r\n1;a=%d\r\nx\r\n1;%b\r\nx\r\n" % (size, b"a" * 20))
    assert 1 <= len(_sizes) <= 1024
    assert not any(len(line) > 16 for line in _sizes)


def test_a_size_that_exceeds_every_length_is_refused_and_the_largest_is_not():
    assert "no valid size" in read(HEAD + b"8000000000000000\r\nhi").why
    assert "before the last chunk" in read(HEAD + b"7fffffffffffffff\r\nhi").why


@pytest.mark.parametrize("last", [b"0", b"000", b"0;a=b", b"0 ", b"0" * 40])
def test_a_chunk_of_size_zero_is_the_last_one(last):
    got = read(HEAD + b"2\r\nhi\r\n" + last + b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert (got.body, got.rest) == (b"hi", b"2\r\nhi\r\n0\r\n\r\n")


TRAILERS = {
    b"": [],
    b"A: b\r\n": [("A", "b")],
    b"A: b\nC:  d \r\n": [("A", "b"), ("C", "d")],
    b"A: b\r\n c\r\n": [("A", "b c")],
    b"grpc-status: 0\r\ngrpc-message: \xc3\xa4\xff\r\n": [("grpc-status", "0"), ("grpc-message", "ä\udcff")],
    b"Set-Cookie: a=b\r\nConnection: close\r\n": [("Set-Cookie", "a=b"), ("Connection", "close")],
}


@pytest.mark.parametrize("lines", TRAILERS)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_trailers_are_fields_apart_from_those_of_the_head(lines, end):
    got = read(HEAD + b"2\r\nhi\r\n0\r\n" + lines + end)
    assert (got.trailers, got.fields) == (TRAILERS[lines], [("Transfer-Encoding", "chunked")])
    assert (got.body, got.keep, got.rest) == (b"hi", True, b"")


TRAILERS_AT_FAULT = {
    b"Content-Length: 2\r\n": "a trailer says where its body ends",
    b"content-LENGTH: 0\r\n": "a trailer says where its body ends",
    b"A: b\r\nTransfer-Encoding: chunked\r\n": "a trailer says where its body ends",
    b"A b\r\n": "its trailer number 1 has no valid name",
    b"A : b\r\n": "its trailer number 1 has no valid name",
    b"A: \0\r\n": "its trailer number 1 has a control character in it: NUL, CR or LF",
    b"A: \r\r\n": "its trailer number 1 has a control character in it: NUL, CR or LF",
    b"\rA: b\r\n": "its trailer number 1 has no valid name",
    b" A: b\r\n": "whitespace stands before its first header or trailer",
    b" \r\n": "whitespace stands before its first header or trailer",
}


@pytest.mark.parametrize("lines", TRAILERS_AT_FAULT)
def test_trailers_that_are_not_valid_are_refused(lines):
    assert read(HEAD + b"2\r\nhi\r\n0\r\n" + lines + b"\r\n").why == TRAILERS_AT_FAULT[lines]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.binary(max_size=9))
def test_what_is_written_in_chunks_is_read(pieces, rest):
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    got = read(HEAD + data + rest, cuts=2)
    assert (got.body, got.trailers, got.rest) == (b"".join(pieces), [], rest)


def test_a_chunk_comes_as_it_arrives():
    chunks = Chunks(8192, 100)
    assert [chunks.feed(piece) for piece in (b"5\r", b"\nhe", b"ll", b"o\r", b"\n", b"0\r\n\r", b"\nx")] == [
        b"", b"he", b"ll", b"o", b"", b"", b"",
    ]  # fmt: skip
    assert (chunks.trailers, chunks.rest) == ([], b"x")


@pytest.mark.parametrize(
    "line", [b"1" + b" ;a" * 30_000, b'1;a="' + b"\\a" * 60_000, b"1" + b" " * 100_000, b";" * 90_000]
)
def test_a_long_line_is_looked_at_once(line):
    """With a pattern that gives back what it has matched, and tries again, this test would take hours."""
    with pytest.raises(BadResponse, match="no valid size"):
        Chunks(256 * 1024, 100).feed(line + b"\0\r\n")
