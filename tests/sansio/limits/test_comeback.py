"""Single calls come back from a pause spaced and ever faster, and are let go where holding them does not help."""

import pytest

from asyncapi.sansio.limits.background import Background
from asyncapi.sansio.limits.comeback import Helpfulness, Return


def test_a_comeback_begins_at_the_rate_that_was_long_accepted():
    """From there the rate rises gently, and soon doubles."""
    back = Return(0.0, 100.0, known=True)
    assert [back.rate(second) for second in (0.0, 2.0, 4.0)] == pytest.approx([100.0, 110.0, 120.0])
    assert back.rate(6.0) == pytest.approx(480.0)


def test_what_was_taken_at_once_tells_little_so_it_doubles_from_the_start():
    back = Return(0.0, 10.0, known=False)
    assert [back.rate(second) for second in (0.0, 1.0, 3.0)] == [10.0, 20.0, 80.0]


def test_refusals_that_the_background_explains_do_not_slow_it_down_and_others_do():
    fair, background = Return(0.0, 100.0, known=True), Background(seen=0)
    background.learn(100, 10)
    assert not any(fair.answered(4.0, 1.0, 50.0, background, refused=number % 10 == 0) for number in range(40))
    assert fair.rate(4.0) == pytest.approx(120.0)
    full = Return(0.0, 100.0, known=False)
    assert any(full.answered(4.0, 1.0, 90.0, background, refused=number % 2 == 0) for number in range(20))
    assert full.rate(4.0) == pytest.approx(90.0)


def test_it_is_never_so_slow_that_nobody_gets_through():
    assert Return(0.0, 0.0, known=False).rate(0.0) >= 1.0


def test_let_go_all_who_wait_get_through_within_seconds_whatever_is_refused():
    back = Return(0.0, 1.0, known=True)
    back.let_go(0.0, 400)
    assert back.rate(0.0) == 200.0
    assert not any(back.answered(1.0, 0.5, 1.0, Background(), refused=True) for _ in range(100))


def test_a_line_that_grows_from_limit_to_limit_is_not_held_and_held_again_later():
    helps = Helpfulness()
    assert all(helps.judge(second, waiting, again=True) for second, waiting in ((0.0, 0), (2.0, 100), (4.0, 150)))
    assert not helps.judge(6.0, 250, again=True)
    assert not helps.at(15.0)
    assert helps.at(16.1)


def test_a_line_that_stays_as_it_is_is_held():
    helps = Helpfulness()
    assert all(helps.judge(float(second), 180, again=True) for second in range(100))
