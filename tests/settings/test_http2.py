"""The settings of HTTP/2: defaults, and what is refused."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import HTTP2
from asyncapi.settings.http2 import http2_of


def test_the_defaults():
    chosen = HTTP2()
    assert (chosen.ping, chosen.window, chosen.streams) == (30.0, 16 * 1024 * 1024, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ping": 0}, "HTTP2(ping=0): Input should be greater than 0"),
        ({"ping": float("inf")}, "HTTP2(ping=inf): Input should be a finite number"),
        ({"window": 65_534}, "HTTP2(window=65534): Input should be greater than or equal to 65535"),
        ({"window": 2**31}, "HTTP2(window=2147483648): Input should be less than or equal to 2147483647"),
        ({"window": "1 MiB"}, "HTTP2(window='1 MiB'): Input should be a valid integer"),
        ({"streams": 0}, "HTTP2(streams=0): Input should be greater than or equal to 1"),
        ({"streams": True}, "HTTP2(streams=True): Input should be a valid integer"),
        ({"stream": 5}, "HTTP2(stream=5): there is no such setting; did you mean streams=?"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        HTTP2(**wrong)
    assert str(caught.value) == message


def test_no_ping_and_the_bounds_are_taken():
    assert HTTP2(ping=None, window=65_535, streams=1).ping is None
    assert HTTP2(window=2**31 - 1).window == 2**31 - 1


@pytest.mark.parametrize(
    ("choice", "settings"),
    [(False, None), (None, None), (True, HTTP2()), ("prior", HTTP2()), (HTTP2(ping=None), HTTP2(ping=None))],
)
def test_a_client_takes_yes_no_prior_knowledge_or_settings(choice, settings):
    assert http2_of(choice) == settings


@pytest.mark.parametrize("wrong", [1, 0, "h2", "2", 2.0, HTTP2])
def test_anything_else_is_refused_with_what_to_give(wrong):
    with pytest.raises(ConfigError, match=r"http2=.*: give True, False, 'prior', or HTTP2\(\.\.\.\)"):
        http2_of(wrong)
