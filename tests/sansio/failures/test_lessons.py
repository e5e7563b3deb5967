"""What a call learns: how each retry that it chose has ended, and nothing from what says nothing."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConnectError, TransportError
from asyncapi.messages.call import NO_SETTINGS, Call
from asyncapi.messages.request import Request
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.learned import Learning, Rules
from asyncapi.sansio.failures.lessons import Lessons


def chosen() -> tuple[Learning, Lessons, list[bool]]:
    """Lessons with an open choice."""
    learning, noted = Learning(Rules()), []
    lessons = Lessons(learning, lambda: noted.append(True))
    request = Request("GET", "https://h/a")
    request.call = Call(0.0, "h", NO_SETTINGS, request.target)
    lessons.choose(request, Response(503, {}, b""), (0.5, 0.5), 0.0)
    return learning, lessons, noted


@pytest.mark.parametrize(
    ("failure", "again", "won"),
    [
        (None, False, 1),
        (Response(404, {}, b""), False, 1),
        (Response(503, {}, b""), True, 0),
        (Response(501, {}, b""), False, 0),
        (ConnectError("refused"), True, 0),
    ],
)
def test_how_a_retry_ended_is_learned(failure, again, won):
    learning, lessons, noted = chosen()
    assert lessons.ended(failure, again=again)
    [(_, seen)] = learning.items()
    assert (seen.tried / seen.unit, seen.won / seen.unit) == (1, won)
    assert noted == [True]
    assert not lessons.ended(failure, again=again)  # once


@pytest.mark.parametrize("failure", [Response(402, {}, b""), TransportError("over max_body")])
def test_what_says_nothing_of_the_host_teaches_nothing(failure):
    learning, lessons, noted = chosen()
    assert not lessons.ended(failure, again=False)
    [(_, seen)] = learning.items()
    assert (seen.tried, noted) == (0, [])


def test_a_retry_that_a_later_rule_forbade_teaches_nothing():
    learning, lessons, _ = chosen()
    choice = lessons.choice
    lessons.overrule("the retry budget of h is spent")
    assert choice.overruled == choice.as_dict()["overruled"] == "the retry budget of h is spent"
    assert not lessons.ended(None, again=False)
    [(_, seen)] = learning.items()
    assert seen.tried == 0


def test_a_retry_that_was_due_while_nothing_could_end_well_has_ended_badly():
    learning, lessons, _ = chosen()
    choice = lessons.choice
    lessons.futile("nearly all attempts to h time out")
    assert choice.overruled == "nearly all attempts to h time out"
    assert not lessons.ended(None, again=False)
    [(_, seen)] = learning.items()
    assert (round(seen.tried), seen.won) == (1, 0)


@pytest.mark.parametrize(
    "end",
    [
        lambda lessons: lessons.ended(None, again=False),
        lambda lessons: lessons.ended(TransportError("over max_body"), again=False),
        lambda lessons: lessons.overrule("the budget is spent"),
        lambda lessons: lessons.futile("nearly all attempts time out"),
        lambda lessons: lessons.close(),
    ],
    ids=["well", "unknown", "overruled", "futile", "closed"],
)
def test_a_retry_is_under_way_until_it_has_ended_in_whatever_way(end):
    learning, lessons, _ = chosen()
    [(_, seen)] = learning.items()
    assert sum(seen.under_way) == 1
    for _ in range(2):  # once
        end(lessons)
        assert sum(seen.under_way) == 0
