"""Validate stored responses: the conditions of a revalidation, and what the response to it says (RFC 9111 section 4.3).

ours            a revalidation carries the stored validators (section 4.3.1); a 304 updates the stored fields (4.3.4)
the caller's    If-None-Match, or If-Modified-Since without it, is evaluated against a fresh stored response (4.3.2)
a HEAD          that has the same validators updates the stored fields; another one outdates them (4.3.5)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.sansio.http.fields import elements, lines, too_long
from asyncapi.sansio.http.http_date import http_date
from asyncapi.sansio.http.stored_response import of_the_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import MultiMapping

    from asyncapi.sansio.http.stored_response import Stored

_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range", "content-type"})  # section 3.2
_VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
_FOR_THE_ORIGIN = ("If-Match", "If-Unmodified-Since", "If-Range", "Range")
_SERVER_ERROR = 500
# RFC 9110 section 5.5. U+DC80 to U+DCFF are bytes that were not UTF-8, and are sent as they came.
_SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\udc80-\udcff\ue000-\U0010ffff]+")
_TAG = re.compile(r'(?:W/)?"[^"]*"')  # RFC 9110 section 8.8.3


def conditions(stored: Stored) -> dict[str, str]:
    """The headers of a revalidation (section 4.3.1).

    A validator that can't be sent as it came, or differs from line to line, is left out: a different one could be found
    valid.
    """
    if stored.status >= _SERVER_ERROR:  # that a failure is still the same is no news
        return {}
    headers, found = stored.headers, {}
    for validator, condition in _VALIDATORS:
        values = set(headers.getall(validator, ()))
        if len(values) == 1 and _SENDABLE.fullmatch(value := values.pop()):
            found[condition] = value
    return found


def fields_after(known: CIMultiDict[str], headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The stored fields, updated by those of a newer response to the same (section 3.2)."""
    dropped = _OF_THE_BODY | of_the_message(headers)
    new = [(name, value) for name, value in headers.items() if name.lower() not in dropped]
    for name in ("Age", *(name for name, _ in new)):
        known.popall(name, None)
    known.extend(new)
    return known


def held(request: Mapping[str, str]) -> bool:
    """Whether a request has conditions that a stored response can answer: If-None-Match or If-Modified-Since alone."""
    return ("If-None-Match" in request or "If-Modified-Since" in request) and not any(
        name in request for name in _FOR_THE_ORIGIN
    )


def not_modified(stored: Stored, request: Mapping[str, str]) -> bool:
    """Whether the caller holds the stored response already, by the conditions of the request (section 4.3.2)."""
    headers = stored.headers
    if "If-None-Match" in request:  # which goes before If-Modified-Since
        asked, tag = lines(request, "If-None-Match"), headers.getall("ETag", [])
        if too_long(asked) or len(tag) != 1 or not _TAG.fullmatch(tag[0]):
            return False
        return any(element == "*" or _opaque(element) == _opaque(tag[0]) for element in elements(asked))
    since = http_date(request["If-Modified-Since"], stored.response_time)
    changed = headers.get("Last-Modified", headers.get("Date"))  # section 4.3.2
    modified = stored.response_time if changed is None else http_date(changed, stored.response_time)
    return since is not None and modified is not None and modified <= since


def of_a_304(headers: MultiMapping[str]) -> CIMultiDictProxy[str]:
    """The fields of a 304 in place of a response: all but those that describe a body (RFC 9110 section 15.4.5)."""
    kept = [(name, value) for name, value in headers.items() if name.lower() not in _OF_THE_BODY]
    return CIMultiDictProxy(CIMultiDict(kept))


def differs(known: Mapping[str, str], other: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether two responses differ in one of these fields that both have: then they are not the same."""
    return any(_opaque(known[name]) != _opaque(other[name]) for name in names if name in known and name in other)


def outdated(stored: Stored, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a response to HEAD show that the stored one is outdated (section 4.3.5)."""
    return differs(stored.headers, headers, ("ETag", "Last-Modified", "Content-Length"))


def outdated_by_part(stored: Stored, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a part (206) show that the stored one is outdated."""
    return differs(stored.headers, headers, ("ETag", "Last-Modified"))


def same_validators(stored: Stored, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a response to HEAD have a validator of the stored one, and contradict none (4.3.5)."""
    known = stored.headers
    return any(name in known and name in headers for name, _ in _VALIDATORS) and not outdated(stored, headers)


def _opaque(tag: str) -> str:
    """A tag for a weak comparison (RFC 9110 section 8.8.3.2)."""
    return tag.strip().removeprefix("W/")
