"""Write and read the headers that carry deadlines and attempt counts between services.

Time left, by the header's name:
    grpc-timeout                        at most 8 digits and a unit, H M S m u n (gRPC over HTTP/2, "Timeout")
    x-envoy-upstream-rq-timeout-ms      whole milliseconds (Envoy, router filter); so for any name ending in -ms
    Request-Timeout, or any other       seconds, as a decimal number

A retrying layer above us, by the header it sends with each attempt:
    x-envoy-attempt-count, x-retry-attempt, x-stainless-retry-count, grpc-previous-rpc-attempts, amz-sdk-request
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_HEADERS = (
    "request-timeout",
    "x-request-timeout",
    "grpc-timeout",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
)
_ENVOY = "x-envoy-attempt-count"
ATTEMPT_HEADERS = (
    _ENVOY,
    "x-retry-attempt",
    "x-stainless-retry-count",
    "grpc-previous-rpc-attempts",
    "amz-sdk-request",
)

_NUMBER = re.compile(r"\d{1,15}(\.\d{0,15})?", re.ASCII)
_GRPC = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)
_GRPC_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GRPC_MOST = 99_999_999  # 8 digits ("Timeout" in gRPC over HTTP/2)


def write_timeout(name: str, seconds: float) -> str:
    """The time left as the value of header `name`.

    Rounded down, so that the peer never gives more than there is; but never to 0, which many read as "no limit".
    """
    if name.lower() == "grpc-timeout":
        return _write_grpc(max(0.0, seconds))
    milliseconds = max(1, math.floor(seconds * 1000))
    return str(milliseconds) if name.lower().endswith("-ms") else f"{milliseconds / 1000:.3f}"


def _write_grpc(seconds: float) -> str:
    for unit in "num":  # the finest unit that fits into 8 digits
        count = max(1, math.floor(seconds / _GRPC_UNITS[unit]))
        if count <= _GRPC_MOST:
            return f"{count}{unit}"
    return f"{math.floor(min(seconds, _GRPC_MOST))}S"


def read_timeout(headers: Mapping[str, str]) -> float | None:
    """The seconds that a caller gives us, or None; of several headers the least. An unreadable one does not count."""
    stated = [_read(name, headers[name].strip()) for name in TIMEOUT_HEADERS if name in headers]
    return min((seconds for seconds in stated if seconds is not None), default=None)


def _read(name: str, value: str) -> float | None:
    if name == "grpc-timeout":
        match = _GRPC.fullmatch(value)
        return int(match[1]) * _GRPC_UNITS[match[2]] if match else None
    if not _NUMBER.fullmatch(value):
        return None
    if not name.endswith("-ms"):
        return float(value)
    return float(value) / 1000 or None  # Envoy's 0 is no limit


def retried_above(headers: Mapping[str, str]) -> bool:
    """Whether the caller says that it retries: then we should not.

    Envoy counts the first attempt of every request, whether it would retry or not: a count of 1 says nothing.
    """
    return any(name in headers and (name != _ENVOY or headers[name].strip() != "1") for name in ATTEMPT_HEADERS)
