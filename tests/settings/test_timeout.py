"""The settings of time limits: defaults, None for no limit, and what is refused."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Timeout


def test_the_defaults_bound_a_call_to_thirty_seconds():
    chosen = Timeout()
    assert (chosen.total, chosen.connect, chosen.attempt, chosen.read) == (30.0, 5.0, None, 60.0)


def test_none_is_no_limit():
    chosen = Timeout(None, connect=None, read=None)
    assert (chosen.total, chosen.connect, chosen.attempt, chosen.read) == (None, None, None, None)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((0,), {}, "Timeout(total=0): Input should be greater than 0"),
        ((-1,), {}, "Timeout(total=-1): Input should be greater than 0"),
        (("x",), {}, "Timeout(total='x'): Input should be a valid number"),
        ((), {"connect": 0}, "Timeout(connect=0): Input should be greater than 0"),
        ((float("inf"),), {}, "Timeout(total=inf): Input should be a finite number"),
        ((), {"read": float("nan")}, "Timeout(read=nan): Input should be a finite number"),
        ((5, 5), {}, "Timeout(connect=5): give it by name"),
        ((), {"totl": 5}, "Timeout(totl=5): there is no such setting; did you mean total=?"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, named, message):
    with pytest.raises(ConfigError) as caught:
        Timeout(*arguments, **named)
    assert str(caught.value).startswith(message)
