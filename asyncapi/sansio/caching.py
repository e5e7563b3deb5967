"""What a private HTTP cache may do (RFC 9111): store, use again, ask again, use although it is old.

    stored when     a GET's final answer of a known status, that nobody forbids (`no-store`, `Vary: *`, a partial one),
                    and that will be of use: it says how long it is fresh, or can be asked about (ETag, Last-Modified)
    fresh for       max-age, else Expires less Date, else a share of its age where the user wants that (section 4.2.2)
    asked again     once it is older than that; at once where it, or the request, says `no-cache`
    old but used    where the request allows it (`max-stale`), or where the server can't be asked (`stale-if-error`,
                    RFC 5861); never against `must-revalidate` or `no-cache`

`private` and credentials are no obstacle: the cache is one user's. `s-maxage` and `proxy-revalidate` are for shared
ones. All times are dates, seconds since the Unix epoch: they are compared with the server's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Directives = dict[str, str]

_DIRECTIVE = re.compile(r'\s*([^\s,;="]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?\s*(?:,|$)')
_STORABLE = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})  # RFC 9110 section 15.1, whole answers
_OF_THE_MESSAGE = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip  # section 3.1
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range", "content-type"})  # section 3.2
_CONDITIONAL = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer that is kept.

    Attributes:
        status: Its status.
        headers: Its headers.
        content: Its decoded body.
        version: HTTP version.
        asked: When it was asked for.
        came: When it came.
        identity: Whose it is.
        varies: What its `Vary` names, and what the request said there.
        told: Its directives.
        old: Seconds since it was made, when it came (section 4.2.3).
    """

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes
    version: str
    asked: float
    came: float
    identity: str
    varies: tuple[tuple[str, str], ...]
    told: Directives
    old: float

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return 500 + len(self.content) + sum(len(name) + len(value) + 150 for name, value in self.headers.items())


def directives(headers: Mapping[str, str]) -> Directives:
    """`Cache-Control`, by lower-case name; the argument is "" where there is none, and of two the smaller one.

    A request's `Pragma: no-cache` counts where there is no Cache-Control (section 5.4).
    """
    told: Directives = {}
    if "Cache-Control" not in headers and "Pragma" not in headers:
        return told
    values = headers.getall("Cache-Control", []) if hasattr(headers, "getall") else [headers.get("Cache-Control", "")]
    for found in _DIRECTIVE.finditer(",".join(values)):
        name, argument = found[1].lower(), found[2] if found[2] is not None else found[3] or ""
        told[name] = min(told[name], argument, key=_number) if name in told else argument
    if not told and "no-cache" in headers.get("Pragma", "").lower():
        told["no-cache"] = ""
    return told


def concerns(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the cache has to do with this request: one with conditions or ranges is its sender's own affair."""
    return (
        method == "GET" and not any(name in headers for name in _CONDITIONAL) and "no-store" not in directives(headers)
    )


def store(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    version: str,
    asked: float,
    came: float,
    identity: str,
    request: Mapping[str, str],
    heuristic: float = 0.0,
) -> Stored | None:
    """The answer as it is kept, or None if it must not be, or would be of no use (section 3)."""
    told, vary = directives(headers), _vary(headers)
    if status not in _STORABLE or "no-store" in told or "*" in vary:
        return None
    kept = CIMultiDictProxy(
        CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OF_THE_MESSAGE)
    )
    varies = tuple((name, request.get(name, "")) for name in vary)
    made = Stored(
        status, kept, content, version, asked, came, identity, varies, told, _age_at_arrival(kept, asked, came)
    )
    useful = lifetime(made, heuristic) > 0 or "ETag" in kept or "Last-Modified" in kept
    return made if useful else None


def choose(kept: Iterable[Stored], identity: str, request: Mapping[str, str]) -> Stored | None:
    """The one that answers this request: the same identity and the same where it varies; the latest of several."""
    matching = [
        one
        for one in kept
        if one.identity == identity and all(request.get(name, "") == value for name, value in one.varies)
    ]
    return max(matching, key=lambda one: one.came, default=None)


def lifetime(stored: Stored, heuristic: float = 0.0) -> float:
    """Seconds for which it is fresh from its making on (section 4.2.1).

    Args:
        stored: The answer.
        heuristic: The share of its age since Last-Modified, where it says nothing (section 4.2.2); 0 for none.
    """
    if "max-age" in stored.told:
        seconds = _number(stored.told["max-age"])
        return seconds if seconds < inf else 0.0
    made = _date(stored.headers.get("Date")) or stored.came
    if "Expires" in stored.headers:
        expires = _date(stored.headers["Expires"])  # "0" and the like are in the past
        return 0.0 if expires is None else max(0.0, expires - made)
    modified = _date(stored.headers.get("Last-Modified"))
    return 0.0 if modified is None else max(0.0, made - modified) * heuristic


