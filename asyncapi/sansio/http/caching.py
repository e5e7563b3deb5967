"""Decide what a private HTTP cache may do (RFC 9111): what it stores; what it uses is in the modules named below.

    stored          a GET's final response that nothing forbids (`no-store`, `Vary: *`), that says it may be stored or
                    whose status allows it, and that will be of use: it has a lifetime, or a validator (ETag,
                    Last-Modified)
    not stored      what is about one request or its credentials, not about the resource: 401, 407, 408, 421, 425, and
                    what RFC 6585 forbids to store (428, 429, 431, 511)
    stored apart    parts (206), by `partial_content.py`
    chosen          by principal and `Vary`: `stored_response.py`
    used            while fresh, or stale where that is allowed: `freshness.py`
    revalidated     by its validators: `validation.py`

`private` and credentials are no obstacle: the cache is one user's. `s-maxage`, `proxy-revalidate` and CDN-Cache-Control
are for shared caches. `no-cache` and `private` with the names of fields count as without. All times are dates, seconds
since the Unix epoch: they are compared with the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http.cache_control import argument, directives
from asyncapi.sansio.http.freshness import (
    CACHEABLE,
    age,
    aged,
    initial_age,
    lifetime,
    usable,
    usable_meanwhile,
    usable_on_error,
    with_age,
)
from asyncapi.sansio.http.stored_response import (
    Fetched,
    Record,
    Stored,
    choose,
    headers_of,
    names,
    of_the_message,
    plain_fields,
    varies_by,
)
from asyncapi.sansio.http.validation import (
    conditions,
    differs,
    fields_after,
    outdated,
    outdated_by_part,
    same_validators,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.sansio.http.cache_control import Directives

__all__ = [
    "Fetched",
    "Record",
    "Stored",
    "age",
    "aged",
    "choose",
    "concerns",
    "conditions",
    "differs",
    "freshened",
    "headers_of",
    "made",
    "outdated",
    "outdated_by_part",
    "plain_fields",
    "same_validators",
    "storable",
    "store",
    "usable",
    "usable_meanwhile",
    "usable_on_error",
    "with_age",
]

_NEVER = frozenset({206, 304, 401, 407, 408, 421, 425, 428, 429, 431, 511})
_UNDERSTOOD = CACHEABLE | {302, 303, 307, 400, 403, 406, 409, 415, 422, 500, 502, 503, 504}  # section 5.2.2.3
_EXPLICIT = frozenset({"max-age", "private", "public"})
_FINAL = 200
_CONDITIONAL = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")


def concerns(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the cache may serve this request with a whole response: it has no conditions or ranges of its own."""
    if method != "GET":
        return False
    for name in _CONDITIONAL:  # no generator: every hit passes here
        if name in headers:
            return False
    return "no-store" not in directives(headers)


def storable(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a response may be stored, by its own status and headers (section 3)."""
    return status >= _FINAL and status not in _NEVER and permitted(status, headers)


def permitted(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a response allow to store it (section 3), whatever else its status means."""
    own = directives(headers)
    understood = status in _UNDERSTOOD
    if "must-understand" in own:  # section 5.2.2.3
        if not understood:
            return False
    elif "no-store" in own:
        return False
    if not (status in CACHEABLE or "Expires" in headers or not own.keys().isdisjoint(_EXPLICIT)):
        return False
    return "*" not in names(headers, "Vary") and "*" not in of_the_message(headers)  # a field too long to be read


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
    new = made(status, headers, content, fetched, version=version, identity=identity)
    return (
        new
        if new.fresh_for > 0 or new.stale_while_revalidate > 0 or new.stale_if_error > 0 or conditions(new)
        else None
    )


def made(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    fetched: Fetched,
    *,
    version: str,
    identity: str,
) -> Stored:
    """Make a stored response of one that may be stored."""
    request_time, response_time, request, heuristic = fetched
    own = directives(headers)
    return Stored(
        identity=identity,
        varies=varies_by(headers, request),
        response_time=response_time,
        initial_age=initial_age(headers, request_time, response_time),
        fresh_for=lifetime(status, headers, own, response_time, heuristic),
        no_cache="no-cache" in own,
        must_revalidate="must-revalidate" in own,
        stale_if_error=_seconds_of(own, "stale-if-error"),
        stale_while_revalidate=_seconds_of(own, "stale-while-revalidate"),
        immutable="immutable" in own,
        status=status,
        version=version,
        fields=plain_fields(headers),
        content=content,
    )


def _seconds_of(own: Directives, name: str) -> float:
    return argument(own[name]) if name in own else -1.0


def freshened(stored: Stored, headers: Mapping[str, str], fetched: Fetched) -> Stored | None:
    """Update a stored response from a 304 (section 4.3.4) or a HEAD (4.3.5); None if that is about another one."""
    if differs(stored.headers, headers, ("ETag",) if "ETag" in headers else ("Last-Modified",)):
        return None
    known = fields_after(stored.headers, headers)
    return made(stored.status, known, stored.content, fetched, version=stored.version, identity=stored.identity)
