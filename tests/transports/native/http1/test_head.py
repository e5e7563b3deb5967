"""The head of a request: its text is verbatim, and nothing in it can begin another line."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi import ConfigError, Request
from asyncapi.messages.request import Body
from asyncapi.transports.native.http1.head import Heads

HOST = "Host: h\r\n"


def head(method="GET", url="http://h/a?b=%2f", headers=(), content=None, **settings) -> str:
    request = Request(method, url)
    request.content = content
    return Heads().head(request, CIMultiDict(headers), HOST, **settings).decode("utf-8", "surrogateescape")


def test_the_target_is_sent_verbatim_and_host_comes_first():
    assert head().startswith("GET /a?b=%2f HTTP/1.1\r\nHost: h\r\n")
    assert head(url="http://h").startswith("GET / HTTP/1.1\r\n")
    assert head(url="http://h/?").startswith("GET /? HTTP/1.1\r\n")


def test_defaults_are_added_where_the_user_says_nothing():
    assert "Accept: */*\r\nAccept-Encoding: gzip" in head()
    assert head(headers=[("accept", "text/x"), ("ACCEPT-ENCODING", "identity")]).lower().count("accept") == 2


def test_headers_keep_their_case_and_order_and_repeat():
    text = head(headers=[("X-b", "2"), ("x-A", "1"), ("X-b", "3")])
    assert "\r\nX-b: 2\r\nx-A: 1\r\nX-b: 3\r\n" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_missing_body_is_said_where_one_is_usual(method):
    assert "\r\nContent-Length: 0\r\n" in head(method)
    assert "Content-Length" not in head("DELETE")
    assert "Content-Length" not in head("GET")


def test_a_body_has_a_length_and_a_type():
    text = head("POST", content=b"abc")
    assert "\r\nContent-Length: 3\r\n" in text
    assert "\r\nContent-Type: application/octet-stream\r\n" in text
    assert (
        head("POST", headers=[("Content-Type", "a/b"), ("Content-Length", "3")], content=b"abc").count("ontent-") == 2
    )


def test_a_stream_of_unknown_length_is_chunked():
    body = Body(lambda: None, length=None, rewindable=False)
    assert "\r\nTransfer-Encoding: chunked\r\n" in head("POST", content=body)
    assert "Transfer" not in head("POST", headers=[("Content-Length", "3")], content=body)


def test_a_proxy_gets_the_absolute_form():
    assert head(proxied="http://h").startswith("GET http://h/a?b=%2f HTTP/1.1\r\nHost: h\r\n")


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\0", "\n"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_line_break_in_a_header_is_refused(bad, where):
    headers = [(bad, "v")] if where == "name" else [("X", bad)]
    with pytest.raises(ConfigError, match="header injection"):
        head(headers=headers)


def test_bytes_that_are_not_utf_8_are_sent_as_they_came():
    request = Request("GET", "http://h/")
    headers = CIMultiDict({"If-None-Match": b'"\xe9\xff"'.decode("utf-8", "surrogateescape"), "X": "é"})
    sent = Heads().head(request, headers, HOST)
    assert b'If-None-Match: "\xe9\xff"\r\n' in sent
    assert b"X: \xc3\xa9\r\n" in sent


def test_headers_that_were_changed_since_are_written_anew():
    heads, request, headers = Heads(), Request("GET", "http://h/"), CIMultiDict({"X": "1"})
    assert b"X: 1\r\n" in heads.head(request, headers, HOST)
    headers["X"] = "2"
    assert b"X: 2\r\n" in heads.head(request, headers, HOST)
    assert b"X: 3\r\n" in heads.head(request, CIMultiDict({"X": "3"}), HOST)


@pytest.mark.parametrize(("headers", "closes"), [
    ([("Connection", "close")], True),
    ([("connection", "x , Close")], True),
    ([("Connection", "x"), ("Connection", "close")], True),
    ([("Connection", "keep-alive")], False),
    ([("X", "close")], False),
    ([], False),
])  # fmt: skip
def test_a_request_that_closes_its_connection_says_so(headers, closes):
    heads, request = Heads(), Request("GET", "http://h/")
    for _ in range(2):
        heads.head(request, CIMultiDict(headers), HOST)
        assert heads.closes is closes
        heads.head(request, CIMultiDict(X="y"), HOST)
        assert heads.closes is False


def test_a_lone_surrogate_is_refused_and_the_error_does_not_hold_the_headers():
    with pytest.raises(ConfigError, match="lone surrogate") as caught:
        head(headers=[("Authorization", "secret"), ("X", "\ud800")])
    assert caught.value.__context__ is None
    assert head(headers=[("X", "\udc80")])
