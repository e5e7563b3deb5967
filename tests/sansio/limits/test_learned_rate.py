"""A rate is learned from refusals alone, kept near what was right, and grows again when the server has grown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.learned_rate import LearnedRate
from asyncapi.sansio.limits.throughput import Throughput


def test_throughput_is_what_went_through_in_the_last_one_to_two_seconds():
    through = Throughput()
    for hundredth in range(300):
        through.add(hundredth / 100)
    assert through.rate(3.0) == pytest.approx(100, rel=0.02)
    assert through.rate(3.5) == pytest.approx(100 / 1.5, rel=0.02)
    assert through.rate(10.0) == 0
    assert Throughput().rate(5.0) == 0


def test_before_the_first_known_rate_it_doubles_every_second():
    rate = LearnedRate(10.0, 5.0)
    assert [rate.at(10.0 + second) for second in range(4)] == [5, 10, 20, 40]


def test_an_idle_while_is_no_time():
    rate = LearnedRate(30.0, 5.0)
    rate.skip(60.0)
    assert rate.at(90.0) == 5
    assert rate.at(91.0) == 10


def test_after_a_refusal_the_rate_returns_to_what_was_accepted():
    """It stays there for a while, and then grows."""
    rate = LearnedRate(0.0, 100.0)
    rate.refused(1.0, 150.0)
    curve = [rate.at(1.0 + second) for second in range(61)]
    assert curve == sorted(curve)
    assert curve[0] == pytest.approx(135)
    assert curve[15] == pytest.approx(150)
    assert curve[20] < 151
    assert curve[60] > 500


def test_it_is_never_nothing():
    rate = LearnedRate(0.0, 0.0)
    assert rate.at(0.0) > 0
    rate.refused(2.0, 0.0)
    assert rate.at(2.0) > 0


def test_it_can_be_searched_for_anew():
    rate = LearnedRate(0.0, 100.0)
    rate.refused(0.0, 100.0)
    assert not rate.searching
    rate.search(20.0, 70.0)
    assert rate.searching
    assert [rate.at(20.0), rate.at(22.0)] == [70.0, 280.0]


def test_two_refusals_that_agree_are_believed_a_third_that_does_not_is_not():
    rate = LearnedRate(0.0, 100.0)
    rate.refused(0.0, 100.0)
    rate.refused(20.0, 99.0)
    assert rate.at(20.0) == pytest.approx(0.97 * 99)
    rate.refused(50.0, 50.0)
    assert rate.at(50.0) == pytest.approx(0.9 * 50)


def test_where_far_more_was_allowed_than_went_through_it_soon_rises_towards_that():
    rate = LearnedRate(0.0, 100.0)
    rate.refused(0.0, 50.0, 160.0)
    assert rate.at(0.0) == pytest.approx(45)
    assert rate.at(5.0) == pytest.approx(50)
    assert rate.at(10.0) == pytest.approx(160)


def test_it_can_turn_out_that_less_went_through():
    rate = LearnedRate(0.0, 100.0)
    rate.correct(5.0, 10.0)
    assert rate.at(5.0) == 10
    rate.correct(5.0, 50.0)
    assert rate.at(5.0) == 10


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e6), st.sampled_from(["refused", "correct", "skip", "search"])))
)
def test_whatever_happens_the_rate_is_a_positive_figure(events):
    rate, now = LearnedRate(0.0, 10.0), 0.0
    for wait, figure, what in events:
        now += wait
        if what == "refused":
            rate.refused(now, figure)
        elif what == "correct":
            rate.correct(now, figure)
        elif what == "skip":
            rate.skip(figure)
        else:
            rate.search(now, figure)
        assert 0 < rate.at(now) < float("inf")
