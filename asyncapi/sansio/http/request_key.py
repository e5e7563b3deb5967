"""Which requests are the same: what identical ones have in common, and what only names one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES_THE_REQUEST = frozenset({
    "b3", "baggage", "correlation-id", "request-id", "traceparent", "tracestate", "x-amzn-trace-id",
    "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid", "x-correlation-id", "x-request-id",
})  # fmt: skip


def telling(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers that may change the answer, credentials included, in one order; not those that name or trace it."""
    return tuple(
        sorted(
            (name, value)
            for name, value in ((name.lower(), value) for name, value in headers.items())
            if name not in _NAMES_THE_REQUEST
        )
    )
