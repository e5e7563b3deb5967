"""Read the limits that servers state in their headers, in every dialect in use, into small records.

dialect         fields                                              reset is
ietf            `RateLimit: "default";r=50;t=30` with               seconds
                `RateLimit-Policy: "default";q=100;w=60`
                (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4), and -07's
                `RateLimit: limit=100, remaining=50, reset=30` with `RateLimit-Policy: 100;w=60`
ietf-06         `RateLimit-Limit`, `-Remaining`, `-Reset` (the same draft up to -06, section 3)      seconds
x-ratelimit     `X-RateLimit-Limit`, `-Remaining`, `-Reset` or `-Reset-After`, and spelt              anything
                `X-Rate-Limit-*`; with a suffix `-Second` ... `-Month` for several windows (Kong)
github          the same with `-Used` and `-Resource` (docs.github.com, "Rate limits for the REST API")   epoch seconds
openai          `x-ratelimit-limit-requests`, `-tokens` ... (platform.openai.com, "Rate limits")      `1m30s`, `6ms`
anthropic       `anthropic-ratelimit-requests-limit`, `-tokens-`, `-input-tokens-`, `-output-tokens-`     RFC 3339
                (docs.anthropic.com, "Rate limits")

"Anything" is read by what it looks like: a duration (`1h2m3s`), a date (ISO 8601 or HTTP), a number over 10^11 as
milliseconds since the epoch, over 10^9 as seconds since the epoch, else seconds from now, fractions included. Dates and
epochs are taken by the server's own clock (its `Date`) where ours is off. `Retry-After` beside them is read by
`retry_after.py`.

The draft (section "Client Behavior") has malformed fields ignored: what cannot be read is as if it were not there. Its
fields are structured ones (RFC 9651), which are read strictly: as a whole or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.http.http_date import http_date
from asyncapi.sansio.http.structured_fields import Item, Parameters, parse_dictionary, parse_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST = 1000  # characters of a field worth reading
_LONGEST_LIST = 4000  # characters of a list in several lines worth reading
_MOST = 16  # records of one response
_YEAR = 366 * 86_400.0  # seconds; no reset is further away
_EPOCH = 1e9  # larger numbers are seconds since the epoch
_EPOCH_PARTS = 1e11  # larger numbers are milliseconds since the epoch, or smaller parts
_SKEW = 2.0  # seconds that the clocks may differ: a Date has whole seconds
_WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "month": 30 * 86_400.0}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_UNIT_NAMES = {"request": "requests", "content-bytes": "bytes"}

_TRIPLE = re.compile(r"(x-)?rate(-?)limit-(limit|remaining|reset-after|reset|used|resource|bucket)(?:-([a-z0-9_-]+))?")
_ANTHROPIC = re.compile(r"anthropic-ratelimit-([a-z0-9-]+)-(limit|remaining|reset)")
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,9})?")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h|d)")
_KEY = re.compile(r" *[a-z]+=")  # a dictionary, no list
_UNREADABLE = ","  # no list, whatever follows


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit, as a response states it. What it does not state is None.

    Attributes:
        dialect: Which of the dialects above.
        name: Which limit of several: a policy's name, "requests", "input-tokens", "core", "minute"; or "".
        unit: What is counted: "requests", "tokens", "bytes"; or the server's own word.
        limit: The quota of a window.
        remaining: What is left of it.
        reset: Seconds from now until it is whole again.
        window: Seconds.
    """

    dialect: str
    name: str
    unit: str
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    window: float | None = None


def quotas(headers: Mapping[str, str], wall: float) -> tuple[Quota, ...]:
    """Every limit that these headers state; empty where there is none.

    Args:
        headers: A response's headers; repeated fields may be repeated items.
        wall: Now, seconds since the Unix epoch.
    """
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for header, value in headers.items():
        field = _field_of(header)
        if field is not None and (len(value) <= _LONGEST or field[0] == "ietf"):
            dialect, name, what = field
            fields = groups.setdefault((dialect, name), {})
            if dialect == "ietf":  # the lines of a list are one, and read as a whole or not at all
                value = f"{fields[what]}, {value}" if what in fields else value
                value = value if len(value) <= _LONGEST_LIST else _UNREADABLE
            fields[what] = value
    clock = _Clock(headers, wall)
    policies = _policies(groups.get(("ietf", ""), {}).get("ratelimit-policy", ""))
    found: list[Quota] = []
    for (dialect, name), fields in groups.items():
        found += _read(dialect, name, fields, policies, clock)
    return tuple(quota for quota in found if quota.limit is not None or quota.remaining is not None)[:_MOST]


@lru_cache(maxsize=512)  # the same few headers come again
def _field_of(header: str) -> tuple[str, str, str] | None:
    """(dialect, name of the limit, what the field states of it), or None for any other header."""
    header = header.lower()
    if header in {"ratelimit", "ratelimit-policy"}:
        return "ietf", "", header
    if match := _TRIPLE.fullmatch(header):
        prefix, _, what, name = match.groups(default="")
        return ("x-ratelimit" if prefix else "ietf-06"), name, what
    if match := _ANTHROPIC.fullmatch(header):
        return "anthropic", match[1], match[2]
    return None


