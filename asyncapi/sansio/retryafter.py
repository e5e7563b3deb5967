"""When a server says to come back: `Retry-After` and the headers of the same family.

- `retry-after-ms`: milliseconds (Azure, OpenAI). Finer, so it is read first.
- `Retry-After`: seconds, or an HTTP-date in any of its three forms (RFC 9110 sections 10.2.3 and 5.6.7).
- `x-should-retry`: "true" or "false", the server's own verdict (OpenAI, Anthropic, Stripe as stripe-should-retry).

What cannot be read is as if it were not there.
"""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds the server asks us to wait, never negative, or None if it doesn't say.

    Args:
        headers: The answer's headers, case-insensitive.
        wall: Now, in seconds since the Unix epoch, for HTTP-dates.
    """
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, wall)


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own verdict on a retry, or None if it gives none."""
    for name in ("x-should-retry", "stripe-should-retry"):
        verdict = headers.get(name, "").strip().lower()
        if verdict in {"true", "false"}:
            return verdict == "true"
    return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(date: str, wall: float) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:  # "-0000" and the asctime form: UTC by RFC 9110
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - wall)
