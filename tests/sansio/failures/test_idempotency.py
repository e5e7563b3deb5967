"""Idempotency keys: what a key was used for, and what the attempts of a call say about its outcome."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from asyncapi import Attempt, CircuitOpen, ConnectError, ProtocolError, Request, RequestTimeout, TLSError
from asyncapi.sansio.failures.idempotency import UsedKeys, maybe_processed, outcome_unknown
from asyncapi.types import Body


def request(key="k", content=b"1", method="POST", url="https://h/a"):
    return Request(method, url, content=content, idempotency_key=key)


def test_a_key_stands_for_one_body():
    used = UsedKeys()
    assert used.fits(request())
    assert used.fits(request())
    assert not used.fits(request(content=b"2"))
    assert not used.fits(request(content=None))
    assert used.fits(request())


def test_other_places_and_other_keys_are_other_uses():
    used = UsedKeys()
    assert used.fits(request())
    assert used.fits(request(content=b"2", key="other"))
    assert used.fits(request(content=b"2", url="https://h/b"))
    assert used.fits(request(content=b"2", method="PATCH"))


def test_streams_and_calls_without_a_key_are_left_alone():
    used = UsedKeys()
    stream = Body(lambda: None, length=None, rewindable=True)
    assert used.fits(request())
    assert used.fits(request(content=stream))
    assert used.fits(request(key=None, content=b"2"))


def test_memory_is_bounded():
    used = UsedKeys(max_keys=100)
    for number in range(1000):
        assert used.fits(request(key=str(number)))
    assert len(used._uses) == 100
    assert not used.fits(request(key="999", content=b"2"))


@pytest.mark.parametrize(
    ("error", "phase", "expected"),
    [
        (ConnectError("refused"), "connect", False),
        (TLSError("expired"), "connect", False),
        (ProtocolError("cut"), "headers", True),
        (RequestTimeout("late", phase="connect"), "connect", False),
        (RequestTimeout("late", phase="queue"), "queue", False),
        (RequestTimeout("late", phase="send"), "send", True),
        (RequestTimeout("late", phase="body"), "body", True),
        (CircuitOpen("open"), "queue", False),
        (asyncio.CancelledError(), "connect", False),
        (asyncio.CancelledError(), "headers", True),
        (RuntimeError("a bug"), "headers", True),
    ],
)
def test_an_attempt_is_unsure_unless_it_proves_that_nothing_was_done(error, phase, expected):
    assert maybe_processed(error, phase) == expected


def attempt(what, method="POST"):
    made = Attempt(1, method, None, "", 0.0, 0.0)
    if what == "cut":
        made.unsure = True
    elif what != "refused":
        made.status = what
    return made


SETTLE = (200, 201, 303, 400, 402, 404, 410, 422)
LEAVE_OPEN = ("cut", "refused", 307, 308, 401, 403, 407, 408, 409, 425, 429, 500, 502, 503, 504)


@pytest.mark.parametrize("last", SETTLE)
def test_a_response_to_the_replayed_key_settles_it(last):
    assert not outcome_unknown("POST", [attempt("cut"), attempt(503), attempt(last)])


@pytest.mark.parametrize(("one", "two"), list(product(LEAVE_OPEN, LEAVE_OPEN)))
def test_nothing_else_does(one, two):
    assert outcome_unknown("POST", [attempt("cut"), attempt(one), attempt(two)])
    assert outcome_unknown("POST", [attempt(one), attempt(two)]) == ("cut" in {one, two})


def test_what_becomes_of_the_get_after_a_303_leaves_the_post_settled():
    assert not outcome_unknown("POST", [attempt(303), attempt("cut", "GET")])


@pytest.mark.parametrize(("method", "settled"), [("POST", True), ("PUT", False), ("PATCH", False), ("DELETE", False)])
@pytest.mark.parametrize("status", [301, 302])
def test_what_is_to_be_sent_elsewhere_is_not_done_yet(method, settled, status):
    assert outcome_unknown(method, [attempt(status, method), attempt("cut", method)]) != settled
