"""Decide what a private HTTP cache may do (RFC 9111): store, use again, revalidate, use although stale.

    stored          a GET's final response of a known status that nothing forbids (`no-store`, `Vary: *`, a partial
                    one), and that will be of use: it has a lifetime, or a validator (ETag, Last-Modified)
    fresh           for max-age, else Expires less Date, else a share of its age where the user wants that (section
                    4.2.2)
    revalidated     once it is older than that; at once where the response or the request says `no-cache`
    used stale      where the request allows it (`max-stale`), or where the server can't be reached (`stale-if-error`,
                    RFC 5861); never against `must-revalidate` or `no-cache`

`private` and credentials are no obstacle: the cache is one user's. `s-maxage` and `proxy-revalidate` are for shared
caches. What can't be read counts so that the server is asked: an invalid or contradicted lifetime is none (section
4.2.1). All times are dates, seconds since the Unix epoch: they are compared with the server's.

A stored response is a plain tuple of text, bytes and numbers, which Python's garbage collector looks at once and never
again: a hundred thousand of them cost it nothing. `Stored` is the same with names, for as long as it is in use.
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

Record = tuple[object, ...]  # a Stored without its names

_STORABLE = frozenset(
    {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
)  # RFC 9110 section 15.1, without partial ones
_OF_THE_MESSAGE = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip  # section 3.1
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range", "content-type"})  # section 3.2
_CONDITIONAL = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")
_VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
# RFC 9110 section 5.5. U+DC80 to U+DCFF are bytes that were not UTF-8, and are sent as they came.
_SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\udc80-\udcff\ue000-\U0010ffff]+")


class Stored(NamedTuple):
    """A stored response.

    Attributes:
        identity: The principal it belongs to.
        varies: The names in its `Vary`, each followed by the request's value; None where the request had none.
        response_time: When it was received.
        initial_age: Its age in seconds at that time (section 4.2.3).
        fresh_for: Its freshness lifetime in seconds (section 4.2.1).
        no_cache: Whether it says `no-cache`.
        must_revalidate: Whether it says `must-revalidate`.
        stale_if_error: Seconds of its `stale-if-error`, -1 without.
        status: Its status.
        version: HTTP version.
        fields: The names and values of its headers, in turn.
        content: Its decoded body.
    """

    identity: str
    varies: tuple[str | None, ...]
    response_time: float
    initial_age: float
    fresh_for: float
    no_cache: bool
    must_revalidate: bool
    stale_if_error: float
    status: int
    version: str
    fields: tuple[str, ...]
    content: bytes

    @property
    def headers(self) -> CIMultiDict[str]:
        """Its headers, as a new object."""
        return headers_of(self.fields)

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return 500 + len(self.content) + sum(len(text) + 60 for text in self.fields)


class Fetched(NamedTuple):
    """When, and for which request, a response was fetched.

    Attributes:
        request_time: When the request was sent.
        response_time: When the response was received.
        request: The request's headers.
        heuristic: The share of its age since Last-Modified for which a response is fresh that has no lifetime (section
            4.2.2); 0 for none.
    """

    request_time: float
    response_time: float
    request: Mapping[str, str]
    heuristic: float = 0.0


def concerns(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the cache may serve this request: one with conditions or ranges of its own goes to the server."""
    if method != "GET":
        return False
    for name in _CONDITIONAL:  # no generator: every hit passes here
        if name in headers:
            return False
    return "no-store" not in directives(headers)


