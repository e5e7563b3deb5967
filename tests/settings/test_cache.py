"""The cache's settings: defaults, what is refused, and how `explain()` shows them."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Cache


def test_the_defaults_only_do_what_headers_allow():
    chosen = Cache()
    assert (chosen.room, chosen.heuristic, chosen.stale_if_error) == (64 * 1024 * 1024, 0.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"room": 0}, "Cache(room=0): Input should be greater than 0"),
        ({"room": "big"}, "Cache(room='big'): Input should be a valid integer"),
        ({"heuristic": 2}, "Cache(heuristic=2): Input should be less than or equal to 1"),
        ({"stale_if_error": float("inf")}, "Cache(stale_if_error=inf): Input should be a finite number"),
        ({"stale_if_error": -1}, "Cache(stale_if_error=-1): Input should be greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Cache(**wrong)
    assert str(caught.value).startswith(message)


def test_explain_shows_the_room():
    assert Cache(32 * 1024 * 1024).describe() == "as headers allow, at most 32 MiB"
