"""The circuit breaker's settings: defaults, what is refused, and the circuits that they start."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Breaker


def test_the_defaults_open_on_half_of_twenty_within_thirty_seconds():
    chosen = Breaker()
    assert (chosen.failure_rate, chosen.minimum, chosen.window, chosen.count) == (0.5, 20, 30.0, None)
    assert (chosen.open_for, chosen.open_cap, chosen.jitter, chosen.probes, chosen.lease) == (0.5, 4.0, 0.2, 3, 30.0)
    assert (chosen.slow, chosen.slow_rate, chosen.key) == (None, 0.5, None)
    assert chosen.statuses == set(range(500, 600))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"failure_rate": 0}, "Breaker(failure_rate=0): Input should be greater than 0"),
        ({"failure_rate": 1.5}, "Breaker(failure_rate=1.5): Input should be less than or equal to 1"),
        ({"window": 0}, "Breaker(window=0): Input should be greater than 0"),
        ({"open_for": float("inf")}, "Breaker(open_for=inf): Input should be a finite number"),
        ({"statuses": {404}}, "Breaker(statuses=404): Input should be greater than or equal to 500"),
        ({"key": 3}, "Breaker(key=3): Input should be callable"),
        ({"minimum": 0}, "Breaker(minimum=0): Input should be greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Breaker(**wrong)
    assert str(caught.value) == message


def failures_until_open(chosen: Breaker, within: float = 1.0) -> int:
    circuit = chosen.start(lambda: 0.5)
    for number in range(1, 200):
        circuit.record(circuit.permit, None, number * within / 100, failed=True)
        if circuit.state == "open":
            return number
    return 0


def test_a_circuit_opens_once_the_minimum_of_attempts_has_failed():
    assert failures_until_open(Breaker(minimum=5)) == 5


def test_a_count_below_the_minimum_takes_its_place():
    assert failures_until_open(Breaker(count=3)) == 3


def test_a_circuit_that_opens_for_long_is_not_cut_short_by_the_cap():
    circuit = Breaker(open_for=60, jitter=0, minimum=1).start(lambda: 0.5)
    circuit.record(circuit.permit, None, 1.0, failed=True)
    assert circuit.retry_after(1.0) == pytest.approx(60)


def test_each_key_has_a_circuit_of_its_own():
    chosen = Breaker()
    assert chosen.start(lambda: 0.0) is not chosen.start(lambda: 0.0)
