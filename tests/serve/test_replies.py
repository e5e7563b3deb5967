"""Responses as bytes: heads that say how long the body is, chunks, and what gets through before a cut."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest
from aiohttp import HttpVersion10, HttpVersion11

from asyncapi.serve.replies import Refusal, Reply, cut, head, http_date, json_reply, stalled, streamed


def bytes_of(steps) -> bytes:
    return b"".join(piece for _, piece in steps)


def test_a_head_has_status_headers_length_and_a_blank_line():
    assert head(200, [("A", "b")], 3) == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n"
    assert head(599, [], None) == b"HTTP/1.1 599 Unnamed\r\n\r\n"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_neither_body_nor_length(status):
    reply = Reply(status, (), b"left out")
    assert (reply.body, b"Content-Length" in reply.wire) == (b"", False)


def test_json_says_what_it_is():
    reply = json_reply({"a": 1}, 201, (("X", "y"),))
    assert reply.head.startswith(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX: y\r\n")
    assert json.loads(reply.body) == {"a": 1}


def test_a_refusal_is_json_with_its_message():
    refusal = Refusal(429, "later", (("Retry-After", "1"),))
    assert b"Retry-After: 1\r\n" in refusal.reply.head
    assert json.loads(refusal.reply.body) == {"error": "later"}


def test_pieces_become_chunks_and_end_with_an_empty_one():
    script = streamed(SimpleNamespace(version=HttpVersion11), "text/plain", [(0.0, b"ab"), (1.0, b"c" * 16)])
    assert b"Transfer-Encoding: chunked\r\n" in bytes_of(script.head)
    assert bytes_of(script.body) == b"2\r\nab\r\n10\r\n" + b"c" * 16 + b"\r\n0\r\n\r\n"


def test_http_1_0_has_no_chunks_and_is_refused():
    with pytest.raises(Refusal) as caught:
        streamed(SimpleNamespace(version=HttpVersion10), "text/plain", [])
    assert caught.value.reply.status == 505


def test_a_date_to_retry_after_is_never_early():
    (_, later), (_, date) = http_date(1.2, 1_700_000_000.9)
    wait = parsedate_to_datetime(later) - parsedate_to_datetime(date)
    assert wait.total_seconds() >= 1.2


@pytest.mark.parametrize("where", ["headers", "body"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("body", [b"", b"0123456789"])
def test_a_cut_response_is_never_whole(where, method, body):
    reply = Reply(200, (), body)
    sent = bytes_of(cut(reply, where, method).head)
    whole = reply.head if method == "HEAD" else reply.wire
    assert whole.startswith(sent)
    assert len(sent) < len(whole)


def test_a_stall_stands_in_the_middle_of_the_body():
    script = stalled(Reply(200, (), b"abcd"), 7.0)
    assert list(script.body) == [(0.0, b"ab"), (7.0, b"cd")]
    assert stalled(script, 1.0) is script
