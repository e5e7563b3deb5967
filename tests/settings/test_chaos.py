"""The settings of chaos: nothing fails by default, shares add up to one at most, and forms are read alike."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Chaos


def test_nothing_fails_by_default():
    chosen = Chaos()
    assert (chosen.latencies, chosen.slow, chosen.drops, chosen.throttle, chosen.truncate) == ((0, 0), 1.0, 0, 0, 0)
    assert (chosen.shares, chosen.retry_after, chosen.seed) == ({503: 0.0}, 1.0, 0)


TOO_MUCH = "drops, throttle and errors are shares of all attempts: together at most 1"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latency": -1}, "Chaos(latency=-1): give seconds, or a pair (shortest, longest)"),
        ({"latency": (2, 1)}, "Chaos(latency=(2, 1)): give seconds, or a pair (shortest, longest)"),
        ({"latency": float("inf")}, "Chaos(latency=inf): give seconds, or a pair (shortest, longest)"),
        ({"errors": {99: 0.1}}, "Chaos(errors={99: 0.1}): give a share from 0 to 1, or one for each status"),
        ({"errors": -0.1}, "Chaos(errors=-0.1): give a share from 0 to 1"),
        ({"errors": 2}, f"Chaos(errors=2): {TOO_MUCH}"),
        ({"drops": 0.6, "throttle": 0.6}, f"Chaos(errors=0.0): {TOO_MUCH}"),
        ({"errors": {500: 0.7, 503: 0.7}}, f"Chaos(errors={{500: 0.7, 503: 0.7}}): {TOO_MUCH}"),
        ({"slow": 1.5}, "Chaos(slow=1.5): Input should be less than or equal to 1"),
        ({"retry_after": 0}, "Chaos(retry_after=0): Input should be greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Chaos(**wrong)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("latency", "read"), [(0.5, (0.5, 0.5)), ((0.1, 2), (0.1, 2))])
def test_a_latency_is_a_number_or_a_pair(latency, read):
    assert Chaos(latency=latency).latencies == read


@pytest.mark.parametrize(("errors", "read"), [(0.1, {503: 0.1}), ({500: 0.1, 404: 0.01}, {500: 0.1, 404: 0.01})])
def test_errors_are_a_share_of_503s_or_a_share_for_each_status(errors, read):
    assert Chaos(errors=errors).shares == read


def test_shares_may_add_up_to_exactly_one():
    assert Chaos(drops=0.5, throttle=0.25, errors=0.25).drops == 0.5
