"""The settings of hedging: defaults, what is refused, and when a response counts as late."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Hedge

LATE = "give seconds, or a quantile of the route's latencies such as 'p95'"


def test_the_defaults_hedge_one_in_twenty_at_the_most():
    chosen = Hedge()
    assert (chosen.after, chosen.copies, chosen.budget, chosen.minimum) == ("p95", 2, 0.05, 50)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"after": 0}, f"Hedge(after=0): {LATE}"),
        ({"after": float("inf")}, f"Hedge(after=inf): {LATE}"),
        ({"after": "p5"}, f"Hedge(after='p5'): {LATE}"),
        ({"after": "fast"}, f"Hedge(after='fast'): {LATE}"),
        ({"copies": 1}, "Hedge(copies=1): Input should be greater than or equal to 2"),
        ({"copies": 11}, "Hedge(copies=11): Input should be less than or equal to 10"),
        ({"budget": 0}, "Hedge(budget=0): Input should be greater than 0"),
        ({"minimum": 5}, "Hedge(minimum=5): Input should be greater than or equal to 20"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Hedge(**wrong)
    assert str(caught.value) == message


def test_a_fixed_delay_is_known_from_the_first_call_on():
    assert Hedge(0.1).start().begin() == 0.1


def test_a_quantile_is_not_known_before_the_minimum_of_latencies():
    route = Hedge("p99", minimum=20).start()
    for _ in range(19):
        assert route.begin() is None
        route.learn(0.5, answered=True)


@pytest.mark.parametrize(("after", "label"), [("p99.9", "p99.9"), (0.25, "fixed")])
def test_records_say_by_what_it_was_late(after, label):
    assert Hedge(after).label == label
