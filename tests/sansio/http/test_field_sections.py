"""Field sections of HTTP/2 and HTTP/3: what is sent, and what of a response is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http.codings import accepted
from asyncapi.sansio.http.field_sections import (
    BadSection,
    content_length,
    request_section,
    response_section,
    trailer_section,
)

PSEUDO = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"h.example:8443"), (b":path", b"/a?b")]
DEFAULTS = [(b"accept", b"*/*"), (b"accept-encoding", accepted().encode())]
QUIET = {"Accept": "x", "Accept-Encoding": "y"}
BOUND = 10_000


def section(headers=(), method="GET", length=None, *, body=False):
    return request_section(method, "h.example:8443", "/a?b", CIMultiDict(headers), length, body=body)


def test_a_request_has_its_pseudo_fields_first_and_the_usual_defaults():
    assert section() == PSEUDO + DEFAULTS


def test_what_the_caller_sets_goes_before_defaults_in_lower_case_and_in_its_order():
    headers = [("X-B", "1"), ("Accept", "text/plain"), ("x-a", "2"), ("ACCEPT-ENCODING", "gzip"), ("X-B", "3")]
    assert section(headers)[4:] == [
        (b"x-b", b"1"),
        (b"accept", b"text/plain"),
        (b"x-a", b"2"),
        (b"accept-encoding", b"gzip"),
        (b"x-b", b"3"),
    ]


def test_host_becomes_the_authority():
    sent = section({"Host": "other.example", **QUIET})
    assert sent[2] == (b":authority", b"other.example")
    assert not [name for name, _ in sent if name == b"host"]


@pytest.mark.parametrize("name", ["Connection", "keep-alive", "Proxy-Connection", "Transfer-Encoding", "UPGRADE"])
def test_fields_of_a_connection_are_not_sent(name):
    assert len(section({name: "x", **QUIET})) == 6


def test_te_says_trailers_or_nothing():
    assert (b"te", b"trailers") in section({"TE": "trailers"})
    assert not [name for name, _ in section({"TE": "gzip"}) if name == b"te"]


@pytest.mark.parametrize(
    ("method", "headers", "length", "body", "framing"),
    [
        ("GET", {}, None, False, []),
        ("DELETE", {}, None, False, []),
        ("POST", {}, None, False, [(b"content-length", b"0")]),
        ("POST", {"Content-Length": "0"}, None, False, [(b"content-length", b"0")]),
        ("GET", {}, 3, True, [(b"content-type", b"application/octet-stream"), (b"content-length", b"3")]),
        ("PUT", {"Content-Type": "a/b"}, 3, True, [(b"content-type", b"a/b"), (b"content-length", b"3")]),
        ("PUT", {"Content-Type": "a/b"}, None, True, [(b"content-type", b"a/b")]),
        ("PUT", {"Content-Length": "7", "Content-Type": "a/b"}, 3, True,
         [(b"content-length", b"7"), (b"content-type", b"a/b")]),
    ],
)  # fmt: skip
def test_a_body_says_its_length_where_it_is_known(method, headers, length, body, framing):
    sent = section({**QUIET, **headers}, method, length, body=body)
    assert [field for field in sent[4:] if field[0].startswith(b"content")] == framing


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\0b"), ("x\r\ny", "a"), ("x y", "a"), (":path", "/"), ("", "a"),
        ("x\xe9", "a"), ("\u212aelvin", "a"),
    ],
)  # fmt: skip
def test_nothing_in_a_header_can_become_another(name, value):
    with pytest.raises(ValueError, match="line break or control character"):
        section([(name, value)])


def test_blanks_at_the_ends_of_a_value_are_cut_off_and_odd_bytes_survive():
    sent = section({"X-A": " \ta b \t", "X-B": b"\xff\xe9".decode("utf-8", "surrogateescape"), "X-C": "é"})
    assert (b"x-a", b"a b") in sent
    assert (b"x-b", b"\xff\xe9") in sent
    assert (b"x-c", "é".encode()) in sent


def test_a_response_is_read():
    status, fields = response_section([(b":status", b"204"), (b"x-a", b"b c"), (b"x-b", b"\xff"), (b"x-c", b"")], BOUND)
    assert (status, fields) == (204, [("x-a", "b c"), ("x-b", "\udcff"), ("x-c", "")])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [(b"x", b"y")],
        [(b"x", b"y"), (b":status", b"200")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"x", b"y"), (b":x", b"y")],
        [(b":status", b"20")],
        [(b":status", b"2000")],
        [(b":status", b"+20")],
        [(b":status", b"000")],
        [(b":status", b" 200")],
        [(b":status", b"101")],
        [(b":status", b"200"), (b"X", b"y")],
        [(b":status", b"200"), (b"", b"y")],
        [(b":status", b"200"), (b"x y", b"y")],
        [(b":status", b"200"), (b"x\xe9", b"y")],
        [(b":status", b"200"), (b"x", b"y\r\nz: 1")],
        [(b":status", b"200"), (b"x", b"\0")],
        [(b":status", b"200"), (b"x", b" y")],
        [(b":status", b"200"), (b"x", b"y\t")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200"), (b"keep-alive", b"x")],
        [(b":status", b"200"), (b"te", b"gzip")],
    ],
)
def test_a_malformed_response_is_refused_without_its_bytes(lines):
    with pytest.raises(BadSection) as caught:
        response_section(lines, BOUND)
    assert not caught.value.too_large
    assert "y" not in caught.value.why.split()


def test_long_and_short_values_are_held_to_the_same_rules():
    for padding in (0, 500):
        with pytest.raises(BadSection):
            response_section([(b":status", b"200"), (b"x", b"y" * padding + b"\n")], BOUND)
        assert response_section([(b":status", b"200"), (b"x", b"y" * padding)], BOUND)[1] == [("x", "y" * padding)]


def test_a_section_is_bounded():
    lines = [(b":status", b"200"), (b"abc", b"defg"), (b"x", b"")]
    assert response_section(lines, 72)[0] == 200
    with pytest.raises(BadSection) as caught:
        response_section(lines, 71)
    assert caught.value.too_large


def test_trailers_have_no_pseudo_fields():
    assert trailer_section([(b"x", b"y")], BOUND) == [("x", "y")]
    with pytest.raises(BadSection):
        trailer_section([(b":status", b"200")], BOUND)


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ([], None),
        (["12"], 12),
        (["12", "12"], 12),
        (["12, 12"], 12),
        (["12", "13"], "bad"),
        (["-1"], "bad"),
        (["1" * 19], "bad"),
        ([""], "bad"),
        (["\u0661"], "bad"),
    ],
)
def test_content_length_is_one_number(values, length):
    fields = [("content-length", value) for value in values]
    if length != "bad":
        assert content_length(fields) == length
        return
    with pytest.raises(BadSection):
        content_length(fields)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=4))
def test_what_is_accepted_can_be_sent_again_as_it_came(lines):
    try:
        _, fields = response_section([(b":status", b"200"), *lines], BOUND)
    except BadSection:
        return
    sent = section([*fields, *QUIET.items()])
    kept = [line for line in lines if line[0] != b"host"]
    assert sent[4:-2] == kept
