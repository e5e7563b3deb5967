"""The settings of a rate limit: what is refused, and the bucket that they start."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import RateLimit


def test_the_defaults_are_one_limit_for_the_client_a_second():
    chosen = RateLimit(100)
    assert (chosen.amount, chosen.per, chosen.burst, chosen.by, chosen.weight) == (100, 1.0, None, "client", None)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((), {}, "RateLimit: give amount="),
        ((0,), {}, "RateLimit(amount=0): Input should be greater than 0"),
        ((5,), {"per": 0}, "RateLimit(per=0): Input should be greater than 0"),
        ((5,), {"burst": 0.5}, "RateLimit(burst=0.5): Input should be greater than or equal to 1"),
        ((5,), {"by": "route"}, "RateLimit(by='route'): Input should be 'client' or 'host'"),
        ((5,), {"weight": 3}, "RateLimit(weight=3): Input should be callable"),
        ((5, 1.0), {}, "RateLimit(per=1.0): give it by name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, named, message):
    with pytest.raises(ConfigError) as caught:
        RateLimit(*arguments, **named)
    assert str(caught.value) == message


def taken_at_once(chosen: RateLimit) -> int:
    bucket, taken = chosen.start(), 0
    while taken < 1000 and bucket.delay(0.0, 1.0) <= 0:
        bucket.take(0.0, 1.0)
        taken += 1
    return taken


@pytest.mark.parametrize(
    ("chosen", "burst"),
    [(RateLimit(10), 10), (RateLimit(10, burst=3), 3), (RateLimit(10, burst=1), 1), (RateLimit(0.5, per=60), 1)],
)
def test_as_many_tokens_as_the_burst_may_be_spent_at_once(chosen, burst):
    assert taken_at_once(chosen) == burst


def test_text_becomes_a_limit_with_a_seconds_worth_at_once():
    assert RateLimit.of("50") == RateLimit(50, burst=50)
    assert RateLimit.of("5000/h") == RateLimit(5000, per=3600, burst=5000 / 3600)
    assert RateLimit.of("10/d") == RateLimit(10, per=86400, burst=1)


@pytest.mark.parametrize(("wrong", "says"), [("fast", "the rate 'fast' cannot be read"), (50, "give text such as")])
def test_what_is_no_rate_is_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        RateLimit.of(wrong)


@pytest.mark.parametrize(("text", "shown"), [("100/m", "100 a minute"), ("3", "3 a second"), ("10/30s", "10 in 30 s")])
def test_a_limit_describes_itself(text, shown):
    assert RateLimit.of(text).describe() == shown
