"""When a request may be sent again: one row per rule."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConnectError, ProtocolError, RequestTimeout, TLSError
from asyncapi.sansio.failures.resend import (
    not_begun,
    resend_obstacle,
    rewindable,
    safe,
    says_nothing,
    timed_out,
    unprocessed,
)
from asyncapi.testing import reply
from asyncapi.types import Attempt, Body, Call, Request


def request(method: str = "GET", **settings) -> Request:
    made = Request(method, "https://h/1", **settings)
    made.call = Call(0.0, "h")
    return made


def attempt(method: str) -> Attempt:
    return Attempt(1, method, request().url, "first", 0.0, 0.0)


async def no_bytes():
    return
    yield b""


STREAM = Body(no_bytes, length=None, rewindable=False)
FILE = Body(no_bytes, length=None, rewindable=True)


@pytest.mark.parametrize(
    ("method", "key", "expected"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("OPTIONS", None, True),
        ("TRACE", None, True),
        ("PUT", None, True),
        ("DELETE", None, True),
        ("POST", None, False),
        ("PATCH", None, False),
        ("CONNECT", None, False),
        ("LOCK", None, False),
        ("POST", "k1", True),
        ("PATCH", "k1", True),
    ],
)
def test_idempotent_methods_and_keyed_requests_are_safe(method, key, expected):
    assert safe(request(method, idempotency_key=key)) is expected


@pytest.mark.parametrize(
    ("content", "expected"), [(None, True), (b"x", True), ("text", True), (FILE, True), (STREAM, False)]
)
def test_a_body_must_be_there_again(content, expected):
    asked = request("PUT", content=content)
    assert rewindable(asked) is expected
    assert safe(asked) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RequestTimeout("slow", phase="headers"), True),
        (RequestTimeout("slow", phase="body"), True),
        (RequestTimeout("slow", phase="queue"), False),  # in a line of ours, the host knows nothing of it
        (RequestTimeout("slow", phase="connect"), False),
        (ProtocolError("cut"), False),
        (reply(504), True),
        (reply(524), True),
        (reply(503), False),
        (reply(408), False),  # the host's own patience with us
    ],
)
def test_after_what_the_host_may_still_be_at_work(failure, expected):
    assert timed_out(failure) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ConnectError("refused"), True),
        (TLSError("expired"), True),
        (ProtocolError("cut"), False),
        (RequestTimeout("slow", phase="queue"), True),
        (RequestTimeout("slow", phase="connect"), True),
        (RequestTimeout("slow", phase="send"), False),
        (RequestTimeout("slow", phase="headers"), False),
        (RequestTimeout("slow", phase="body"), False),
        (reply(429), True),
        (reply(403), False),
        (reply(403, headers={"Retry-After": "1"}), True),
        (reply(520), False),
        (reply(521), True),
        (reply(522), False),  # it may have come after the connection was made
        (reply(523), True),
        (reply(524), False),
        (reply(529), True),
        (reply(408), False),
        (reply(425), False),
        (reply(500), False),
        (reply(503), False),
    ],
)
def test_what_proves_that_nothing_was_processed(failure, expected):
    assert unprocessed(failure) is expected


def test_a_post_is_resent_only_after_a_failure_that_proves_it_was_not_processed():
    assert resend_obstacle(request("POST"), reply(429)) is None
    assert resend_obstacle(request("POST"), ConnectError("refused")) is None
    assert resend_obstacle(request("POST"), reply(503)) == "POST without an idempotency key is not safe to resend"
    assert resend_obstacle(request("POST", idempotency_key="k"), reply(503)) is None


def test_a_body_that_is_gone_is_an_obstacle_for_every_method_and_failure():
    for method in ("PUT", "POST"):
        told = resend_obstacle(request(method, content=STREAM, idempotency_key="k"), ConnectError("refused"))
        assert told == "its streamed body can't be sent again"


@pytest.mark.parametrize("known_by", ["the failure", "the records"])
def test_a_redirected_post_is_not_sent_again_for_a_failure_of_the_next_get(known_by):
    asked = request("POST")
    asked.call.attempts = [attempt("POST"), attempt("GET")]
    hop = asked.copy(method="GET")
    for failure in (reply(429), ConnectError("refused", request=hop)):
        if known_by == "the failure":
            failure.request = hop
        else:
            failure.request = None
        assert resend_obstacle(asked, failure) == "POST without an idempotency key is not safe to resend"


def test_a_post_whose_redirect_kept_it_a_post_was_not_processed_before():
    asked = request("POST")
    asked.call.attempts = [attempt("POST"), attempt("POST")]
    assert resend_obstacle(asked, ConnectError("refused")) is None


@pytest.mark.parametrize(
    ("marks", "proves_nothing_was_done", "is_replayed", "blames_nobody"),
    [
        ({}, False, False, False),
        ({"stale": True}, False, False, True),
        ({"unprocessed": True}, True, True, True),
        ({"stale": True, "unprocessed": True}, True, True, True),
        ({"final": True}, False, False, False),
    ],
)
def test_what_a_broken_connection_says_of_its_request(marks, proves_nothing_was_done, is_replayed, blames_nobody):
    error = ProtocolError("closed")
    for name, value in marks.items():
        setattr(error, name, value)
    seen = unprocessed(error), not_begun(error), says_nothing(error)
    assert seen == (proves_nothing_was_done, is_replayed, blames_nobody)
    assert (resend_obstacle(request("POST"), error) is None) == proves_nothing_was_done