def _read(
    dialect: str, name: str, fields: dict[str, str], policies: tuple[_Policy, ...], clock: _Clock
) -> Iterator[Quota]:
    """The records of one group of fields."""
    if dialect == "ietf":
        yield from _structured(fields.get("ratelimit", ""), policies)
        return
    limit, remaining = _number(fields.get("limit")), _number(fields.get("remaining"))
    window = _WINDOWS.get(name)
    if dialect == "ietf-06":
        window = window or _window(limit, policies + _policies(fields.get("limit", "")))
    elif dialect == "x-ratelimit":
        if "resource" in fields or "bucket" in fields:
            name = fields.get("resource", fields.get("bucket", "")).strip()
        if "used" in fields and "resource" in fields:
            dialect = "github"
        elif name.startswith(("requests", "tokens")) or name.endswith(("requests", "tokens")):
            dialect = "openai"
    reset = _delta(fields.get("reset-after")) if "reset-after" in fields else _reset(fields.get("reset"), clock)
    yield Quota(dialect, name, _unit(name), limit, remaining, reset, window)


def _structured(text: str, policies: tuple[_Policy, ...]) -> Iterator[Quota]:
    """The `RateLimit` field beside its policies, in both of its forms."""
    members = None if _KEY.match(text) else _named(parse_list(text))
    if members is None:  # limit=100, remaining=50, reset=30
        values = {key: item.value for key, item in (parse_dictionary(text) or {}).items()}
        limit = _count(values.get("limit"))
        window = _window(limit, policies)
        yield Quota("ietf", "", "requests", limit, _count(values.get("remaining")), _near(values.get("reset")), window)
        return
    states = dict(members)
    for policy in policies:
        state = states.pop(policy.name, {})
        if policy.unit != "concurrent-requests" and (state or not policy.old):
            remaining, reset = _count(state.get("r")), _near(state.get("t"))
            yield Quota("ietf", policy.name, policy.unit, policy.quota, remaining, reset, policy.window)
    for name, state in states.items():
        yield Quota("ietf", name, "requests", None, _count(state.get("r")), _near(state.get("t")))


@dataclass(frozen=True, slots=True)
class _Policy:
    """One member of a `RateLimit-Policy`; `old` is the form of -07 and before, which is named by its quota."""

    name: str
    quota: float | None
    window: float | None
    unit: str
    old: bool


@lru_cache(maxsize=128)  # it is the same in every response
def _policies(text: str) -> tuple[_Policy, ...]:
    """The members of a `RateLimit-Policy`: `"default";q=100;w=60`, or before -08 `100;w=60`."""
    policies = []
    for name, parameters in _named(parse_list(text)) or ():
        old, unit = "q" not in parameters, parameters.get("qu", "requests")
        quota = _number(name) if old else _count(parameters["q"])
        unit = _UNIT_NAMES.get(unit, unit) if isinstance(unit, str) else "requests"
        policies.append(_Policy(name, quota, _near(parameters.get("w", parameters.get("window"))), unit, old))
    return tuple(policies)


def _window(limit: float | None, policies: tuple[_Policy, ...]) -> float | None:
    """The window of the policy with this quota."""
    return next((policy.window for policy in policies if policy.window and policy.quota == limit), None)


def _named(members: list[Item] | None) -> list[tuple[str, Parameters]] | None:
    """The names of a list's members, each with its parameters; None where it is no list of names or numbers."""
    if members is None or not all(isinstance(member.value, str | int) for member in members):
        return None
    return [(str(member.value), member.parameters) for member in members]


def _count(value: Any) -> float | None:
    """A parameter that is a number."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if known else None


def _near(value: Any) -> float | None:
    """A parameter in seconds from now."""
    seconds = _count(value)
    return seconds if seconds is not None and seconds <= _YEAR else None


def _unit(name: str) -> str:
    return "tokens" if "token" in name else "requests"


def _number(text: str | None) -> float | None:
    """The first number of a field; of `100, 100;w=60` the 100."""
    if text is None:
        return None
    first = text.partition(",")[0].partition(";")[0].strip()
    return float(first) if _NUMBER.fullmatch(first) else None


def _delta(text: str | None) -> float | None:
    """Seconds from now."""
    seconds = _number(text)
    return seconds if seconds is not None and seconds <= _YEAR else None


def _reset(text: str | None, clock: _Clock) -> float | None:
    """Seconds from now, of whatever form the server writes."""
    if text is None:
        return None
    text = text.strip()
    number = _number(text)
    if number is not None:
        while number >= _EPOCH_PARTS:
            number /= 1000
        seconds = number - clock.now() if number >= _EPOCH else number
    elif _DURATION.fullmatch(text):
        seconds = sum(float(amount) * _UNITS[unit] for amount, unit in _DURATION_PART.findall(text))
    else:
        date = _date(text, clock.now())
        if date is None:
            return None
        seconds = date
    return max(0.0, seconds) if seconds <= _YEAR else None


def _date(text: str, now: float) -> float | None:
    """Seconds until a date, ISO 8601 or as in HTTP."""
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        date = http_date(text, now)
        return None if date is None else max(0.0, date - now)


class _Clock:
    """Our time, or the server's where the two clocks differ by more than a Date can be off."""

    __slots__ = ("_headers", "_wall")

    def __init__(self, headers: Mapping[str, str], wall: float) -> None:
        self._headers = headers
        self._wall = wall

    def now(self) -> float:
        """Seconds since the epoch; read only when a date needs it."""
        ahead = http_date(self._headers.get("Date"), self._wall)
        if ahead is None or ahead < _EPOCH or abs(ahead - self._wall) <= _SKEW:
            return self._wall
        return ahead
