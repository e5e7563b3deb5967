"""The time limit of one attempt: armed only where it comes before the deadline, and clear when it has come."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.messages.call import Call, CallSettings
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.testing import FakeClock
from asyncapi.transports import attempt_limit
from asyncapi.types import Request


def prepared(limit, left):
    """A clock, its watchdog, and a request with this limit and this time left until its deadline."""
    clock = FakeClock()
    request = Request("GET", "https://h/")
    request.call = Call(clock.now(), "h", CallSettings(attempt=limit))
    request.call.task = asyncio.current_task()
    request.deadline = None if left is None else clock.now() + left
    return clock, Watchdog(clock), request


@pytest.mark.parametrize(
    ("limit", "left", "armed"),
    [
        (None, None, False),
        (None, 1.0, False),
        (2.0, None, True),
        (2.0, 3.0, True),
        (2.0, 2.0, False),  # the deadline's own guard ends it
        (2.0, 1.0, False),
    ],
)
async def test_a_limit_is_watched_only_where_it_comes_before_the_deadline(limit, left, armed):
    clock, watchdog, request = prepared(limit, left)
    guard = attempt_limit.enter(watchdog, clock, request)
    assert (guard is not None) is armed
    if guard is not None:
        watchdog.leave(guard)
    watchdog.close()


@pytest.mark.parametrize("phase", ["connect", "headers", "body"])
async def test_the_error_says_the_limit_and_what_it_was_waiting_for(phase):
    _, _, request = prepared(2.0, None)
    request.call.phase = phase
    error = attempt_limit.timed_out(request)
    assert str(error) == f"GET https://h/: the attempt took longer than 2 s and was ended during {phase}"
    assert error.phase == phase
