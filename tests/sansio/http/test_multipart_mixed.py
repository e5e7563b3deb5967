"""Parts out of pieces: the same whatever the pieces are, whole or an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ProtocolError
from asyncapi.sansio.http.multipart_mixed import MultipartParser, boundary_of

JSON = {"content-type": "application/json"}
CASES = [
    (b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--", [(JSON, b"{}")]),
    (b"\r\n--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\r\n1\r\n--b--\r\n", [(JSON, b"{}"), ({}, b"1")]),
    (b"skipped\r\n--b  \r\n\r\n1\r\n--b--skipped\r\n--b\r\n\r\n2\r\n--b--", [({}, b"1")]),
    (b"--b\r\n\r\na\r\n--bc\r\n--b--", [({}, b"a\r\n--bc")]),  # only begins like the boundary
    (b"--b\r\n\r\na--b\r\n--b--", [({}, b"a--b")]),  # not at the beginning of a line
    (b"--b\r\n\r\na\n--b\r\n--b--", [({}, b"a\n--b")]),
    (b"--b\r\nA: 1\r\n--b\r\n\r\n\r\n--b\r\n--b--", [({"a": "1"}, b""), ({}, b""), ({}, b"")]),
    (b"--b\r\nA: 1\r\nno field\r\n b: 2\r\n\r\n\r\n\r\n--b--", [({"a": "1", "b": "2"}, b"\r\n")]),
    (b"--b--", []),
]


def all_of(parser, pieces):
    found = [part for piece in pieces for part in parser.feed(piece)]
    return [(dict(part.headers), part.body) for part in found + parser.end()]


def bytewise(data):
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("data", "parts"), CASES)
def test_parts(data, parts):
    assert all_of(MultipartParser("b"), [data]) == parts
    assert all_of(MultipartParser("b"), bytewise(data)) == parts


def test_the_boundary_that_graphql_servers_use_is_a_single_hyphen():
    body = b"\r\n---\r\nContent-Type: application/json\r\n\r\n{}\r\n---\r\n\r\n-\r\n-----\r\n"
    assert all_of(MultipartParser("-"), bytewise(body)) == [(JSON, b"{}"), ({}, b"-")]


def test_a_part_is_handed_out_as_soon_as_the_next_delimiter_has_come():
    parser = MultipartParser("b")
    assert parser.feed(b"--b\r\n\r\n1") == []
    assert [part.body for part in parser.feed(b"\r\n--b\r\n")] == [b"1"]
    assert not parser.ended


@given(
    st.lists(st.sampled_from([b"--b", b"\r\n", b"--", b"a", b"\r", b"\n", b" ", b"A: 1", b"--b\r\n\r\n"]), max_size=30)
)
def test_where_bytes_are_cut_is_nothing(pieces):
    whole = b"".join(pieces)
    results = []
    for cut in ([whole], pieces, bytewise(whole)):
        try:
            results.append(all_of(MultipartParser("b"), cut))
        except ProtocolError as error:
            results.append(str(error))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("body", [b"", b"--b", b"--b\r\n\r\n1", b"--b\r\n\r\n1\r\n--b\r\n", b"--b\r\n\r\n1\r\n--b-"])
def test_a_body_without_its_last_delimiter_is_an_error_that_may_be_retried(body):
    with pytest.raises(ProtocolError, match="broke off") as caught:
        all_of(MultipartParser("b"), [body])
    assert not caught.value.final


@pytest.mark.parametrize("pieces", [[b"--b\r\n\r\n" + b"a" * 500], [b"--b\r\n\r\n" + b"a" * 50 + b"\r\n--b--"]])
def test_a_part_without_end_is_refused(pieces):
    with pytest.raises(ProtocolError, match="one part is longer than max_part=20 bytes"):
        all_of(MultipartParser("b", max_part=20), pieces)


def test_what_stands_before_the_first_part_is_not_kept():
    parser = MultipartParser("b", max_part=20)
    for _ in range(1000):
        parser.feed(b"preamble")
    assert [part.body for part in parser.feed(b"\r\n--b\r\n\r\n1\r\n--b--")] == [b"1"]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/mixed; boundary=b", "b"),
        ('multipart/mixed;Boundary="a b;c"; deferSpec=20220824', "a b;c"),
        ('multipart/mixed; x="boundary=no"; boundary = "\\"q"', '"q'),
        ("multipart/mixed", "-"),
        ("multipart/mixed; boundary=-", "-"),
    ],
)
def test_the_boundary_of_a_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary


def test_a_boundary_that_is_too_long_is_an_error():
    with pytest.raises(ProtocolError, match="71 characters"):
        boundary_of("multipart/mixed; boundary=" + "b" * 71)
