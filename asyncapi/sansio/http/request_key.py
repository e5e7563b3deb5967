"""Recognise identical requests by the headers that may change the response, not by those that only trace a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACING = frozenset({
    "b3", "baggage", "correlation-id", "request-id", "traceparent", "tracestate", "x-amzn-trace-id",
    "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid", "x-correlation-id", "x-request-id",
})  # fmt: skip


def key_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers that may change the response, credentials included, sorted by their lower-case names."""
    pairs = ((name.lower(), value) for name, value in headers.items())
    return tuple(sorted(pair for pair in pairs if pair[0] not in _TRACING))
