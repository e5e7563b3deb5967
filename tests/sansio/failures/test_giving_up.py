"""The end of a call's retries says why, in the record, the call and the error."""

from __future__ import annotations

import pytest

from asyncapi.errors import BudgetSpent, ConnectError
from asyncapi.messages.call import Attempt, Call
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.giving_up import GiveUp


def call_of_one_attempt() -> Call:
    call = Call(0.0, "h")
    call.attempts.append(Attempt(1, "GET", None, "first", 0.0, 0.0))
    return call


def test_a_response_is_returned_and_the_record_says_why():
    call, response = call_of_one_attempt(), Response(503, {}, b"")
    assert GiveUp("4 of 4 attempts made", held_by="deadline", phase="backoff").end(response, call) is response
    assert call.attempts[-1].then == "gave up: 4 of 4 attempts made"
    assert (call.held_by, call.ended_by, call.cause) == ("deadline", "backoff", None)


def test_an_error_is_raised_with_its_cause():
    call, spent = call_of_one_attempt(), BudgetSpent("spent")
    with pytest.raises(ConnectError) as raised:
        GiveUp("spent", cause=spent).end(ConnectError("refused"), call)
    assert raised.value.__cause__ is spent
    assert raised.value.held_by == call.held_by == "budget"


def test_nothing_is_said_where_there_is_nothing_to_say():
    call = call_of_one_attempt()
    GiveUp("").end(Response(404, {}, b""), call)
    assert call.attempts[-1].then == ""
