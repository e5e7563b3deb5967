"""The settings of the fault server and its seeded decision: pure, by tables."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.errors import ConfigError
from asyncapi.serve.faults import NO_FAULT, Fault, Faults, Rate, asked, decide, parse_latency

MIXED = Faults(latency=(0.01, 0.05), error_rate=0.1, throttle_rate=0.1, drop_rate=0.1, slow_rate=0.1, seed=3)
PATHS = [f"/items/{number}" for number in range(4000)]


def test_the_same_seed_path_and_visit_give_the_same_fault():
    again = Faults(latency=(0.01, 0.05), error_rate=0.1, throttle_rate=0.1, drop_rate=0.1, slow_rate=0.1, seed=3)
    assert [decide(MIXED, path, 1) for path in PATHS] == [decide(again, path, 1) for path in PATHS]


@pytest.mark.parametrize("change", ["seed", "visit", "path"])
def test_another_seed_visit_or_path_gives_other_faults(change):
    other = Faults(latency=(0.01, 0.05), error_rate=0.1, throttle_rate=0.1, drop_rate=0.1, slow_rate=0.1, seed=4)
    first = [decide(MIXED, path, 1).name for path in PATHS]
    second = [
        decide(other if change == "seed" else MIXED, path + "?" * (change == "path"), 1 + (change == "visit")).name
        for path in PATHS
    ]
    assert first != second


def test_each_fault_comes_at_about_its_rate_and_in_all_its_forms():
    drawn = [decide(MIXED, path, 1) for path in PATHS]
    names = Counter(fault.name for fault in drawn)
    assert set(names) == {"", "drop", "error", "throttle", "slow"}
    assert all(300 < names[name] < 500 for name in names if name)
    assert {fault.status for fault in drawn if fault.name == "error"} == {500, 502, 503}
    assert {fault.cut for fault in drawn if fault.name == "drop"} == {"connect", "headers", "body"}
    assert {fault.retry_after for fault in drawn if fault.name == "throttle"} == {"seconds", "date"}
    assert {fault.stall for fault in drawn if fault.name == "slow"} == {0.0, MIXED.slow}


@given(seed=st.integers(), path=st.text(), visit=st.integers(min_value=1))
def test_latency_stays_within_its_range_whatever_is_asked(seed, path, visit):
    delay = decide(Faults(latency=(0.2, 0.3), seed=seed), path, visit).delay
    assert 0.2 <= delay <= 0.3


def test_no_rates_draw_no_fault():
    assert {decide(Faults(), path, 1) for path in PATHS} == {NO_FAULT}
    assert not Faults().drawn


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"error_rate": 1.5}, "the error rate is a share from 0 to 1, not 1.5"),
        ({"drop_rate": -0.1}, "the drop rate is a share"),
        ({"slow_rate": float("nan")}, "the slow rate is a share"),
        ({"error_rate": 0.7, "drop_rate": 0.7}, "add up to 1.4"),
        ({"latency": (0.2, 0.1)}, "the latency goes from a low to a high"),
        ({"latency": -1.0}, "the latency goes"),
        ({"slow": -1.0}, "a slow answer takes"),
        ({"retry_after": -1}, "Retry-After asks for"),
        ({"rate_limit": Rate(0)}, "a rate limit is a positive amount"),
        ({"rate_limit": Rate(0.5)}, "a burst of at least 1"),
    ],
)
def test_settings_out_of_range_raise_one_line_that_names_them(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Faults(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "span"), [("20", (0.02, 0.02)), ("10-50", (0.01, 0.05)), (" 0.5 ", (0.0005, 0.0005))])
def test_latency_is_read_as_milliseconds(text, span):
    assert parse_latency(text) == pytest.approx(span)


@pytest.mark.parametrize("text", ["", "x", "-5", "50-10", "1-2-3", "10ms"])
def test_what_is_no_latency_is_refused(text):
    with pytest.raises(ConfigError, match="latency"):
        parse_latency(text)


@pytest.mark.parametrize(
    ("fault", "latency", "expected"),
    [
        (None, "5", Fault("error", 0.005, status=500)),
        ("none", None, Fault("", 1.0)),
        ("503", None, Fault("error", 1.0, status=503)),
        ("429", "7", Fault("throttle", 0.007, status=429, retry_after="seconds")),
        ("429-date", None, Fault("throttle", 1.0, status=429, retry_after="date")),
        ("drop", None, Fault("drop", 1.0, cut="connect")),
        ("drop-headers", None, Fault("drop", 1.0, cut="headers")),
        ("drop-body", None, Fault("drop", 1.0, cut="body")),
        ("slow", None, Fault("slow", 3.0)),
        ("slow-body", "0", Fault("slow", 0.0, stall=2.0)),
    ],
)
def test_what_a_request_asks_for_replaces_what_was_drawn(fault, latency, expected):
    assert asked(Faults(), Fault("error", 1.0, status=500), fault, latency) == expected


@pytest.mark.parametrize("fault", ["", "200", "600", "explode", "٥٠٣"])
def test_an_unknown_fault_is_refused_with_the_known_ones(fault):
    with pytest.raises(ConfigError, match="drop-headers"):
        asked(Faults(), NO_FAULT, fault, None)


def test_the_faults_that_are_on_are_described_in_words():
    faults = Faults(latency=(0.01, 0.05), error_rate=0.05, drop_rate=0.001, rate_limit=Rate(200))
    assert faults.describe() == [
        "latency 10 to 50 ms", "5% answered 500, 502 or 503", "0.100% dropped", "at most 200 requests per 1 s",
    ]  # fmt: skip
    assert Faults().describe() == []
