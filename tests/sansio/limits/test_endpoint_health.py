"""What is known of one endpoint: its latency follows what it does, and an ejection lasts longer each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.endpoint_health import Health, Rules

RULES = Rules()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 20))
def test_the_latency_stays_between_the_least_and_the_greatest(samples, gap):
    health = Health("a", RULES, 0.0)
    for number, seconds in enumerate(samples):
        health.learn(number * gap, seconds)
    assert min(samples) - 1e-6 <= health.latency <= max(samples) + 1e-5


def test_the_first_sample_which_may_have_connected_is_soon_forgotten():
    health = Health("a", RULES, 0.0)
    health.learn(0.0, 5.0)
    assert health.judged is None
    for number in range(4):
        health.learn(number / 100, 0.01)
    assert health.judged == pytest.approx(0.01)


def test_a_slowdown_is_seen_within_twenty_samples():
    health = Health("a", RULES, 0.0)
    for number in range(100):
        health.learn(number / 100, 0.01)
    for number in range(20):
        health.learn(1 + number / 100, 0.1)
    assert health.latency > 0.04


def test_an_ejection_lasts_twice_as_long_each_time_up_to_a_cap():
    health, now, lasted = Health("a", RULES, 0.0), 0.0, []
    for _ in range(8):
        health.eject(now)
        lasted.append(health.ejected_for)
        now = health.until
    assert lasted == [10, 20, 40, 80, 160, 300, 300, 300]


def test_an_ejection_long_after_the_last_is_a_first_one():
    health = Health("a", RULES, 0.0)
    health.eject(0.0)
    health.come_back(10.0)
    health.eject(12.0)
    assert health.ejected_for == 20
    health.come_back(32.0)
    health.eject(60.0)
    assert health.ejected_for == 10


def test_an_endpoint_that_is_back_gets_its_share_little_by_little():
    health = Health("a", RULES, 0.0, weight=2.0)
    assert health.share(0.0) == 2.0  # the first ones of a client have nobody to wait for
    health.eject(0.0)
    health.come_back(10.0)
    assert [health.share(10.0 + age) for age in (0, 5, 10, 20)] == pytest.approx([0.2, 1.1, 2.0, 2.0])


def test_no_slow_start_where_it_is_zero():
    health = Health("a", Rules(slow_start=0.0), 0.0, slowly=True)
    assert health.share(0.0) == 1.0


def test_the_state_goes_round():
    health = Health("a", RULES, 0.0)
    seen = [health.state(0.0)]
    health.eject(0.0)
    seen += [health.state(9.9), health.state(10.0)]
    health.probes = object()
    seen.append(health.state(10.0))
    health.come_back(10.0)
    assert [*seen, health.state(10.0)] == ["in", "ejected", "due", "probing", "in"]
