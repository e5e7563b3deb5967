"""A number of attempts that is given out in parts: none is made that was not allotted."""

from math import inf

from asyncapi.sansio.limits.allotment import Allotment


def test_attempts_are_asked_for_once_and_made_as_allotted():
    asked = []
    allotment = Allotment()
    allotment.ask = lambda: asked.append(1)
    assert 0 < allotment.delay(0.0) < inf
    assert 0 < allotment.delay(0.0) < inf
    assert asked == [1]
    allotment.granted(2)
    for _ in range(2):
        assert allotment.delay(0.0) == 0
        allotment.take(0.0)
    assert allotment.delay(0.0) > 0
    assert asked == [1, 1]


def test_a_quota_that_is_used_up_never_comes_back():
    allotment = Allotment()
    allotment.granted(0)
    assert allotment.used_up
    assert allotment.delay(0.0) == inf


def test_an_attempt_that_was_not_made_may_be_made_later():
    allotment = Allotment()
    allotment.granted(1)
    allotment.take(0.0)
    allotment.granted(0)
    allotment.give_back()
    assert allotment.delay(0.0) == 0


def test_what_could_not_be_counted_is_asked_for_again():
    asked = []
    allotment = Allotment()
    allotment.ask = lambda: asked.append(1)
    allotment.delay(0.0)
    allotment.went_wrong()
    assert allotment.delay(0.0) > 0
    assert asked == [1, 1]
