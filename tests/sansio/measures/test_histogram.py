"""Quantiles in constant memory, within 5 % of the sorted truth."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.measures.histogram import OTHERS, Histogram, Histograms

SHARES = (0.0, 0.25, 0.5, 0.95, 0.99, 1.0)


def true_quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=300))
def test_every_quantile_is_within_5_percent(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for share in SHARES:
        assert histogram.quantile(share) == pytest.approx(true_quantile(values, share), rel=0.05)


def test_a_heavy_tail_is_held_too():
    draw = random.Random(1)
    values = [draw.paretovariate(1.1) / 100 for _ in range(20_000)]
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for share in SHARES:
        assert histogram.quantile(share) == pytest.approx(true_quantile(values, share), rel=0.05)
    assert histogram.count == 20_000
    assert histogram.total == pytest.approx(sum(values))
    assert len(histogram._buckets) < 500


def test_an_empty_stream_has_no_quantiles():
    assert Histogram().quantile(0.5) is None


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-12])
def test_what_is_too_short_to_measure_counts_as_a_microsecond(value):
    histogram = Histogram()
    histogram.record(value)
    assert histogram.quantile(0.5) == pytest.approx(1e-6, rel=0.05)


def test_keys_have_histograms_of_their_own_up_to_a_bound_and_then_share_one():
    both = Histograms(max_keys=3)
    for number in range(10):
        for _ in range(number + 1):
            both.record(("GET", str(number)), number + 1.0)
    assert [one.count for one in both.by_key.values()] == [1, 2, 3, 4 + 5 + 6 + 7 + 8 + 9 + 10]
    assert list(both.by_key)[-1] == OTHERS
    assert both.all.count == 55
    assert both.by_key["GET", "2"].quantile(0.5) == pytest.approx(3.0, rel=0.05)
