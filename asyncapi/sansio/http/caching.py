"""What a private HTTP cache may do (RFC 9111): store, use again, ask again, use although it is old.

    stored when     a GET's final answer of a known status, that nobody forbids (`no-store`, `Vary: *`, a partial one),
                    and that will be of use: it says how long it is fresh, or can be asked about (ETag, Last-Modified)
    fresh for       max-age, else Expires less Date, else a share of its age where the user wants that (section 4.2.2)
    asked again     once it is older than that; at once where it, or the request, says `no-cache`
    old but used    where the request allows it (`max-stale`), or where the server can't be asked (`stale-if-error`,
                    RFC 5861); never against `must-revalidate` or `no-cache`

`private` and credentials are no obstacle: the cache is one user's. `s-maxage` and `proxy-revalidate` are for shared
ones. What can't be read is read so that the server is asked: an invalid or contradicted lifetime is none (section
4.2.1). All times are dates, seconds since the Unix epoch: they are compared with the server's.

What is kept is a plain tuple of text, bytes and numbers, which Python's garbage collector looks at once and never
again: a hundred thousand of them cost it nothing. `Stored` is the same with names, for as long as it is looked at.
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.sansio.http.cache_control import argument, directives, seconds
from asyncapi.sansio.http.fields import elements, lines, too_long
from asyncapi.sansio.http.http_date import http_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncapi.sansio.http.cache_control import Directives

Kept = tuple[object, ...]  # a Stored without its names

_STORABLE = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})  # RFC 9110 section 15.1, whole answers
_OF_THE_MESSAGE = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip  # section 3.1
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range", "content-type"})  # section 3.2
_CONDITIONAL = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")
_VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
# RFC 9110 section 5.5, and what has bytes: U+DC80 to U+DCFF are those that were no UTF-8, and are sent as they came.
_SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\udc80-\udcff\ue000-\U0010ffff]+")


class Stored(NamedTuple):
    """An answer that is kept.

    Attributes:
        identity: Whose it is.
        varies: What its `Vary` names, and what the request said there, in turn; None where it said nothing.
        came: When it came.
        old: Seconds since it was made, when it came (section 4.2.3).
        fresh_for: Seconds for which it is fresh from its making on (section 4.2.1).
        ask: Whether it says `no-cache`.
        strict: Whether it says `must-revalidate`.
        on_error: Seconds of its `stale-if-error`, -1 without.
        status: Its status.
        version: HTTP version.
        fields: The names and values of its headers, in turn.
        content: Its decoded body.
    """

    identity: str
    varies: tuple[str | None, ...]
    came: float
    old: float
    fresh_for: float
    ask: bool
    strict: bool
    on_error: float
    status: int
    version: str
    fields: tuple[str, ...]
    content: bytes

    @property
    def headers(self) -> CIMultiDict[str]:
        """Its headers, made anew."""
        return headers_of(self.fields)

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return 500 + len(self.content) + sum(len(text) + 60 for text in self.fields)


class Fetched(NamedTuple):
    """When and for what an answer was fetched.

    Attributes:
        asked: When it was asked for.
        came: When it came.
        request: The request's headers.
        heuristic: The share of its age since Last-Modified for which an answer is fresh that doesn't say (section
            4.2.2); 0 for none.
    """

    asked: float
    came: float
    request: Mapping[str, str]
    heuristic: float = 0.0


def concerns(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the cache has to do with this request: one with conditions or ranges is its sender's own affair."""
    if method != "GET":
        return False
    for name in _CONDITIONAL:  # no generator: every hit comes by here
        if name in headers:
            return False
    return "no-store" not in directives(headers)


