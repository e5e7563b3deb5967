"""Responses of HTTP/1.1 are read as RFC 9112 says, however their bytes arrive: each case is also fed in pieces."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http import http1
from asyncapi.sansio.http.http1 import BadResponse, Reader
from http1_pieces import Read, Refused, cuts_of, read, read_pieces

if TYPE_CHECKING:
    import random

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HI = b"2\r\nhi\r\n0\r\n\r\n"


def head(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([first, *lines, b"", b""])


# What is read

STATUS_LINES = {
    b"HTTP/1.1 200 OK": (200, "1.1"),
    b"HTTP/1.0 200 OK": (200, "1.0"),
    b"HTTP/1.1 200": (200, "1.1"),
    b"HTTP/1.1 200 ": (200, "1.1"),
    b"HTTP/1.1 404 Not Found, or \xe9\xff gone\t!": (404, "1.1"),
    b"HTTP/1.1 200 a control \x01 character": (200, "1.1"),
    b"HTTP/1.1 999 Request denied": (999, "1.1"),
    b"HTTP/1.2 200 OK": (200, "1.1"),  # RFC 9110 section 2.5
    b"HTTP/1.9 200 OK": (200, "1.1"),
    b"HTTP/0.9 200 OK": (200, "1.0"),
    b"HTTP/2.0 200 OK": (200, "1.0"),
    b"\r\nHTTP/1.1 200 OK": (200, "1.1"),
    b"\r\n\n\r\nHTTP/1.1 200 OK": (200, "1.1"),
}


@pytest.mark.parametrize("line", STATUS_LINES)
def test_a_status_line_has_a_status_and_a_version(line):
    got = read(line + b"\r\n" + TWO)
    assert (got.status, got.version, got.body) == (*STATUS_LINES[line], b"hi")


NOT_STATUS_LINES = [
    b"HTTP/1.1 099 Low", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 -20 OK", b"HTTP/1.1",
    b"HTTP/1.1 ", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 200 a\0b",
    b"HTTP/1.1 200 a\rb", b"HTTP/1.1 200 OK\r", b"HTTP/1.x 200 OK", b"HTTP/1.10 200 OK", b"HTTP/0.8 200 OK", b"HTTP/01.1 200 OK", b"HTTP/1.01 200 OK",
    b"HTTP/5.6 200 OK", b"HTTP/1,1 200 OK", b"HTTP/+1.1 200 OK",
    b"HTTP/2.1 200 OK", b"HTTP/2 200 OK", b"HTTP/11 200 OK", b"HTTP/ 200 OK", "HTTP/1.1 ٢٠٠ OK".encode(),
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_STATUS_LINES)
def test_a_status_line_that_is_not_valid_is_refused(line):
    assert read(line + b"\r\n" + TWO).why == "its status line is not valid"


@pytest.mark.parametrize(
    "start", [b" HTTP/1.1 200 OK", b"http/1.1 200 OK", b"\rHTTP/1.1 200 OK", b"HTP/1.1 200", b"{}", b"\0x", b"H1"]
)
def test_what_does_not_begin_like_a_response_is_refused_at_once(start):
    """No end of a line, and no end of the connection, is waited for."""
    reader = Reader()
    reader.begin("GET")
    with pytest.raises(BadResponse, match="it doesn't begin with a status line"):
        reader.feed(start)
    assert read(start + b"\r\n" + TWO).why == "it doesn't begin with a status line"


GREETINGS = {
    b"SSH-2.0-OpenSSH_9.6\r\n": "an SSH server",
    b"220 mail ready\r\n": "a mail or FTP server",
    b"-ERR unknown command\r\n": "a Redis server",
    b"\x15\x03\x01\x00\x02\x02\x16": "a TLS server",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00": "an HTTP/2 server",
    b"RTSP/1.0 400 Bad Request\r\n\r\n": "an RTSP server",
    b"ICY 200 OK\r\n\r\n": "a SHOUTcast server",
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_server_of_another_protocol_is_named(greeting):
    assert read(greeting).why == f"{GREETINGS[greeting]} is on this port"
    assert read(b"\r\n" + greeting).why == f"{GREETINGS[greeting]} is on this port"


@pytest.mark.parametrize("start", [b"SS", b"22", b"\x00\x00"])
def test_the_beginning_of_a_greeting_is_refused_once_the_connection_ends(start):
    assert read(start).why == "it doesn't begin with a status line"


FIELDS = {
    "as usual": (b"Server: x", ("Server", "x")),
    "no space": (b"server:x", ("server", "x")),
    "spaces around": (b"SERVER: \t x y \t", ("SERVER", "x y")),
    "empty": (b"Server:", ("Server", "")),
    "spaces alone": (b"Server: \t ", ("Server", "")),
    "colons": (b"Link: <http://h:1/>", ("Link", "<http://h:1/>")),
    "every character of a name": (b"!#$%&'*+-.^_`|~0aZ: x", ("!#$%&'*+-.^_`|~0aZ", "x")),
    "UTF-8": ("X: ä€😀".encode(), ("X", "ä€😀")),
    "Latin-1": (b"X: \xe9", ("X", "\udce9")),
    "spaces of Latin-1": (b"X: \xa0\x85", ("X", "\udca0\udc85")),
    "an overlong NUL": (b"X: \xc0\x80", ("X", "\udcc0\udc80")),
    "a surrogate": (b"X: \xed\xa0\x80", ("X", "\udced\udca0\udc80")),
    "spaces that are none of HTTP": ("X: \u00a0x\u2028".encode(), ("X", "\u00a0x\u2028")),
    "other control characters": (b"X: \x01a\x0bb\x7f", ("X", "\x01a\x0bb\x7f")),
    "folded": (b"X: a\r\n b", ("X", "a b")),
    "folded with spaces": (b"X: a \t\r\n \t b \r\n\tc ", ("X", "a b c")),
    "folded at the beginning": (b"X:\r\n b", ("X", "b")),
    "folded into nothing": (b"X: a\r\n \r\n \t", ("X", "a")),
    "folded with LF": (b"X: a\n b", ("X", "a b")),
    "a fold with a colon": (b"X: a\r\n Y: b", ("X", "a Y: b")),
    "ended by LF": (b"X: a\nY: b", ("X", "a")),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_a_name_as_written_and_a_value_without_the_spaces_around_it(name):
    line, field = FIELDS[name]
    got = read(head(b"A: 1", line, b"Content-Length: 2") + b"hi")
    assert got.fields[:2] == [("A", "1"), field]
    assert got.fields[-1] == ("Content-Length", "2")
    assert got.body == b"hi"


@given(st.binary().filter(lambda value: not {0, 10, 13} & {*value}))
def test_no_byte_of_a_value_is_lost(value):
    got = read(head(b"X:" + value, b"Content-Length: 0"), cuts=1)
    assert got.fields[0][1].encode("utf-8", "surrogateescape") == value.strip(b" \t")


NOT_FIELDS = {
    "a space before the colon": b"X : a",
    "a tab before the colon": b"X\t: a",
    "a space before the colon of a length": b"Content-Length : 2",
    "a space within": b"X Y: a",
    "no colon": b"X",
    "no name": b": a",
    "parentheses": b"X(Y): a",
    "quotes": b'"X": a',
    "a NUL": b"X\0: a",
    "an equals sign in place of the colon": b"X=a",
    "a name in quotes with its value": b'"X: a"',
    "a NEL": b"\x85X: a",
    "a name beyond ASCII": "Ä: a".encode(),
    "a CR in the name": b"X\r: a",
    "a status line": b"HTTP/1.1 200 OK",
}


@pytest.mark.parametrize("name", NOT_FIELDS)
def test_a_field_without_a_valid_name_is_refused(name):
    assert read(head(b"A: 1", NOT_FIELDS[name]) + b"hi").why == "its header number 2 has no valid name"


@pytest.mark.parametrize("line", [b"X: a\0b", b"X: a\rb", b"X: a\r", b"X:\r a", b"X: a\r\n \0", b"X: a\r\n b\r"])
def test_a_nul_and_a_bare_cr_in_a_value_are_refused(line):
    assert read(head(b"A: 1", line) + b"hi").why == "its header number 2 has a control character in it: NUL, CR or LF"


@pytest.mark.parametrize("space", [b" ", b"\t", b" X: a", b" Content-Length: 9"])
def test_whitespace_before_the_first_field_is_refused(space):
    assert read(head(space, b"Content-Length: 2") + b"hi").why == "whitespace stands before its first header or trailer"


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_lines_and_heads_may_end_in_lf_alone(line_end, end):
    body = b"\r\n\r\n\n\n"
    data = line_end.join([b"HTTP/1.1 200 OK", b"A: 1", b"Content-Length: 6"]) + end + body
    got = read(data)
    assert (got.fields, got.body, got.rest) == ([("A", "1"), ("Content-Length", "6")], body, b"")


def test_a_head_ends_at_its_first_empty_line_whatever_ends_it():
    """A reader that looks for CRLF CRLF alone would take the body for fields."""
    got = read(b"HTTP/1.1 200 OK\nContent-Length: 15\n\nX: a\r\nY: b\r\n\r\nz")
    assert (got.fields, got.body, got.rest) == ([("Content-Length", "15")], b"X: a\r\nY: b\r\n\r\nz", b"")


# Where the body ends

LENGTHS = {
    "0": 0, "2": 2, "02": 2, "0000000000000000000000000000002": 2, "2, 2": 2, "2,2 ,\t2": 2, "00": 0,
}  # fmt: skip


@pytest.mark.parametrize("value", LENGTHS)
def test_a_length_is_digits(value):
    got = read(head(b"Content-Length: " + value.encode()) + b"hi"[: LENGTHS[value]])
    assert (got.length, len(got.body), got.keep) == (LENGTHS[value], LENGTHS[value], True)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 2", "Content-Length: 2"], ["Content-Length: 2, 2"], ["content-length:2", "CONTENT-LENGTH: 2 "],
        ["cONTENT-lENGTH: 2", "Content-Length: 2, 2"],
    ],
)  # fmt: skip
def test_equal_lengths_become_one(lines):
    got = read(head(b"A: 1", *(line.encode() for line in lines), b"B: 2") + b"hi")
    name = lines[0].partition(":")[0]
    assert got.fields == [("A", "1"), (name, "2"), ("B", "2")]
    assert (got.body, got.length, got.keep) == (b"hi", 2, True)


@pytest.mark.parametrize(
    "lines",
    [["2, 3"], ["2", "3"], ["2, 02"], ["2", "02"], ["2,"], [",2"], ["2", ""], ["2, x"], ["2", "+2"]],
)
def test_lengths_that_differ_are_refused(lines):
    data = head(*(b"Content-Length: " + line.encode() for line in lines)) + b"hi"
    assert read(data).why == "its Content-Lengths differ"


NOT_LENGTHS = [
    "",
    "+2",
    "-2",
    "0x2",
    "2 2",
    "2_0",
    "2.0",
    "2;",
    "two",
    "\u0662",
    "2\x0b",
    '"2"',
    "1" * 5000,
    str(2**63),
]


@pytest.mark.parametrize("value", NOT_LENGTHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_is_no_number_is_refused(value, method):
    data = head(b"Content-Length: " + value.encode()) + b"hi"
    assert read(data, method).why == "its Content-Length is no number of bytes"


def test_the_largest_length_is_read():
    refused = read(head(b"Content-Length: 9223372036854775807") + b"hi")
    assert refused.why == "the connection was closed after 2 of the 9,223,372,036,854,775,807 bytes of its body"
    assert refused.headed


@pytest.mark.parametrize(
    "name", [b"Content-Length", b"content-length", b"Content-length", b"CONTENT-LENGTH", b"cOnTeNt-LeNgTh"]
)
@pytest.mark.parametrize("other", [b"Transfer-Encoding", b"transfer-encoding", b"tRANSFER-eNCODING"])
@pytest.mark.parametrize("codings", [b"chunked", b"gzip, chunked", b"identity", b""])
def test_a_length_beside_a_transfer_coding_is_refused(name, other, codings):
    lines = [name + b": 2", b"A: b", other + b": " + codings]
    for order in (lines, lines[::-1]):
        assert read(head(*order) + HI).why == "it has both a Content-Length and a Transfer-Encoding"
    assert isinstance(read(head(*lines), "HEAD"), Refused)


@pytest.mark.parametrize(
    "name", [b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING", b"tRANSFER-eNCODING"]
)
@pytest.mark.parametrize(
    "codings",
    [[b"chunked"], [b"Chunked"], [b"gzip, chunked"], [b"gzip", b"chunked"], [b"identity,\tchunked"], [b", ,chunked"]],
)
def test_a_body_whose_last_coding_is_chunked_is_read_by_chunks(name, codings):
    got = read(head(*(name + b": " + each for each in codings)) + HI)
    assert (got.body, got.keep, got.trailers, got.length, got.rest) == (b"hi", True, [], None, b"")


@pytest.mark.parametrize("codings", [b"gzip", b"identity", b"chunked, gzip", b"xchunked", b"chunked, identity"])
def test_a_body_with_another_last_coding_ends_with_the_connection(codings):
    got = read(head(b"Transfer-Encoding: " + codings) + HI)
    assert (got.body, got.keep, got.trailers) == (HI, False, None)


CODINGS_AT_FAULT = {
    b"chunked, chunked": "its Transfer-Encoding names chunked twice",
    b"chunked\r\nTransfer-Encoding: chunked": "its Transfer-Encoding names chunked twice",
    b"chunked, gzip, Chunked": "its Transfer-Encoding names chunked twice",
    b"": "its Transfer-Encoding is not a list of codings",
    b"chunked,": "its Transfer-Encoding is not a list of codings",
    b"chunked;a=b": "its Transfer-Encoding is not a list of codings",
    b"gzip;a, chunked": "its Transfer-Encoding is not a list of codings",
    b'"chunked"': "its Transfer-Encoding is not a list of codings",
    b"\x0bchunked": "its Transfer-Encoding is not a list of codings",
    b"gzip chunked": "its Transfer-Encoding is not a list of codings",
    b"\xa0chunked": "its Transfer-Encoding is not a list of codings",
    b"chunked\x85": "its Transfer-Encoding is not a list of codings",
    b"chunked\x0b": "its Transfer-Encoding is not a list of codings",
    b"chunk\xc3\xa9d": "its Transfer-Encoding is not a list of codings",
}


@pytest.mark.parametrize("codings", CODINGS_AT_FAULT)
def test_codings_that_readers_take_differently_are_refused(codings):
    assert read(head(b"Transfer-Encoding: " + codings) + HI).why == CODINGS_AT_FAULT[codings]


def test_a_chunked_body_over_http_1_0_is_read_and_ends_its_connection():
    """RFC 9112 section 6.1: its framing is faulty, so the connection is closed after the message."""
    first = b"HTTP/1.0 200 OK"
    got = read(head(b"Connection: keep-alive", b"Transfer-Encoding: chunked", first=first) + HI)
    assert (got.body, got.keep) == (b"hi", False)


def test_a_body_without_a_length_ends_with_the_connection():
    got = read(head(b"Server: x") + b"hello")
    assert (got.body, got.keep, got.length, got.rest) == (b"hello", False, None, b"")
    assert read(head(b"Server: x")).body == b""


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("line", [b"A: b", b"Content-Length: 2", b"Transfer-Encoding: chunked"])
def test_a_response_without_a_body_ends_with_its_head(status, method, line):
    first = b"HTTP/1.1 %d X" % status
    got = read(head(line, first=first), method)
    assert (got.status, got.body, got.keep, got.rest, got.length) == (status, b"", True, b"", None)
    got = read(head(line, first=first) + HI, method)
    assert (got.body, got.keep, got.rest) == (b"", False, HI)


@pytest.mark.parametrize(
    "line", [b"A: b", b"Content-Length: 2", b"Transfer-Encoding: chunked", b"transfer-ENCODING: x"]
)
def test_the_response_to_head_has_no_body(line):
    got = read(head(line), "HEAD")
    assert (got.status, got.body, got.keep, got.rest, got.length) == (200, b"", True, b"", None)
    assert read(head(line) + b"hi", "HEAD").rest == b"hi"


@pytest.mark.parametrize("lines", [[], [b"Content-Length: 2"], [b"Content-Length: 2", b"Transfer-Encoding: chunked"]])
def test_what_follows_the_response_to_connect_is_another_protocol(lines):
    got = read(head(*lines) + b"\x16\x03", "CONNECT")
    assert (got.status, got.body, got.keep, got.rest) == (200, b"", False, b"\x16\x03")
    assert not read(head(*lines), "CONNECT").keep


def test_a_refused_connect_has_a_body():
    got = read(head(b"Content-Length: 2", first=b"HTTP/1.1 407 Who") + b"hi", "CONNECT")
    assert (got.status, got.body, got.rest) == (407, b"hi", b"")


@pytest.mark.parametrize("lines", [[], [b"Upgrade: x", b"Connection: upgrade"], [b"Content-Length: 0"]])
def test_what_follows_a_101_is_another_protocol(lines):
    got = read(head(*lines, first=b"HTTP/1.1 101 Switching Protocols") + b"\x81\x00")
    assert (got.status, got.body, got.keep, got.rest, got.interim) == (101, b"", False, b"\x81\x00", 0)
    assert not read(head(*lines, first=b"HTTP/1.1 101 Switching Protocols")).keep


# Interim responses


@pytest.mark.parametrize("line", [b"Link: </a>", b"Content-Length: 0", b"X: a\r\n b"])
@pytest.mark.parametrize("count", [1, 2, 3000])
def test_interim_responses_are_skipped_and_the_last_one_is_noted(line, count):
    interim = head(first=b"HTTP/1.1 100 Continue") + head(line, first=b"HTTP/1.1 103 Early Hints") * count
    got = read(interim + OK + TWO, cuts=2)
    assert (got.status, got.interim, got.fields, got.body, got.keep) == (
        200, 103, [("Content-Length", "2")], b"hi", True,
    )  # fmt: skip


def test_an_interim_response_is_seen_before_the_final_one_comes():
    reader = Reader()
    reader.begin("POST")
    assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20") == b""
    assert (reader.interim, reader.headed, reader.done, reader.begun) == (100, False, False, True)
    assert reader.feed(b"0 OK\r\n" + TWO) == b"hi"
    assert (reader.interim, reader.status, reader.done) == (100, 200, True)
    reader.begin("POST")
    assert (reader.interim, reader.begun, reader.status, reader.fields) == (0, False, 0, [])


@pytest.mark.parametrize("line", [b"Content-Length: 2", b"Transfer-Encoding: chunked", b"content-LENGTH: 1"])
def test_an_interim_response_that_says_it_has_a_body_is_refused(line):
    data = head(line, first=b"HTTP/1.1 103 Early Hints") + OK + TWO
    assert read(data).why == "an interim response says that it has a body"


def test_an_interim_response_of_http_1_0_is_skipped():
    got = read(b"HTTP/1.0 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n" + TWO)
    assert (got.status, got.body, got.keep) == (200, b"hi", False)


# Whether the connection may be used again

CONNECTIONS = {
    ("1.1", ()): True,
    ("1.1", ("close",)): False,
    ("1.1", ("Close",)): False,
    ("1.1", ("foo, \tclose",)): False,
    ("1.1", ("foo", "close")): False,
    ("1.1", ("keep-alive", "close")): False,
    ("1.1", ("close", "keep-alive")): False,
    ("1.1", ("close, keep-alive",)): False,
    ("1.1", ("keep-alive",)): True,
    ("1.1", ("upgrade",)): True,
    ("1.1", ("closed",)): True,
    ("1.1", ("",)): True,
    ("1.0", ()): False,
    ("1.0", ("keep-alive",)): True,
    ("1.0", ("foo, Keep-Alive",)): True,
    ("1.0", ("keep-alive", "close")): False,
    ("1.0", ("close",)): False,
    ("1.2", ()): True,
    ("2.0", ()): False,
}


@pytest.mark.parametrize("name", [b"Connection", b"connection", b"cONNECTION"])
@pytest.mark.parametrize(("version", "values"), CONNECTIONS)
def test_a_connection_is_kept_as_its_version_and_the_headers_say(version, values, name):
    lines = [name + b": " + value.encode() for value in values]
    first = b"HTTP/%s 200 OK" % version.encode()
    got = read(head(*lines, b"Content-Length: 2", first=first) + b"hi")
    assert (got.body, got.keep) == (b"hi", CONNECTIONS[version, values])
    assert read(head(*lines, b"Content-Length: 2", first=first), "HEAD").keep == got.keep


def test_a_close_in_an_interim_response_counts():
    got = read(head(b"Connection: close", first=b"HTTP/1.1 100 Continue") + OK + TWO)
    assert (got.body, got.keep) == (b"hi", False)


@pytest.mark.parametrize("extra", [b"x", b"\r\n", OK + TWO, b"\0" * 1000])
@pytest.mark.parametrize("first", [OK + TWO, CHUNKED + HI, head(b"Content-Length: 0"), OK.replace(b"\r", b"") + TWO])
def test_bytes_after_the_end_are_set_aside_and_end_the_connection(first, extra):
    got = read(first + extra)
    assert (got.rest, got.keep) == (extra, False)
    assert got.body == read(first).body


def test_bytes_before_the_first_request_are_no_response():
    reader = Reader()
    assert reader.done
    assert reader.feed(OK + TWO) == b""
    assert (reader.rest, reader.headed, reader.keep) == (OK + TWO, False, False)


def test_one_reader_reads_one_response_after_the_other():
    reader = Reader()
    for method, data, body in [
        ("GET", OK + TWO, b"hi"), ("HEAD", OK + b"Content-Length: 9\r\n\r\n", b""), ("GET", CHUNKED + HI, b"hi"),
        ("DELETE", b"HTTP/1.1 204 Gone\r\n\r\n", b""), ("GET", OK + TWO, b"hi"),
    ] * 3:  # fmt: skip
        reader.begin(method)
        assert not reader.done
        assert b"".join(reader.feed(data[at : at + 7]) for at in range(0, len(data), 7)) == body
        assert (reader.done, reader.keep, reader.rest) == (True, True, b"")


@pytest.mark.parametrize("data", [b"HTTP/1.1 20", OK + TWO[:-1], CHUNKED + b"2\r\nh", OK + TWO + b"more", OK + b"A: b"])
def test_nothing_is_left_of_a_response_once_the_next_one_begins(data):
    reader = Reader()
    reader.begin("GET")
    reader.feed(data)
    reader.begin("POST")
    assert (reader.done, reader.headed, reader.begun, reader.keep, reader.rest) == (False, False, False, False, b"")
    assert (reader.status, reader.version, reader.fields, reader.length, reader.trailers) == (0, "", [], None, None)
    assert reader.feed(CHUNKED + HI) == b"hi"
    assert (reader.done, reader.length, reader.trailers, reader.keep) == (True, None, [], True)


# The connection ends too early

CUT = {
    b"": ("the connection was closed before the first byte of a response", False),
    b"H": ("the connection was closed in the middle of its headers", False),
    OK: ("the connection was closed in the middle of its headers", False),
    OK + b"Content-Length: 2\r\n": ("the connection was closed in the middle of its headers", False),
    head(first=b"HTTP/1.1 100 Continue"): ("the connection was closed in the middle of its headers", False),
    OK + TWO[:-2]: ("the connection was closed after 0 of the 2 bytes of its body", True),
    OK + TWO[:-1]: ("the connection was closed after 1 of the 2 bytes of its body", True),
    CHUNKED: ("the connection was closed before the last chunk of its body", True),
    CHUNKED + b"2\r\nh": ("the connection was closed before the last chunk of its body", True),
    CHUNKED + b"2\r\nhi\r\n": ("the connection was closed before the last chunk of its body", True),
    CHUNKED + b"2\r\nhi\r\n0\r\n": ("the connection was closed before the last chunk of its body", True),
    CHUNKED + b"2\r\nhi\r\n0\r\nA: b\r\n": ("the connection was closed before the last chunk of its body", True),
}


@pytest.mark.parametrize("data", CUT)
def test_a_response_that_is_cut_off_is_refused_and_says_where(data):
    why, headed = CUT[data]
    assert read(data) == Refused(why, too_large=False, headed=headed, begun=bool(data))


def test_the_end_after_a_whole_response_is_no_fault():
    reader = Reader()
    reader.begin("GET")
    reader.feed(OK + TWO)
    assert reader.keep
    reader.end()
    assert reader.done
    assert not reader.keep


@given(st.binary(max_size=40), st.sampled_from(["length", "chunked"]), st.data())
def test_no_cut_of_a_framed_response_is_taken_for_the_whole(body, how, data):
    if how == "length":
        whole = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    else:
        whole = CHUNKED + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    assert read(whole, cuts=1).body == body
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert isinstance(read(whole[:cut], cuts=1), Refused)


# Bounds

BOUND = 8192
FLOODS = {
    "one header": head(b"A: " + b"a" * BOUND),
    "headers": head(*[b"A: " + b"a" * 1000] * 9),
    "many headers": head(*[b"a:"] * (BOUND // 32 + 1)),
    "a header without an end": OK + b"A" * (BOUND + 1),
    "a status line": b"HTTP/1.1 200 " + b"x" * BOUND + b"\r\n\r\n",
    "folds": OK + b"A: a\r\n" + b" \r\n" * BOUND,
    "empty lines before it": b"\r\n" * BOUND,
    "interim responses": head(b"A: b", first=b"HTTP/1.1 103 X") * BOUND,
    "interim responses of some size": head(b"A: " + b"a" * 3000, first=b"HTTP/1.1 103 X") * 3,
    "a trailer": CHUNKED + b"0\r\nA: " + b"a" * BOUND + b"\r\n\r\n",
    "a trailer without an end": CHUNKED + b"0\r\n" + b"a" * (BOUND + 1),
    "trailers": CHUNKED + b"0\r\n" + (b"A: " + b"a" * 1000 + b"\r\n") * 9,
    "many trailers": CHUNKED + b"0\r\n" + b"a:\r\n" * (BOUND // 32 + 1) + b"\r\n",
    "a chunk extension": CHUNKED + b"1;a=" + b"a" * (BOUND + 20) + b"\r\na\r\n",
    "a chunk size without an end": CHUNKED + b"0" * (BOUND + 20),
    "a chunk extension after much data": CHUNKED
    + b"fff0;a=%b\r\n%b\r\n1;a=%b\r\na\r\n" % (b"a" * 20, b"x" * 0xFFF0, b"a" * (BOUND + 20)),
    "chunk extensions": CHUNKED + (b"1;a=" + b"a" * 100 + b"\r\na\r\n") * 100,
}


@pytest.mark.parametrize("name", FLOODS)
def test_what_is_over_a_bound_is_refused_as_too_large(name):
    refused = read(FLOODS[name], max_head=BOUND, cuts=2)
    assert isinstance(refused, Refused)
    assert refused.too_large, refused.why
    assert "8,192 bytes" in refused.why or "256" in refused.why


def test_a_head_of_just_the_bound_is_read_and_one_byte_more_is_not():
    for more, too_large in ((0, False), (1, True)):
        frame = len(head(b"A: ", b"Content-Length: 2"))
        data = head(b"A: " + b"a" * (BOUND - frame + more), b"Content-Length: 2") + b"hi"
        got = read(data, max_head=BOUND, cuts=2)
        assert isinstance(got, Refused) == too_large


def test_as_many_headers_as_the_bound_allows_are_read():
    got = read(head(*[b"a:"] * (BOUND // 32)), max_head=BOUND, cuts=2)
    assert len(got.fields) == BOUND // 32


def test_extensions_that_are_small_beside_their_data_have_no_bound():
    data = CHUNKED + (b"40;signature=%b\r\n%b\r\n" % (b"a" * 100, b"x" * 64)) * 1000 + b"0\r\n\r\n"
    assert read(data, max_head=BOUND, cuts=1).body == b"x" * 64_000


def feed(reader: Reader, data: bytes) -> None:
    for at in range(0, len(data), 100):
        reader.feed(data[at : at + 100])


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_takes_no_more_memory_than_its_bound(name):
    """A reader that is fed by little pieces stores no more than the bound, and refuses soon after it."""
    data = FLOODS[name] * 3
    reader = Reader(BOUND)
    reader.begin("GET")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(BadResponse):
            feed(reader, data)
        assert tracemalloc.get_traced_memory()[1] - before < 40 * BOUND
    finally:
        tracemalloc.stop()
    assert len(reader._held) < BOUND + 200


class Counting:
    """A pattern that counts the bytes it looks at."""

    def __init__(self, pattern) -> None:
        self.pattern, self.looked_at = pattern, 0

    def search(self, held, at):
        self.looked_at += len(held) - at
        return self.pattern.search(held, at)


def test_a_head_that_comes_in_many_pieces_is_not_looked_through_for_each(monkeypatch):
    blank = Counting(http1._BLANK)
    monkeypatch.setattr(http1, "_BLANK", blank)
    data = head(*[b"A: " + b"a" * 100] * 100, b"Content-Length: 2")
    assert read_pieces([data[at : at + 1] for at in range(len(data))] + [b"hi"]).body == b"hi"
    assert blank.looked_at < 5 * len(data)


def test_lines_that_are_remembered_are_bounded():
    from asyncapi.sansio.http import heads

    for number in range(5000):
        data = head(b"X-%d: %d" % (number, number), b"Content-Length: %d" % number, b"A: " + b"%d" % number * 100)
        assert read_pieces([data], "HEAD").status == 200
        assert read_pieces([data[:9], data[9:]], "HEAD").status == 200
    for remembered in (heads.usual_field.__self__, heads.any_field.__self__, heads._names):
        assert 1 <= len(remembered) <= 1024
        assert not any(len(line) > 160 for line in remembered)
    assert len(heads.FRAMINGS) <= 1024


@pytest.mark.parametrize("line", [b"Set-Cookie: a=secret", b"set-cookie: a=secret", b"Location: /?code=secret"])
def test_secrets_are_not_remembered(line):
    from asyncapi.sansio.http import heads

    assert read_pieces([head(line, b"Content-Length: 0")]).fields[0][1].endswith("secret")
    assert line not in heads.usual_field.__self__


# Any bytes at all


@given(st.binary(max_size=200), st.sampled_from(["GET", "HEAD", "CONNECT"]))
def test_any_bytes_are_read_or_refused(data, method):
    read(data, method, cuts=2)


LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.1 204 X", b"Content-Length: 2", b"2",
        b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close", b"",
        b"Connection: keep-alive", b"2;a=b", b"0", b"hi", b" folded", b"A: b", b"a" * 20, b"\0", b"A: \r", b"ffff",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.sampled_from([b"\r\n", b"\n", b"\r", b""])), max_size=12), st.randoms())
def test_any_lines_are_read_or_refused_the_same_however_they_are_cut(lines, chance: random.Random):
    data = b"".join(line + end for line, end in lines)
    whole = read(data, cuts=3)
    assert read_pieces(cuts_of(data, chance)) == whole


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_!~", min_size=1, max_size=12)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=20)


@given(
    st.integers(200, 999).filter(lambda status: status not in {204, 304}),
    st.lists(st.tuples(TOKENS.map("X-{}".format), VALUES), max_size=8),
    st.lists(st.binary(min_size=1, max_size=30), max_size=5),
    st.sampled_from(["length", "chunked", "close"]),
)
def test_what_is_written_is_read(status, fields, pieces, how):
    lines = [f"{name}: {value}".encode() for name, value in fields]
    body = b"".join(pieces)
    if how == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif how == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
    sent = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    got = read(head(*lines, first=b"HTTP/1.1 %d X" % status) + (sent if how == "chunked" else body), cuts=2)
    assert isinstance(got, Read)
    assert (got.status, got.body, got.keep) == (status, body, how != "close")
    assert got.fields[: len(fields)] == [(name, value.strip(" \t")) for name, value in fields]
