"""Read how long a server asks to wait: `Retry-After` and the headers of the same family.

- `retry-after-ms`: milliseconds (Azure, OpenAI). Finer, so it is read first.
- `Retry-After`: seconds, or an HTTP-date in any of its three forms (RFC 9110 sections 10.2.3 and 5.6.7). A date is by
  the server's clock: where the response's own `Date` shows that clock to be off, the time between the two is meant.
- `x-should-retry`: "true" or "false", the server's own verdict (OpenAI, Anthropic, Stripe as stripe-should-retry).

What cannot be read does not count: a sign, an exponent, quotes, another unit. Of several values, on lines of their own
or joined by a proxy (RFC 9110 section 5.3), the longest holds: a request that comes earlier breaks one of them.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LONGEST = 200  # characters of a field worth reading
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")  # a fraction is not in the grammar, but sent
_FURTHEST = 1e12  # seconds: any longer number is as much
_DAY = re.compile(r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?", re.IGNORECASE)
_SKEW = 2.0  # seconds that clocks may differ before it matters: a Date has whole seconds
_PLAUSIBLE = 3.2e7  # seconds since the epoch: a Date in 1970 is that of a clock never set


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds the server asks us to wait, never negative, or None if it doesn't say.

    Args:
        headers: The response's headers, case-insensitive; repeated fields may be repeated items.
        wall: Now, in seconds since the Unix epoch, for HTTP-dates.
    """
    millis = [number for number in map(_number, _values(headers, "retry-after-ms")) if number is not None]
    if millis:
        return max(millis) / 1000
    now, waits = None, []
    for value in _values(headers, "retry-after"):
        seconds = _number(value)
        if seconds is None and (when := _date(value)) is not None:
            now = _now(headers, wall) if now is None else now
            seconds = max(0.0, when - now)
        if seconds is not None:
            waits.append(seconds)
    return max(waits, default=None)  # RFC 9110 section 5.3


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own verdict on a retry, or None if it gives none."""
    for name in ("x-should-retry", "stripe-should-retry"):
        verdict = headers.get(name, "").strip().lower()
        if verdict in {"true", "false"}:
            return verdict == "true"
    return None


def _values(headers: Mapping[str, str], name: str) -> Iterator[str]:
    """The values of a field, from all of its lines; the comma after a weekday ends none."""
    if headers.get(name) is None:
        return
    lines: Sequence[str] = getattr(headers, "getall", lambda field: (headers[field],))(name)
    for line in lines:
        parts = iter(line.split(",") if len(line) <= _LONGEST else ())
        for part in parts:
            value = part.strip(" \t")
            yield f"{value}, {next(parts, '').strip()}" if _DAY.fullmatch(value) else value


def _number(value: str) -> float | None:
    return min(float(value), _FURTHEST) if len(value) <= _LONGEST and _NUMBER.fullmatch(value) else None


def _date(value: str) -> float | None:
    """Seconds since the epoch."""
    if not value[:1].isalpha():
        return None
    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:  # "-0000" and the asctime form: UTC by RFC 9110
            when = when.replace(tzinfo=UTC)
        return when.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _now(headers: Mapping[str, str], wall: float) -> float:
    """Seconds since the epoch: our time, or that of the server's clock where they differ."""
    date = headers.get("date")
    theirs = _date(date.strip()) if date is not None and len(date) <= _LONGEST else None
    if theirs is None or theirs < _PLAUSIBLE:
        return wall
    theirs += _number(headers.get("age", "").strip()) or 0.0  # seconds in a cache since (RFC 9111 section 5.1)
    return wall if abs(theirs - wall) <= _SKEW else theirs
