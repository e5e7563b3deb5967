"""The header lines of a request over HTTP/2: defaults, what frames the body, and the same tuple for the same headers."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http.codings import accepted
from asyncapi.transports.native.http2.fields import FieldLines
from asyncapi.types import Body, Request

DEFAULTS = {"Accept": "*/*", "Accept-Encoding": accepted()}


async def nothing():
    return
    yield b""


def lines(method="GET", content=None, **headers) -> dict[str, str]:
    request = Request(method, "https://h/", content=content)
    return dict(FieldLines().of(request, CIMultiDict(headers)))


def test_what_the_caller_says_wins_over_the_defaults():
    assert lines() == DEFAULTS
    assert lines(accept="text/plain")["accept"] == "text/plain"
    assert "Accept" not in lines(accept="text/plain")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_methods_that_have_bodies_say_where_they_have_none(method):
    """RFC 9110 section 8.6."""
    assert lines(method)["Content-Length"] == "0"
    assert "Content-Length" not in lines("DELETE")


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"abc", {}, {"Content-Length": "3", "Content-Type": "application/octet-stream"}),
        (b"", {}, {"Content-Length": "0", "Content-Type": "application/octet-stream"}),
        (b"abc", {"Content-Type": "text/plain"}, {"Content-Length": "3", "Content-Type": "text/plain"}),
        (Body(nothing, length=None, rewindable=False), {}, {"Content-Type": "application/octet-stream"}),
    ],
)
def test_a_body_is_described_once(content, headers, expected):
    found = lines("POST", content, **headers)
    assert {name: value for name, value in found.items() if name.startswith("Content-")} == expected
    assert "Transfer-Encoding" not in found


def test_the_same_headers_give_the_same_tuple_until_they_change():
    fields, headers, request = FieldLines(), CIMultiDict({"X": "1"}), Request("GET", "https://h/")
    first = fields.of(request, headers)
    assert fields.of(request, headers) is first
    headers["X"] = "2"
    assert ("X", "2") in fields.of(request, headers)
    assert fields.of(request, CIMultiDict()) == tuple(DEFAULTS.items())


def test_lines_of_the_same_name_stay_apart_and_in_their_order():
    headers = CIMultiDict([("a", "1"), ("b", "2"), ("A", "3")])
    assert FieldLines().of(Request("GET", "https://h/"), headers)[:3] == (("a", "1"), ("b", "2"), ("A", "3"))
