"""A ceiling keeps a limit just below where refusals came, and lets it try more only after good responses."""

from math import inf

import pytest

from asyncapi.sansio.limits.ceiling import Ceiling
from asyncapi.sansio.limits.limit_algorithms import Window


def window(count, drops=0, late=0, most=20):
    made = Window(0.0)
    for _ in range(count):
        made.add(0.1, most)
    made.drops, made.late = drops, late
    return made


def hit(at, now=0.0, **how):
    ceiling = Ceiling()
    ceiling.hit(now, at, 0.1, **{"by_trial": False, "late": False} | how)
    return ceiling


def test_without_refusals_the_algorithm_has_its_way():
    assert Ceiling().next(0.0, 20, 500, window(20)) == 500
    assert not Ceiling().holds(1e9)


def test_a_limit_goes_up_to_just_below_the_ceiling_by_halves_of_what_is_left():
    ceiling, limit, steps = hit(33.0), 16.0, []
    while not ceiling.holds(limit):
        limit = ceiling.next(1.0, limit, 1000, window(20, most=int(limit)))
        steps.append(limit)
    assert steps == [24, 28, 30, 31, 32]


def test_after_late_refusals_nothing_grows_for_ten_round_trips():
    ceiling = hit(33.0, late=True)
    assert ceiling.next(0.99, 16, 1000, window(20)) == 16
    assert ceiling.next(1.0, 16, 1000, window(20)) == 24


def test_after_150_good_responses_one_more_is_tried_then_two_then_four_then_any():
    ceiling, limit, steps = hit(21.0), 20.0, []
    assert ceiling.next(5.0, limit, 1000, window(149)) == 20
    assert not ceiling.too_many(20, window(150))
    for _ in range(4):
        limit = ceiling.next(5.0, limit, 1000, window(20, most=int(limit)))
        steps.append(limit)
    assert steps == [21, 23, 27, 1000]
    assert ceiling.at == inf


def test_each_trial_in_a_row_that_is_refused_doubles_the_wait_up_to_four_seconds():
    ceiling, waits = hit(21.0), []
    for _ in range(4):
        ceiling.hit(0.0, 21.0, 0.1, by_trial=True, late=False)
        ceiling.too_many(20, window(1000))
        hundredths = range(1000)
        waits.append(next(at / 100 for at in hundredths if ceiling.next(at / 100, 20, 1000, window(20)) > 20))
    assert waits == [2.0, 4.0, 4.0, 4.0]


def test_a_limit_that_is_not_filled_is_not_tried_beyond():
    ceiling = hit(21.0)
    ceiling.too_many(20, window(1000))
    assert ceiling.next(5.0, 20, 1000, window(20, most=19)) == 20
    assert ceiling.next(5.0, 20, 1000, window(20, most=20)) == 21


def test_what_is_refused_well_below_the_ceiling_becomes_background():
    ceiling = hit(100.0)
    for _ in range(50):
        assert not ceiling.too_many(50, window(90, drops=10))
    assert ceiling.background.share == pytest.approx(0.1, rel=0.05)
    assert not ceiling.too_many(99, window(90, drops=10))
    assert ceiling.too_many(99, window(70, drops=30))
