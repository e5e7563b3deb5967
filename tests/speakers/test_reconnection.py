"""The row of failures of a socket: how many there may be, and how long each wait is."""

from __future__ import annotations

import pytest
from tenacity import stop_after_attempt, wait_fixed

from asyncapi import (
    AuthError,
    CircuitOpen,
    DeadlineExceeded,
    EgressDenied,
    ProtocolError,
    QueueFull,
    Response,
    Retry,
    SocketClosed,
    TLSError,
)
from asyncapi.errors import status_error
from asyncapi.speakers.reconnection import SETTLED, Reconnection

LOST = SocketClosed("lost", code=1006)


class Stopped:
    """A clock that stands still."""

    def now(self) -> float:
        return 1000.0

    def random(self) -> float:
        return 0.5


def row(policy: Retry | None) -> tuple[Reconnection, Stopped]:
    clock = Stopped()
    return Reconnection(policy, clock), clock


def test_waits_grow_with_the_failures_in_a_row_and_end_with_them():
    failures, clock = row(Retry(attempts=5, base=1, cap=4))
    waits = []
    while failures.after("again", LOST):
        waits.append(failures.due - clock.now())
    assert len(waits) == 4
    assert all(0 <= wait <= most for wait, most in zip(waits, (1, 2, 4, 4), strict=True))


def test_only_a_connection_that_has_lived_ends_the_row():
    failures, _ = row(Retry(attempts=2))
    assert failures.after("again", LOST)
    failures.settled(SETTLED - 0.1)
    assert not failures.after("again", LOST)
    failures.settled(SETTLED)
    assert failures.failures == 0
    assert failures.after("again", LOST)


def test_a_server_that_asks_for_later_gets_it():
    failures, clock = row(Retry(attempts=9, base=1, cap=30))
    assert failures.after("later", LOST)
    assert 8 <= failures.due - clock.now() <= 9


def test_there_is_one_fresh_credential_in_a_row():
    failures, _ = row(Retry())
    assert failures.may_renew()
    assert not failures.may_renew()
    failures.settled(SETTLED)
    assert failures.may_renew()
    assert not row(None)[0].may_renew()


def refused(status: int, wait: float | None = None):
    return status_error(Response(status), retry_after=wait)


def test_a_handshake_that_failed_is_followed_by_another_where_that_may_help():
    for error in (
        ProtocolError("cut"), refused(503), refused(429, 10), CircuitOpen("open", retry_after=5), QueueFull("full"),
    ):  # fmt: skip
        failures, clock = row(Retry(attempts=9))
        assert failures.after_refusal(error), error
        assert failures.due - clock.now() >= (getattr(error, "retry_after", None) or 0)
    for error in (
        TLSError("bad"), refused(403), refused(429, 100), AuthError("none"), EgressDenied("no"), DeadlineExceeded("late"),
    ):  # fmt: skip
        assert not row(Retry(attempts=9))[0].after_refusal(error), error


def test_without_a_policy_nothing_follows():
    failures, _ = row(None)
    assert not failures.after("again", LOST)
    assert not failures.after_refusal(refused(503))
    assert failures.left is None


@pytest.mark.parametrize("what", ["end", "renew", "fail"])
def test_other_ends_are_no_failures_that_pass(what):
    assert not row(Retry())[0].after(what, LOST)


def test_strategies_of_tenacity_say_how_often_and_when():
    failures, clock = row(Retry(stop=stop_after_attempt(3), wait=wait_fixed(7)))
    assert failures.left is None
    assert failures.after("again", LOST)
    assert failures.due - clock.now() == 7
    assert failures.after("again", LOST)
    assert not failures.after("again", LOST)


def test_the_next_handshake_has_the_attempts_that_are_left():
    failures, _ = row(Retry(attempts=4))
    assert failures.left == 4
    failures.after("again", LOST)
    assert failures.left == 3
    failures.failures = 9
    assert failures.left == 1
