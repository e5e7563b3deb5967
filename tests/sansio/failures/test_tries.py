"""Attempts are counted, with those of a proxy behind them, until there are enough."""

from __future__ import annotations

from asyncapi.errors import ConnectError, ServerError
from asyncapi.messages.meaning import Meaning
from asyncapi.messages.request import Request
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.tries import Tries


def test_our_own_attempts_count_one_each():
    tries = Tries(2)
    assert tries.exhausted == ""
    tries.next(0.5)
    assert (tries.made, tries.slept) == (2, 0.5)
    assert tries.exhausted == "2 of 2 attempts made"


def test_attempts_of_a_proxy_count_as_ours():
    tries = Tries(4)
    tries.take_in(Meaning(503, attempts=2))
    assert tries.exhausted == ""
    tries.next(0.0)
    tries.take_in(Meaning(503, attempts=2))
    assert tries.exhausted == "4 of 4 attempts made, 2 of them by a proxy"


def test_a_proxy_may_add_what_ours_leave_once_it_has_added_some():
    tries = Tries(5)
    tries.next(0.0)
    assert tries.spare is None
    tries.take_in(Meaning(503, attempts=2))
    tries.next(0.0)
    assert (tries.made, tries.spare) == (4, 1)
    tries.take_in(Meaning(503, attempts=9))
    assert tries.spare == 0
    endless = Tries(None)
    endless.take_in(Meaning(503, attempts=2))
    assert endless.spare is None


def test_more_attempts_than_ours_leave_none():
    tries = Tries(3)
    tries.take_in(Meaning(503, attempts=9))
    assert tries.exhausted == "9 of 3 attempts made, 8 of them by a proxy"


def test_a_refusal_may_limit_what_follows_whatever_follows():
    tries = Tries(None)
    tries.take_in(Meaning(429, more=1))
    assert tries.exhausted == ""
    tries.next(0.0)
    tries.take_in(Meaning(503))
    assert tries.exhausted == "2 attempts made: more would add to the overload"


def test_strategies_see_the_count_and_the_failure():
    tries, request = Tries(None), Request("GET", "https://h/")
    tries.next(1.5)
    error = ConnectError("refused")
    state = tries.state(request, error, 7.0, 0.0)
    assert (state.attempt_number, state.idle_for, state.outcome.exception()) == (2, 1.5, error)
    meant = Response(200)
    meant.mean(Meaning(503))
    assert isinstance(tries.state(request, meant, 7.0, 0.0).outcome.exception(), ServerError)
    assert tries.state(request, Response(200), 7.0, 0.0).outcome.result().status == 200
