"""Adaptive concurrency: defaults, what is refused, and the limit that each host starts with."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Adaptive


def test_the_defaults_suit_an_unknown_host():
    chosen = Adaptive()
    assert (chosen.algorithm, chosen.initial, chosen.minimum, chosen.maximum, chosen.backoff) == (
        "gradient2", 20, 1, 1000, 0.9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"initial": 0}, "Adaptive(initial=0): Input should be greater than or equal to 1"),
        ({"initial": 2.5}, "Adaptive(initial=2.5): Input should be a valid integer"),
        ({"algorithm": "cubic"}, "Adaptive(algorithm='cubic'): Input should be 'gradient2', 'vegas' or 'aimd'"),
        ({"backoff": 1}, "Adaptive(backoff=1): Input should be less than 1"),
        ({"minimum": 30}, "Adaptive(maximum=1000): minimum=30, initial=20 and maximum=1000 must be in this order"),
        ({"maximum": 10}, "Adaptive(maximum=10): minimum=1, initial=20 and maximum=10 must be in this order"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Adaptive(**wrong)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("algorithm", ["gradient2", "vegas", "aimd"])
def test_a_host_starts_at_the_initial_limit(algorithm):
    assert Adaptive(algorithm, initial=7, maximum=9).start().limit == 7


def test_each_host_has_a_limit_of_its_own():
    chosen = Adaptive()
    assert chosen.start() is not chosen.start()
