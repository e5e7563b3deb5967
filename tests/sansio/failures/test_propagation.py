"""Between services: the time left and the attempt's number, written and read."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.failures.propagation import read_timeout, retried_above, write_timeout


@pytest.mark.parametrize(
    ("name", "seconds", "value"),
    [
        ("Request-Timeout", 1.2345, "1.234"),
        ("Request-Timeout", -1, "0.001"),  # never 0, which many read as no limit
        ("x-envoy-upstream-rq-timeout-ms", 0.0004, "1"),
        ("grpc-timeout", 0.0, "1n"),  # a positive integer
        ("grpc-timeout", 0.099999999, "99999999n"),
        ("grpc-timeout", 0.1, "100000u"),
        ("grpc-timeout", 99_999.9999, "99999999m"),
        ("x-envoy-upstream-rq-timeout-ms", 1.2345, "1234"),
        ("grpc-timeout", 0.05, "50000000n"),
        ("grpc-timeout", 1.5, "1500000u"),
        ("grpc-timeout", 500, "500000m"),
        ("grpc-timeout", 200_000, "200000S"),
        ("grpc-timeout", 1e12, "99999999S"),
    ],
)
def test_the_time_left_is_written_as_the_header_asks_never_rounded_up(name, seconds, value):
    assert write_timeout(name, seconds) == value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Request-Timeout": "2.5"}, 2.5),
        ({"X-Envoy-Expected-Rq-Timeout-Ms": "250"}, 0.25),
        ({"grpc-timeout": "2M"}, 120.0),
        ({"grpc-timeout": "123456789m"}, None),
        ({"grpc-timeout": "2M", "Request-Timeout": "3"}, 3.0),
        ({"Request-Timeout": "soon"}, None),
        ({"Request-Timeout": "-1"}, None),
        ({"Request-Timeout": "nan"}, None),
        ({"Request-Timeout": "inf"}, None),
        ({"Request-Timeout": "1e400"}, None),
        ({"Request-Timeout": "1_0"}, None),
        ({"Request-Timeout": "0x10"}, None),
        ({"Request-Timeout": "3, 5"}, None),
        ({"Request-Timeout": "\u0663"}, None),
        ({"Request-Timeout": "9" * 400}, None),
        ({"Request-Timeout": ""}, None),
        ({"grpc-timeout": "\u0663S"}, None),
        ({"grpc-timeout": "S"}, None),
        ({"grpc-timeout": "-1S"}, None),
        ({"x-envoy-upstream-rq-timeout-ms": "0"}, None),  # Envoy's 0 is no limit
    ],
)
def test_a_callers_time_is_read_in_every_form_and_garbage_does_not_count(headers, seconds):
    assert read_timeout(CIMultiDict(headers)) == pytest.approx(seconds) if seconds else read_timeout(headers) is None


@pytest.mark.parametrize("name", ["X-Envoy-Attempt-Count", "X-Retry-Attempt", "grpc-previous-rpc-attempts"])
def test_a_retrying_caller_is_known_by_its_header(name):
    assert retried_above(CIMultiDict({name: "2"}))
    assert not retried_above(CIMultiDict({"accept": "*/*"}))


def test_the_first_attempt_that_envoy_counts_does_not_say_that_it_retries():
    assert not retried_above(CIMultiDict({"x-envoy-attempt-count": " 1"}))
    assert retried_above(CIMultiDict({"x-envoy-attempt-count": "1", "x-retry-attempt": "0"}))
