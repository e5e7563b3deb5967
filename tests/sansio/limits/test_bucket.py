"""The token bucket against a counter that is refilled, in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.bucket import Bucket


class Counter:
    """The textbook token bucket: a count, refilled as time passes, never over `burst`."""

    def __init__(self, amount: int, per: int, burst: int) -> None:
        self.rate, self.burst = Fraction(amount, per), Fraction(burst)
        self.tokens, self.then = self.burst, Fraction(0)

    def at(self, now: Fraction) -> Fraction:
        self.tokens, self.then = min(self.burst, self.tokens + (now - self.then) * self.rate), now
        return self.tokens

    def delay(self, now: Fraction, weight: Fraction) -> Fraction:
        missing = min(weight, self.burst) - self.at(now)  # over the burst: when it is full
        return max(Fraction(0), missing / self.rate)


# Powers of two: both models are then exact, so they may be compared without tolerance.
steps = st.lists(st.tuples(st.integers(0, 64), st.integers(0, 24)), max_size=60)


@given(amount=st.sampled_from([1, 2, 4, 8]), per=st.sampled_from([1, 2, 4]), burst=st.integers(1, 16), steps=steps)
def test_it_admits_exactly_what_a_refilled_counter_admits(amount, per, burst, steps):
    bucket, model, now = Bucket(amount, per, burst), Counter(amount, per, burst), Fraction(0)
    for waited, weighed in steps:
        now, weight = now + Fraction(waited, 8), Fraction(weighed, 2)
        assert max(0.0, bucket.delay(float(now), float(weight))) == float(model.delay(now, weight))
        assert bucket.available(float(now)) == float(model.at(now))
        if model.delay(now, weight) == 0:
            bucket.take(float(now), float(weight))
            model.tokens -= weight


@given(
    amount=st.floats(0.01, 1e4),
    per=st.floats(0.01, 1e4),
    burst=st.floats(1, 100),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_no_window_of_time_ever_holds_more_than_the_burst_and_what_was_refilled(amount, per, burst, gaps):
    bucket, now, taken = Bucket(amount, per, burst), 1000.0, []
    for gap in gaps:
        now += gap * bucket.interval
        if bucket.delay(now) <= 0:
            bucket.take(now)
            taken.append(now)
    rate = amount / per
    for first in range(len(taken)):
        for last in range(first, len(taken), 7):
            allowed = burst + rate * (taken[last] - taken[first])
            assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-6


def test_the_delay_it_predicts_is_the_delay_it_needs():
    bucket = Bucket(10, 1.0, 5)
    for _ in range(5):
        assert bucket.delay(100.0) <= 0
        bucket.take(100.0)
    wait = bucket.delay(100.0)
    assert wait == pytest.approx(0.1)
    assert bucket.delay(100.0 + wait * 0.99) > 0
    assert bucket.delay(100.0 + wait) == pytest.approx(0, abs=1e-9)


def test_a_weight_over_the_burst_waits_for_a_full_bucket_and_then_goes():
    bucket = Bucket(1, 1.0, 5)
    bucket.take(0.0, 2)
    assert bucket.delay(0.0, 50) == 2.0
    assert bucket.delay(2.0, 50) == 0.0
    bucket.take(2.0, 50)
    assert bucket.available(2.0) == -45
    assert bucket.delay(2.0, 1) == 46.0


def test_what_is_given_back_can_be_taken_again():
    bucket = Bucket(1, 1.0, 1)
    bucket.take(0.0)
    bucket.give_back()
    assert bucket.delay(0.0) <= 0
    assert bucket.available(0.0) == 1


def test_an_idle_year_saves_up_no_more_than_the_burst():
    bucket = Bucket(1, 1.0, 3)
    bucket.take(0.0)
    assert bucket.available(31e6) == 3
