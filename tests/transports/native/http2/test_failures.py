"""What failed over HTTP/2: in words of our own, and whether the server may have begun the request."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from asyncapi.sansio.http2 import events as ev
from asyncapi.transports.native.http2 import failures
from asyncapi.types import Request

REQUEST = Request("POST", "https://h/")


def exchange(*, headed: bool = False) -> SimpleNamespace:
    return SimpleNamespace(request=REQUEST, headed=headed)


@pytest.mark.parametrize(
    ("code", "headed", "message", "unprocessed"),
    [
        (ev.REFUSED_STREAM, False, "the server has not begun the request: it has refused the stream", True),
        (ev.REFUSED_STREAM, True, "the body broke off: the server has reset the stream (REFUSED_STREAM)", False),
        (ev.HTTP_1_1_REQUIRED, False, "the server has not begun the request", True),
        (ev.CANCEL, False, "there is no response: the server has reset the stream (CANCEL)", False),
        (ev.INTERNAL_ERROR, True, "the body broke off: the server has reset the stream (INTERNAL_ERROR)", False),
        (0x77, False, "there is no response: the server has reset the stream (error 0x77)", False),
    ],
)
def test_a_reset_by_the_server(code, headed, message, unprocessed):
    error = failures.reset(exchange(headed=headed), ev.Reset(1, code))
    assert error.message.startswith(message)
    assert (error.unprocessed, error.final, error.stale) == (unprocessed, False, False)


@pytest.mark.parametrize(
    ("code", "headed", "message", "final"),
    [
        (ev.PROTOCOL_ERROR, False, "the response isn't valid HTTP: it has no status", False),
        (ev.PROTOCOL_ERROR, True, "the body broke off: it has no status", False),
        (ev.ENHANCE_YOUR_CALM, False, "max_headers", True),
        (ev.REFUSED_STREAM, False, "the response isn't valid HTTP: it has no status", False),
    ],
)
def test_a_response_that_the_engine_refuses_proves_nothing(code, headed, message, final):
    error = failures.reset(exchange(headed=headed), ev.Reset(1, code, ours=True, why="it has no status"))
    assert message in error.message
    assert (error.unprocessed, error.final) == (False, final)


@pytest.mark.parametrize(
    ("code", "reason"), [(ev.NO_ERROR, "(GOAWAY)"), (ev.INTERNAL_ERROR, "(GOAWAY, INTERNAL_ERROR)")]
)
def test_a_goaway_that_leaves_a_request_out_says_that_it_was_not_begun(code, reason):
    error = failures.went_away(code, REQUEST)
    assert error.message.endswith(reason)
    assert error.unprocessed


def test_a_broken_or_silent_connection_proves_nothing():
    broken = failures.broken(exchange(), ev.Fault(1, "a frame is too long"))
    silent = failures.silent(exchange(), 30.0)
    assert broken.message == "the response isn't valid HTTP: a frame is too long"
    assert "PING for 30 s" in silent.message
    assert not (broken.unprocessed)
    assert not (silent.unprocessed)
