"""Scales have few, round ticks, and figures are written for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.scales import clock, compact, duration, linear, linear_bytes, logarithmic, seconds_ticks


@given(st.floats(0, 1e12))
def test_a_scale_of_counts_begins_at_zero_and_holds_every_value(largest):
    scale = linear(0.0, largest)
    assert scale.place(0.0) == 0.0
    assert 0.0 <= scale.place(largest) <= 1.0
    assert scale.top >= largest * (1 - 1e-9)
    assert 2 <= len(scale.ticks) <= 6
    assert len({label for _, label in scale.ticks}) == len(scale.ticks)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_logarithmic_scale_holds_every_value_and_has_a_few_ticks(one, other):
    smallest, largest = sorted((one, other))
    scale = logarithmic(smallest, largest)
    assert 0.0 <= scale.place(smallest) <= scale.place(largest) <= 1.0
    assert 2 <= len(scale.ticks) <= 7


@given(st.floats(0.001, 1e9))
def test_a_time_axis_has_at_most_seven_short_labels(seconds):
    ticks = seconds_ticks(seconds)
    assert 1 <= len(ticks) <= 8
    assert all(at <= seconds * 1.001 for at, _ in ticks)
    assert max(len(label) for _, label in ticks) <= 9


def test_ticks_are_round():
    assert [label for _, label in linear(0, 1234).ticks] == ["0", "500", "1,000", "1,500"]
    assert [label for _, label in linear_bytes(0, 3e6).ticks] == ["0 B", "1 MB", "2 MB", "3 MB"]
    assert [label for _, label in logarithmic(5, 5000).ticks] == ["10 ms", "100 ms", "1 s"]
    assert [label for _, label in seconds_ticks(100)] == ["0", "20 s", "40 s", "60 s", "80 s", "100 s"]
    assert [label for _, label in seconds_ticks(34_000)] == ["0", "2 h", "4 h", "6 h", "8 h"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0"), (12.34, "12.3 ms"), (999.9, "1 s"), (1500, "1.5 s"), (60_000, "1 min"), (90_000, "1 min 30 s"),
     (7_260_000, "2 h 1 min"), (3_600_000, "1 h")],
)  # fmt: skip
def test_durations_are_written_for_people(ms, text):
    assert duration(ms) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (12.34, "12.3 s"), (95, "1:35 min"), (33_634, "9:20 h")])
def test_a_clock_is_short(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1200, "1,200"), (120_000, "120k"), (1.5e6, "1.5M")]
)
def test_counts_are_short(value, text):
    assert compact(value) == text
