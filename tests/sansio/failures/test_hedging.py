"""When a further copy is worth sending: the learned delay, and the budget."""

from __future__ import annotations

import random
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.hedging import Latencies, Route, Rules

BEYOND = 1.05  # what is added to a quantile


def learned(seconds, **rules) -> Route:
    route = Route(Rules(**rules))
    for value in seconds:
        route.learn(value, answered=True)
    return route


@given(
    st.integers(1, 30), st.lists(st.floats(0, 10), min_size=1, max_size=100), st.sampled_from([0.1, 0.5, 0.95, 0.999])
)
def test_a_quantile_is_that_of_the_last_ones(most, values, share):
    latencies = Latencies(most)
    for value in values:
        latencies.record(value)
    kept = sorted(values[-most:])
    assert len(latencies) == len(kept)
    assert latencies.quantile(share) == kept[ceil(share * len(kept)) - 1]


def test_nothing_is_hedged_before_enough_is_known():
    route = learned([0.1] * 49)
    assert route.begin() is None
    route.learn(0.1, answered=True)
    assert route.begin() == BEYOND * 0.1


def test_one_call_in_twenty_is_slower_than_the_delay():
    draw = random.Random(1).random
    values = [draw() for _ in range(256)]
    delay = learned(values).delay
    assert sum(value > delay / BEYOND for value in values) == 12  # 5 % of 256


@pytest.mark.parametrize("after", [0.05, 0.8])
def test_the_delay_follows_a_server_that_changes(after):
    route = learned([0.2] * 1000)
    assert route.delay == BEYOND * 0.2
    for _ in range(256):
        route.learn(after, answered=True)
    assert route.delay == BEYOND * after


def test_a_fixed_delay_needs_no_learning():
    route = Route(Rules(None, 0.3))
    assert route.begin() == 0.3
    route.learn(9.0, answered=True)
    assert route.delay == 0.3


def test_a_quick_failure_teaches_nothing_and_a_late_one_that_it_was_late():
    route = learned([0.1] * 256)
    for _ in range(256):
        route.learn(0.001, answered=False)
    assert route.delay == BEYOND * 0.1
    for _ in range(20):
        route.learn(0.5, answered=False)
    assert route.delay == BEYOND * 0.5
    unknown = Route(Rules())
    unknown.learn(9.0, answered=False)
    assert len(unknown._latencies) == 0


def test_giving_up_the_slow_ones_does_not_pull_the_delay_down():
    """Hedging cancels what is slower than the delay: the estimate must not feed on its own cuts."""
    draw = random.Random(2).random
    route, true = Route(Rules()), sorted(draw() for _ in range(5000))[4750]
    for _ in range(5000):
        value, delay = draw(), route.delay
        if delay is not None and value > delay + 0.01:
            route.learn(delay + 0.01, answered=False)
        else:
            route.learn(value, answered=True)
    assert route.delay == pytest.approx(BEYOND * true, abs=0.06)


def test_no_delay_is_shorter_than_a_millisecond():
    assert learned([0.0] * 100).delay == 0.001


@given(st.lists(st.booleans(), max_size=600), st.sampled_from([0.01, 0.05, 0.5, 1.0]))
def test_copies_are_never_more_than_the_budget_of_the_calls(wanted, budget):
    route = Route(Rules(budget=budget))
    for wants in wanted:
        route.begin()
        if wants:
            route.spend()
        assert route.copies <= budget * route.calls + 1e-9
    assert route.copies + route.refused == sum(wanted)


def test_after_a_quiet_time_few_copies_go_at_once():
    route = Route(Rules())
    for _ in range(10_000):
        route.begin()
    assert sum(route.spend() for _ in range(1000)) == 10
    assert route.refused == 990


def test_where_all_latencies_are_the_same_the_delay_lies_beyond_them():
    assert learned([0.03] * 256).delay > 0.031
