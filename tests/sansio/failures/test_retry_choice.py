"""Whether a failure is worth a retry, when it is sent, and whether it costs budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.errors import ConnectError, ProtocolError, TLSError
from asyncapi.sansio.failures.resend import RETRY_STATUSES
from asyncapi.sansio.failures.retry_choice import Free, Replays, backoff, is_worth_it, wait_asked_for
from asyncapi.testing import reply
from asyncapi.types import Request

WALL = 1_700_000_000.0
GET = Request("GET", "https://h/1")
WITH_KEY = Request("POST", "https://h/1", idempotency_key="k")


@pytest.mark.parametrize(
    ("request_", "failure", "worth_it"),
    [
        (GET, ConnectError("refused"), True),
        (GET, ProtocolError("broken off"), True),
        (GET, TLSError("no such certificate"), False),  # it will be refused again
        (GET, reply(503), True),
        (GET, reply(429), True),
        (GET, reply(500, headers={"x-should-retry": "false"}), False),
        (GET, reply(400, headers={"x-should-retry": "true"}), True),
        (GET, reply(200, headers={"x-should-retry": "true"}), False),  # no failure
        (GET, reply(404), False),
        (GET, reply(403), False),
        (GET, reply(403, headers={"Retry-After": "1"}), True),  # a rate limit
        (GET, reply(409), False),
        (WITH_KEY, reply(409), True),  # an earlier attempt with this key is still worked on
    ],
)
def test_the_server_decides_and_else_the_kind_of_failure(request_, failure, worth_it):
    assert is_worth_it(request_, failure, RETRY_STATUSES) is worth_it


def test_without_429_among_the_statuses_no_rate_limit_is_retried():
    statuses = RETRY_STATUSES - {429}
    assert not is_worth_it(GET, reply(429), statuses)
    assert not is_worth_it(GET, reply(403, headers={"Retry-After": "1"}), statuses)


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (reply(503, headers={"Retry-After": "7"}), 7.0),
        (reply(503), None),
        (reply(429, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}), 30.0),
        (reply(429, headers={"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "30"}), None),
        (ConnectError("refused"), None),
    ],
)
def test_a_response_may_ask_for_a_wait_and_an_error_never_does(failure, seconds):
    assert wait_asked_for(failure, WALL) == seconds


@given(retry=st.integers(1, 100), draw=st.floats(0, 1, exclude_max=True))
def test_at_once_means_the_upper_half_of_the_wait(retry, draw):
    """A server that rounds the rest of a second down to whole ones says 0."""
    usual, at_once = (backoff(retry, draw, base=0.5, cap=30.0, asked=asked) for asked in (None, 0.0))
    ceiling = min(30.0, 0.5 * 2.0 ** (retry - 1))
    assert 0 <= usual <= ceiling
    assert ceiling / 2 <= at_once <= ceiling


@pytest.mark.parametrize(
    ("failure", "wait", "backlog", "free"),
    [
        (reply(429), 5.0, False, "asked"),
        (reply(429), 5.0, True, "asked"),
        (reply(429), 0.0, False, "paced"),
        (reply(429), None, True, "paced"),
        (reply(429), None, False, None),  # a single call that nobody asked to wait
        (reply(503), 5.0, True, None),  # no rate limit
        (ConnectError("refused"), None, True, None),
    ],
)
def test_what_a_limit_has_asked_for_costs_no_budget(failure, wait, backlog, free):
    for asked, paced in ((True, False), (False, True), (False, False), (True, True)):
        expected = (asked and free == "asked") or (paced and free == "paced")
        assert Free(asked=asked, paced=paced).covers(failure, wait, backlog=backlog) is expected


@pytest.mark.parametrize("request_", [GET, WITH_KEY, Request("POST", "https://h/1")], ids=["GET", "key", "POST"])
def test_what_was_not_begun_is_replayed_three_times_and_a_closed_connection_once(request_):
    closed, refused = ProtocolError("closed", request=request_), ProtocolError("refused", request=request_)
    closed.stale = refused.unprocessed = True
    replays = Replays()
    seen = [replays.of(request_, failure) for failure in (closed, closed, refused, refused, refused, refused)]
    safe_to_repeat = request_.method == "GET" or request_.idempotency_key is not None
    assert [each is not None for each in seen] == [safe_to_repeat, False, True, True, True, False]


def final(error: ProtocolError) -> ProtocolError:
    error.unprocessed = error.final = True
    return error


@pytest.mark.parametrize(
    "failure",
    [ProtocolError("cut"), ConnectError("refused"), TLSError("expired"), final(ProtocolError("HTTP/1.1 alone"))],
)
def test_other_failures_are_never_replayed(failure):
    assert Replays().of(GET, failure) is None