def storable(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a response may be stored, by its own status and headers (section 3)."""
    return (
        status in _STORABLE
        and "no-store" not in directives(headers)
        and "*" not in _names(headers, "Vary")
        and "*" not in _names(headers, "Connection")  # a field that is too long to be read
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
    """Make a stored response, or None if it must not be stored, or would be of no use (section 3).

    Args:
        status: Its status.
        headers: Its headers.
        content: Its decoded body.
        fetched: When it was fetched, and for which request.
        version: HTTP version.
        identity: The principal it belongs to.
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
    request_time, response_time, request, heuristic = fetched
    own = directives(headers)
    varies = [text for name in sorted(_names(headers, "Vary")) for text in (name, _value(request, name))]
    return Stored(
        identity=identity,
        varies=tuple(varies),
        response_time=response_time,
        initial_age=_initial_age(headers, request_time, response_time),
        fresh_for=_lifetime(headers, own, response_time, heuristic),
        no_cache="no-cache" in own,
        must_revalidate="must-revalidate" in own,
        stale_if_error=argument(own["stale-if-error"]) if "stale-if-error" in own else -1.0,
        status=status,
        version=version,
        fields=plain_fields(headers),
        content=content,
    )


def plain_fields(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The names and values of headers in turn, as plain text, without those of this one message (section 3.1)."""
    dropped = _OF_THE_MESSAGE.union(_names(headers, "Connection"))
    # multidict's names are of a type of its own, which the garbage collector would walk
    return tuple(str(text) for pair in headers.items() if pair[0].lower() not in dropped for text in pair)


def headers_of(fields: tuple[str, ...]) -> CIMultiDict[str]:
    """The headers that `plain_fields` has flattened."""
    pairs = iter(fields)
    return CIMultiDict(list(zip(pairs, pairs, strict=True)))  # twice as fast as from an iterator


def choose(records: Iterable[Record], identity: str, request: Mapping[str, str]) -> Stored | None:
    """The stored response for this request: of the same principal, and the same in what it varies by (section 4.1)."""
    found: Stored | None = None
    for record in records:
        if record[0] == identity and (not record[1] or _matches(record[1], request)):  # type: ignore[arg-type]
            stored = Stored._make(record)
            if found is None or stored.response_time > found.response_time:  # section 4: the most recent of several
                found = stored
    return found


def _matches(varies: Sequence[str | None], request: Mapping[str, str]) -> bool:
    pairs = iter(varies)
    return all(_value(request, name or "") == value for name, value in zip(pairs, pairs, strict=True))


def _value(request: Mapping[str, str], name: str) -> str | None:
    """The value of a request's header, of all lines and whatever the spacing (section 4.1); None where it has none."""
    values = lines(request, name)
    if len(values) == 1 and "," not in values[0]:
        return values[0].strip()
    return None if not values else ", ".join(values) if too_long(values) else ", ".join(elements(values))


def _lifetime(headers: Mapping[str, str], own: Directives, response_time: float, heuristic: float) -> float:
    """The freshness lifetime in seconds (section 4.2.1); of several Expires, the least counts."""
    if "max-age" in own:
        return argument(own["max-age"])
    made = http_date(headers.get("Date"), response_time)
    made = response_time if made is None else made
    if "Expires" in headers:
        ends = [
            http_date(text, response_time) for text in lines(headers, "Expires")
        ]  # "0" and the like are in the past
        return min(0.0 if end is None else max(0.0, end - made) for end in ends)
    modified = http_date(headers.get("Last-Modified"), response_time)  # section 4.2.2
    return 0.0 if modified is None else max(0.0, made - modified) * heuristic


def age(stored: Stored, now: float) -> float:
    """Seconds since it was made, or was last found valid (section 4.2.3)."""
    return stored.initial_age + max(0.0, now - stored.response_time)


def _initial_age(headers: Mapping[str, str], request_time: float, response_time: float) -> float:
    """The corrected initial age, by its Age, whose first element counts (section 5.1), and its Date (section 4.2.3)."""
    first = next(elements(lines(headers, "Age")), "").partition(";")[0]
    stated, made = seconds(first) or 0.0, http_date(headers.get("Date"), response_time)
    apparent = 0.0 if made is None else max(0.0, response_time - made)
    return max(apparent, stated + max(0.0, response_time - request_time))


def usable(stored: Stored, request: Mapping[str, str], now: float) -> bool:
    """Whether it may be used without revalidation (sections 4.2, 5.2.1)."""
    wanted = directives(request)
    if stored.no_cache or "no-cache" in wanted:  # sections 5.2.2.4 and 5.2.1.4
        return False
    old, fresh_for = age(stored, now), stored.fresh_for
    if not wanted:
        return old < fresh_for
    if "max-age" in wanted and old > argument(wanted["max-age"]):  # section 5.2.1.1
        return False
    if "min-fresh" in wanted:  # section 5.2.1.3
        least = seconds(wanted["min-fresh"])
        return least is not None and fresh_for - old >= least
    if old < fresh_for:
        return True
    if "max-stale" not in wanted or stored.must_revalidate:  # sections 5.2.1.2 and 5.2.2.2
        return False
    return old - fresh_for <= (inf if wanted["max-stale"] == "" else argument(wanted["max-stale"]))


def usable_on_error(stored: Stored, request: Mapping[str, str], now: float, allowed: float = 0.0) -> bool:
    """Whether it may be used stale, because the server could not be reached (RFC 5861 section 4).

    Args:
        stored: The stored response.
        request: The request's headers.
        now: The date.
        allowed: Seconds over its time that the user allows, where neither says `stale-if-error`.
    """
    wanted = directives(request)
    if stored.no_cache or stored.must_revalidate or "no-cache" in wanted:
        return False
    limits = [argument(wanted["stale-if-error"])] if "stale-if-error" in wanted else []
    if stored.stale_if_error >= 0:
        limits.append(stored.stale_if_error)
    return age(stored, now) - stored.fresh_for <= max(limits, default=allowed)


def conditions(stored: Stored) -> dict[str, str]:
    """The headers of a revalidation (section 4.3.1).

    A validator that can't be sent as it came, or differs from line to line, is left out: a different one could be found
    valid.
    """
    headers, found = stored.headers, {}
    for validator, condition in _VALIDATORS:
        values = set(headers.getall(validator, ()))
        if len(values) == 1 and _SENDABLE.fullmatch(value := values.pop()):
            found[condition] = value
    return found


def freshened(
    stored: Stored,
    headers: Mapping[str, str],
    fetched: Fetched,
) -> Stored | None:
    """Update a stored response from a 304 (section 4.3.4); None if the 304 is about another one."""
    known = stored.headers
    if differs(known, headers, ("ETag",) if "ETag" in headers else ("Last-Modified",)):
        return None
    dropped = _OF_THE_BODY | _OF_THE_MESSAGE | _names(headers, "Connection")
    new = [(name, value) for name, value in headers.items() if name.lower() not in dropped]  # section 3.2
    for name in ("Age", *(name for name, _ in new)):
        known.popall(name, None)
    known.extend(new)
    return _made(stored.status, known, stored.content, fetched, version=stored.version, identity=stored.identity)


def differs(known: Mapping[str, str], other: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether two responses differ in one of these fields that both have: then they are not the same."""
    return any(_opaque(known[name]) != _opaque(other[name]) for name in names if name in known and name in other)


def outdated(stored: Stored, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a response to HEAD show that the stored one is outdated (section 4.3.5)."""
    return differs(stored.headers, headers, ("ETag", "Last-Modified", "Content-Length"))


def with_age(stored: Stored, now: float) -> CIMultiDictProxy[str]:
    """Its headers, with its age in `Age` (section 5.1)."""
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
    """A tag for a weak comparison (RFC 9110 section 8.8.3.2)."""
    return tag.strip().removeprefix("W/")
