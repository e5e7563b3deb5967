"""The sliding window: counts what is in it, forgets what has left, and stays small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.measures.window import _SLOTS, Window


def test_an_empty_window_has_nothing_to_complain_of():
    window = Window(60)
    assert (window.calls, window.attempts, window.error_rate, window.share(429), window.quantile(0.95)) == (0,) * 5


def test_rates_shares_and_quantiles_are_those_of_what_is_in_it():
    window = Window(60)
    for number in range(100):
        window.call(number / 2, elapsed=2.0 if number >= 90 else 0.1, failed=number % 4 == 0)
        window.attempt(number / 2, 429 if number < 20 else 200)
    window.attempt(50, None)
    assert window.calls == 100
    assert window.attempts == 101
    assert window.error_rate == 0.25
    assert window.share(429) == 20 / 101
    assert window.quantile(0.5) == pytest.approx(0.1, rel=0.05)
    assert window.quantile(0.95) == pytest.approx(2.0, rel=0.05)


def test_what_has_left_the_window_is_forgotten_without_a_trace():
    window = Window(60)
    for second in range(10):
        window.call(second, elapsed=1.0, failed=True)
        window.attempt(second, 429)
    window.slide(9 + 60)
    assert (window.calls, window.error_rate, window.share(429), window.quantile(0.5)) == (0, 0, 0, 0)
    assert not window._all.by_status
    assert not window._all.latency._buckets
    assert not window._slots


def test_a_million_calls_take_no_more_room_than_the_slots():
    window = Window(10)
    for number in range(50_000):
        window.call(number / 100, elapsed=number % 7 + 0.1, failed=False)
    assert len(window._slots) <= _SLOTS + 1
    assert window.calls <= 1000


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60), st.floats(1, 100))
def test_the_window_counts_all_that_is_younger_than_its_length_but_for_one_slot(steps, over):
    window, now, seen = Window(over), 0.0, []
    for step, failed in steps:
        now += step
        window.call(now, elapsed=0.1, failed=failed)
        seen.append((now, failed))
        young = [failed for at, failed in seen if at > now - over + over / _SLOTS * 1.001]
        possible = [failed for at, failed in seen if at > now - over * 1.001]
        assert len(young) <= window.calls <= len(possible)
        assert sum(young) <= round(window.error_rate * window.calls) <= sum(possible)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 20)), max_size=150),
    st.sampled_from([0.5, 0.95, 0.999]),
    st.sampled_from([0.0, 1e-9, 0.4, 0.5, 2.0, 1.05**7, 1.05**7.5]),
)
def test_is_above_says_what_the_quantile_says(calls, share, line):
    """Whenever it is asked for the first time, and through everything that is forgotten."""
    early, late = Window(10), Window(10)
    early.is_above(share, line)
    now = 0.0
    for number, (pause, elapsed) in enumerate(calls):
        now += pause if number % 9 == 0 else 0.0
        for window in (early, late):
            window.call(now, elapsed, failed=False)
        assert early.is_above(share, line) == (early.quantile(share) > line)
        if number >= 20:
            assert late.is_above(share, line) == (late.quantile(share) > line)
    early.slide(now + 20)
    assert not early.is_above(share, line)
    assert not early._all.above
