"""A bounded memory of answers, which costs the garbage collector nothing."""

from __future__ import annotations

import gc

import pytest

from asyncapi.layers.cache import Counts, cache
from asyncapi.settings import Cache
from asyncapi.stores.answers import Answers
from asyncapi.stores.last_good import LastGood
from asyncapi.testing import FakeClock, run
from asyncapi.types import Request, Response

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


async def _by_cache(answers, requests):
    async def inner(request):
        return Response(200, HEADERS, b"{}", url=request.url)

    send = cache(answers, Cache(), Counts(), FakeClock())(inner)
    for request in requests:
        await send(request)


async def _by_fallback(answers, requests):
    kept = LastGood(answers)
    for request in requests:
        kept.put(request, Response(200, HEADERS, b"{}", url=request.url), 0.0)


@pytest.mark.parametrize("keep", [_by_cache, _by_fallback])
def test_twenty_thousand_responses_add_no_object_that_is_tracked(keep):
    """Each full collection stops the loop, for as long as there are objects to walk: seven an answer before."""
    answers = Answers(64 * 1024 * 1024)
    gc.collect()
    before = len(gc.get_objects())
    run(keep(answers, (Request("GET", f"https://h/{number}") for number in range(20_000))))
    for _ in range(3):
        gc.collect()
    assert len(answers) == 20_000
    assert len(gc.get_objects()) - before < 1000