def age(stored: Stored, now: float) -> float:
    """Seconds since it was made, or was last found valid (section 4.2.3)."""
    return stored.old + max(0.0, now - stored.came)


def _age_at_arrival(headers: Mapping[str, str], asked: float, came: float) -> float:
    told, made = _number(headers.get("Age", "0")), _date(headers.get("Date"))
    apparent = 0.0 if made is None else max(0.0, came - made)
    return max(apparent, (told if told < inf else 0.0) + max(0.0, came - asked))


def usable(stored: Stored, request: Mapping[str, str], now: float, heuristic: float = 0.0) -> bool:
    """Whether it may be used without asking (sections 4.2, 5.2.1)."""
    asked, told = directives(request), stored.told
    if "no-cache" in asked or "no-cache" in told:
        return False
    old, fresh_for = age(stored, now), lifetime(stored, heuristic)
    if "max-age" in asked and old > _argument(asked["max-age"]):
        return False
    if "min-fresh" in asked:
        return fresh_for - old >= _argument(asked["min-fresh"])
    if old < fresh_for:
        return True
    if "max-stale" not in asked or "must-revalidate" in told:
        return False
    return old - fresh_for <= (inf if asked["max-stale"] == "" else _argument(asked["max-stale"]))


def usable_on_error(
    stored: Stored, request: Mapping[str, str], now: float, allowed: float = 0.0, heuristic: float = 0.0
) -> bool:
    """Whether it may be used, because the server could not be asked (RFC 5861 section 4).

    Args:
        stored: The answer.
        request: The request's headers.
        now: The date.
        allowed: Seconds over its time that the user allows, where neither says `stale-if-error`.
        heuristic: As in `lifetime`.
    """
    asked, told = directives(request), stored.told
    if "no-cache" in asked or "no-cache" in told or "must-revalidate" in told:
        return False
    named = [_argument(each["stale-if-error"]) for each in (asked, told) if "stale-if-error" in each]
    return age(stored, now) - lifetime(stored, heuristic) <= max(named, default=allowed)


def conditions(stored: Stored) -> dict[str, str]:
    """The headers that ask whether it still holds (section 4.3.1)."""
    names = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    return {asks: stored.headers[says] for says, asks in names if says in stored.headers}


def freshened(stored: Stored, headers: Mapping[str, str], *, asked: float, came: float) -> Stored | None:
    """What a 304 makes of it (section 4.3.4); None if it speaks of another one."""
    tag = headers.get("ETag")
    if tag is not None and _opaque(tag) != _opaque(stored.headers.get("ETag", tag)):
        return None
    told = [(name, value) for name, value in headers.items() if name.lower() not in _OF_THE_BODY | _OF_THE_MESSAGE]
    merged = CIMultiDict(stored.headers)
    for name, _ in told:
        merged.popall(name, None)
    merged.popall("Age", None)
    for name, value in told:
        merged.add(name, value)
    return replace(
        stored,
        headers=CIMultiDictProxy(merged),
        asked=asked,
        came=came,
        told=directives(merged),
        old=_age_at_arrival(merged, asked, came),
    )


def with_age(stored: Stored, now: float) -> CIMultiDictProxy[str]:
    """Its headers, with its age (section 5.1)."""
    headers = CIMultiDict(stored.headers)
    headers["Age"] = str(int(age(stored, now)))
    return CIMultiDictProxy(headers)


def _vary(headers: Mapping[str, str]) -> list[str]:
    values = headers.getall("Vary", []) if hasattr(headers, "getall") else [headers.get("Vary", "")]
    return sorted({name.strip().lower() for name in ",".join(values).split(",")} - {""})


def _number(text: str) -> float:
    """Whole seconds; what is none counts as no end, which a caller reads as it must."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else inf  # noqa: PLR2004


def _argument(text: str) -> float:
    """A request's seconds, or an extension's; unreadable ones are 0, the careful reading."""
    seconds = _number(text)
    return seconds if seconds < inf else 0.0


def _opaque(tag: str) -> str:
    """For a weak comparison (RFC 9110 section 8.8.3.2)."""
    return tag.strip().removeprefix("W/")


def _date(text: str | None) -> float | None:
    try:
        when = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (when.replace(tzinfo=UTC) if when.tzinfo is None else when).timestamp()