def storable(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer may be kept, as far as it says itself (section 3)."""
    return (
        status in _STORABLE
        and "no-store" not in directives(headers)
        and "*" not in _names(headers, "Vary")
        and "*" not in _names(headers, "Connection")  # of what is too long to be read
    )


def store(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    fetched: Fetched,
    *,
    version: str,
    identity: str,
) -> Stored | None:
    """The answer as it is kept, or None if it must not be, or would be of no use (section 3).

    Args:
        status: Its status.
        headers: Its headers.
        content: Its decoded body.
        fetched: When it was fetched, and for which request.
        version: HTTP version.
        identity: Whose it is.
    """
    if not storable(status, headers):
        return None
    made = _made(status, headers, content, fetched, version=version, identity=identity)
    return made if made.fresh_for > 0 or conditions(made) else None


def _made(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    fetched: Fetched,
    *,
    version: str,
    identity: str,
) -> Stored:
    asked, came, request, heuristic = fetched
    told = directives(headers)
    varies = [text for name in sorted(_names(headers, "Vary")) for text in (name, _said(request, name))]
    return Stored(
        identity=identity,
        varies=tuple(varies),
        came=came,
        old=_age_at_arrival(headers, asked, came),
        fresh_for=_lifetime(headers, told, came, heuristic),
        ask="no-cache" in told,
        strict="must-revalidate" in told,
        on_error=argument(told["stale-if-error"]) if "stale-if-error" in told else -1.0,
        status=status,
        version=version,
        fields=plain_fields(headers),
        content=content,
    )


def plain_fields(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The names and values of headers in turn, as plain text, but for those of this one message (section 3.1)."""
    dropped = _OF_THE_MESSAGE.union(_names(headers, "Connection"))
    # multidict's names are of a type of its own, which the garbage collector would walk
    return tuple(str(text) for pair in headers.items() if pair[0].lower() not in dropped for text in pair)


def headers_of(fields: tuple[str, ...]) -> CIMultiDict[str]:
    """The headers that `plain_fields` has made flat."""
    pairs = iter(fields)
    return CIMultiDict(list(zip(pairs, pairs, strict=True)))  # a list is taken in twice as fast


def choose(kept: Iterable[Kept], identity: str, request: Mapping[str, str]) -> Stored | None:
    """The one that answers this request: the same identity and the same where it varies; the latest of several."""
    found: Stored | None = None
    for one in kept:
        if one[0] == identity and (not one[1] or _matches(one[1], request)):  # type: ignore[arg-type]
            stored = Stored._make(one)
            if found is None or stored.came > found.came:
                found = stored
    return found


def _matches(varies: Sequence[str | None], request: Mapping[str, str]) -> bool:
    pairs = iter(varies)
    return all(_said(request, name or "") == value for name, value in zip(pairs, pairs, strict=True))


def _said(request: Mapping[str, str], name: str) -> str | None:
    """What a request says in a header, all lines and whatever the spacing (section 4.1); None where it has none."""
    values = lines(request, name)
    if len(values) == 1 and "," not in values[0]:
        return values[0].strip()
    return None if not values else ", ".join(values) if too_long(values) else ", ".join(elements(values))


def _lifetime(headers: Mapping[str, str], told: Directives, came: float, heuristic: float) -> float:
    """Seconds for which an answer is fresh from its making on (section 4.2.1); of several Expires, the least counts."""
    if "max-age" in told:
        return argument(told["max-age"])
    made = http_date(headers.get("Date"), came)
    made = came if made is None else made
    if "Expires" in headers:
        ends = [http_date(text, came) for text in lines(headers, "Expires")]  # "0" and the like are in the past
        return min(0.0 if end is None else max(0.0, end - made) for end in ends)
    modified = http_date(headers.get("Last-Modified"), came)
    return 0.0 if modified is None else max(0.0, made - modified) * heuristic


def age(stored: Stored, now: float) -> float:
    """Seconds since it was made, or was last found valid (section 4.2.3)."""
    return stored.old + max(0.0, now - stored.came)


def _age_at_arrival(headers: Mapping[str, str], asked: float, came: float) -> float:
    """By its Age, of whose elements the first counts (section 5.1), and its Date; what can't be read is not there."""
    first = next(elements(lines(headers, "Age")), "").partition(";")[0]
    told, made = seconds(first) or 0.0, http_date(headers.get("Date"), came)
    apparent = 0.0 if made is None else max(0.0, came - made)
    return max(apparent, told + max(0.0, came - asked))


def usable(stored: Stored, request: Mapping[str, str], now: float) -> bool:
    """Whether it may be used without asking (sections 4.2, 5.2.1)."""
    asked = directives(request)
    if stored.ask or "no-cache" in asked:
        return False
    old, fresh_for = age(stored, now), stored.fresh_for
    if not asked:
        return old < fresh_for
    if "max-age" in asked and old > argument(asked["max-age"]):
        return False
    if "min-fresh" in asked:
        least = seconds(asked["min-fresh"])
        return least is not None and fresh_for - old >= least
    if old < fresh_for:
        return True
    if "max-stale" not in asked or stored.strict:
        return False
    return old - fresh_for <= (inf if asked["max-stale"] == "" else argument(asked["max-stale"]))


def usable_on_error(stored: Stored, request: Mapping[str, str], now: float, allowed: float = 0.0) -> bool:
    """Whether it may be used, because the server could not be asked (RFC 5861 section 4).

    Args:
        stored: The answer.
        request: The request's headers.
        now: The date.
        allowed: Seconds over its time that the user allows, where neither says `stale-if-error`.
    """
    asked = directives(request)
    if stored.ask or stored.strict or "no-cache" in asked:
        return False
    named = [argument(asked["stale-if-error"])] if "stale-if-error" in asked else []
    if stored.on_error >= 0:
        named.append(stored.on_error)
    return age(stored, now) - stored.fresh_for <= max(named, default=allowed)


def conditions(stored: Stored) -> dict[str, str]:
    """The headers that ask whether it still holds (section 4.3.1).

    A validator that can't be sent as it came, or is another in each of its lines, is not asked about: a different one
    could be found valid.
    """
    headers, found = stored.headers, {}
    for says, asks in _VALIDATORS:
        values = set(headers.getall(says, ()))
        if len(values) == 1 and _SENDABLE.fullmatch(value := values.pop()):
            found[asks] = value
    return found


def freshened(
    stored: Stored,
    headers: Mapping[str, str],
    fetched: Fetched,
) -> Stored | None:
    """What a 304 makes of it (section 4.3.4); None if it speaks of another one."""
    known = stored.headers
    if differs(known, headers, ("ETag",) if "ETag" in headers else ("Last-Modified",)):
        return None
    dropped = _OF_THE_BODY | _OF_THE_MESSAGE | _names(headers, "Connection")
    told = [(name, value) for name, value in headers.items() if name.lower() not in dropped]
    for name in ("Age", *(name for name, _ in told)):
        known.popall(name, None)
    known.extend(told)
    return _made(stored.status, known, stored.content, fetched, version=stored.version, identity=stored.identity)


def differs(known: Mapping[str, str], told: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether two answers' headers say of one of these fields, which both have, that they are not of the same one."""
    return any(_opaque(known[name]) != _opaque(told[name]) for name in names if name in known and name in told)


def outdated(stored: Stored, told: Mapping[str, str]) -> bool:
    """Whether the answer to a HEAD says that it is another one by now (section 4.3.5)."""
    return differs(stored.headers, told, ("ETag", "Last-Modified", "Content-Length"))


def with_age(stored: Stored, now: float) -> CIMultiDictProxy[str]:
    """Its headers, with its age (section 5.1)."""
    headers = stored.headers
    headers["Age"] = str(int(age(stored, now)))
    return CIMultiDictProxy(headers)


def _names(headers: Mapping[str, str], field: str) -> set[str]:
    """The field names in a list of them, in lower case; "*" where there are too many to read."""
    if field not in headers:
        return set()
    values = lines(headers, field)
    return {"*"} if too_long(values) else {element.lower() for element in elements(values)}


def _opaque(tag: str) -> str:
    """For a weak comparison (RFC 9110 section 8.8.3.2)."""
    return tag.strip().removeprefix("W/")
