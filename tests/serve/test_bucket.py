"""The token bucket: exact, with the time passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.serve.bucket import Bucket
from asyncapi.serve.faults import Rate


def test_the_burst_passes_then_one_token_comes_back_at_a_time():
    bucket = Bucket(Rate(10, 1.0, burst=3), now=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.1)]
    assert bucket.take(100.1) == 0.0
    assert bucket.take(100.1) == pytest.approx(0.1)
    assert bucket.until_full == pytest.approx(0.3)


def test_the_burst_is_the_amount_where_none_is_given():
    bucket = Bucket(Rate(2, 60.0), now=0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(30.0)]


def test_it_never_holds_more_than_its_burst():
    bucket = Bucket(Rate(5, 1.0, burst=1), now=0.0)
    assert [bucket.take(1000.0), bucket.take(1000.0)] == [0.0, pytest.approx(0.2)]


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=60))
def test_no_stretch_of_time_lets_through_more_than_rate_and_burst(gaps):
    bucket, now, taken = Bucket(Rate(10, 1.0, burst=2), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now) == 0.0
    assert taken <= 2 + 10 * now + 1e-6
