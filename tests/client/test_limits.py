"""What a request takes of each limit is checked, and each host has limits of its own."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError, RateLimit, Request
from asyncapi.client.limits import limiters_of, weigher
from asyncapi.testing import FakeClock

REQUEST = Request("GET", "https://h/a")


def test_a_request_takes_one_of_each_limit_without_a_weight():
    assert weigher([RateLimit(1), RateLimit(2)])(REQUEST) == (1.0, 1.0)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ConfigError, match="must be a number, 0 or more"):
        weigher([RateLimit(1, weight=lambda _: weight)])(REQUEST)


def test_limits_are_grouped_by_what_they_count():
    of_client, of_host = RateLimit(10), RateLimit(5, by="host")
    groups = limiters_of([of_host, of_client], None, FakeClock())
    assert [(by, limits) for by, limits, _ in groups] == [("client", [of_client]), ("host", [of_host])]
    keyed = groups[1][2]
    assert keyed["a"] is keyed["a"] is not keyed["b"]
