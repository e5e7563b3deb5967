"""The settings of a fallback: exactly one of to=, stale= and value=, and each is usable."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Fallback
from asyncapi.testing import reply

ONE = "Fallback: give one of to=, stale= and value=; a list of Fallbacks for several"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, ONE),
        ({"to": "https://h", "stale": 1}, ONE),
        ({"stale": 1, "value": None}, ONE),
        ({"to": "h"}, "Fallback(to='h'): give an absolute base URL, like https://eu.api.example.com"),
        ({"to": "ftp://h"}, "Fallback(to='ftp://h'): give an absolute base URL"),
        ({"value": object()}, "Fallback(value=...): give data that JSON can represent, a Response or a function: "),
        ({"stale": 0}, "Fallback(stale=0): Input should be greater than 0"),
        ({"stale": 5, "statuses": {200}}, "Fallback(statuses=200): Input should be greater than or equal to 400"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Fallback(**wrong)
    assert str(caught.value).startswith(message)


def test_failures_are_all_5xx_by_default():
    assert Fallback(value=1).statuses == set(range(500, 600))


@pytest.mark.parametrize("value", [None, {"items": []}, reply(200), lambda request, failure: None])
def test_a_default_may_be_data_a_response_or_a_function(value):
    assert Fallback(value=value).value is value


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"to": "https://user:secret@eu.example"}, "https://***@eu.example"),
        ({"stale": 3600}, "stale up to 3600 s"),
        ({"value": 1}, "a default value"),
    ],
)
def test_explain_shows_which_and_no_secret(given, shown):
    assert Fallback(**given).describe() == shown


def test_more_time_is_reserved_for_what_has_to_be_fetched():
    fetched, local = Fallback("https://eu.example").share, Fallback(stale=1).share
    assert fetched > local
    assert Fallback(value=lambda request, failure: None).share == fetched
    assert Fallback(value=1).share == local
