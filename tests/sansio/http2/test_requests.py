"""The head of a request becomes what HTTP/2 allows, and nothing else of it changes."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2.requests import Heads, lowered, octets, secret


def test_names_become_lower_case_and_values_stay_as_they_are():
    fields = [("X-One", "A b"), ("x-one", "c"), ("Cookie", "a=b; c=d"), ("X-Text", "h\u00e9\udcff"), ("Empty", "")]
    assert lowered(fields) == [
        (b"x-one", b"A b"),
        (b"x-one", b"c"),
        (b"cookie", b"a=b; c=d"),
        (b"x-text", b"h\xc3\xa9\xff"),
        (b"empty", b""),
    ]


def test_white_space_around_a_value_is_no_part_of_it():
    assert lowered([("a", " b\t")]) == [(b"a", b"b")]


@pytest.mark.parametrize(
    "name", ["Connection", "keep-alive", "Proxy-Connection", "Transfer-Encoding", "upgrade", "Host", "X-Hop"]
)
def test_what_concerns_a_connection_of_http_1_is_left_out(name):
    assert lowered([("Connection", "close, X-HOP"), (name, "x"), ("a", "b")]) == [(b"a", b"b")]


def test_te_may_say_trailers_alone():
    assert lowered([("TE", "Trailers"), ("te", "gzip, trailers")]) == [(b"te", b"Trailers")]


@pytest.mark.parametrize(
    "field", [("a b", ""), ("", "x"), (":path", "/"), ("\u00e9", ""), ("a", "b\r\nc"), ("a", "\0")]
)
def test_what_no_header_may_have_is_refused(field):
    with pytest.raises(ValueError, match=r"header has a"):
        lowered([field])
    assert octets("a\tb\x01") == b"a\tb\x01"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        (b"authorization", True),
        (b"cookie", True),
        (b"x-api-key", True),
        (b"accept", False),
        (b"idempotency-key", False),
    ],
)
def test_secrets_are_told_by_their_names(name, is_secret):
    assert secret(name) is is_secret


def test_heads_put_the_pseudo_header_fields_first_and_mark_secrets():
    heads = Heads(lambda name, value: (b"never", name + value))
    fields = (("Accept", "*/*"), ("Authorization", "x"))
    expected = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a.example"),
        (b":path", b"/%s"),
        (b"accept", b"*/*"),
        (b"never", b"authorizationx"),
    ]
    for _ in range(2):
        assert heads.lines("GET", "https", "a.example", "/%s", fields) == expected
        assert heads.lines("GET", "https", "a.example", "/%s", list(fields)) == expected
    assert heads.lines("PUT", "http", "b.example", "/", ()) == [
        (b":method", b"PUT"),
        (b":scheme", b"http"),
        (b":authority", b"b.example"),
        (b":path", b"/"),
    ]


def test_heads_remember_a_bounded_number():
    heads = Heads(lambda name, value: (name, value))
    for at in range(2_000):
        assert heads.lines("GET", "https", "a", "/", (("a", str(at)),))[-1] == (b"a", b"%d" % at)
    assert len(heads._known) <= 256
