"""A bounded memory of answers, which costs the garbage collector nothing."""

from __future__ import annotations

import gc

import pytest

from asyncapi import Cache, Client, Fallback
from asyncapi.stores.answers import Answers
from asyncapi.testing import FakeClock, MockTransport, reply, run

HEADERS = {"Content-Type": "application/json", "ETag": '"1"', "Cache-Control": "max-age=60", "X-Request-Id": "abc"}


def test_the_least_recently_used_goes_first():
    answers: Answers[tuple[int]] = Answers(100)
    for number in range(10):
        answers.put(number, (number,), 10)
    assert answers.get(0) == (0,)
    answers.put(10, (10,), 10)
    assert (answers.get(0), answers.get(1), answers.size, len(answers)) == ((0,), None, 100, 10)


def test_what_replaces_another_takes_its_place_and_its_bytes():
    answers: Answers[tuple[str]] = Answers(100)
    answers.put("a", ("x",), 10)
    answers.put("a", ("y",), 4)
    assert (answers.get("a"), answers.size) == (("y",), 4)
    answers.put("a", ("z",), 13)  # an eighth of the room or more
    assert (answers.get("a"), answers.size) == (None, 0)
    answers.drop("a")


@pytest.mark.parametrize("settings", [{"cache": Cache()}, {"fallback": Fallback(stale=60)}], ids=["cache", "stale"])
def test_twenty_thousand_answers_add_no_object_that_is_walked(settings):
    """Each full collection stops the loop, for as long as there are objects to walk: some seven an answer before."""

    async def scenario():
        clock = FakeClock()
        transport = MockTransport(lambda request: reply(200, content=b"{}", headers=HEADERS), clock=clock)
        async with Client("https://h", transport=transport, clock=clock, **settings) as api:
            await api.get("/")
            gc.collect()
            before = len(gc.get_objects())
            for number in range(20_000):
                await api.get(f"/{number}")
            for _ in range(3):
                gc.collect()
            return len(api._parts.answers), len(gc.get_objects()) - before

    kept, more = run(scenario())
    assert kept > 15_000
    assert more < 1000
