"""Stored responses as plain data, and which of several belongs to a request (RFC 9111 sections 3.1 and 4.1).

A stored response is a plain tuple of text, bytes and numbers, which Python's garbage collector looks at once and never
again: a hundred thousand of them cost it nothing. `Stored` is the same with names, for as long as it is in use.

Requests are compared by the fields that `Vary` names, as lists of elements, whatever the spacing. Language ranges are
compared without regard to case (RFC 4647 section 2.1). Where they differ all the same, a response in exactly the
language that a request prefers to every other may serve it. Their order is left alone: some servers go by it (RFC 9110
section 12.5.4).
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from multidict import CIMultiDict

from asyncapi.redact import is_secret
from asyncapi.sansio.http.fields import elements, lines, too_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Record = tuple[object, ...]  # a Stored without its names
FORMAT = 3  # of Stored: a store that outlives the process writes it beside each, and takes no other for one

_OF_THE_MESSAGE = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip  # section 3.1
_LANGUAGE = "accept-language"
_WEIGHT = re.compile(r"q=(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


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
        stale_while_revalidate: Seconds of its `stale-while-revalidate`, -1 without.
        immutable: Whether it says `immutable`.
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
    stale_while_revalidate: float
    immutable: bool
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


def plain_fields(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The names and values of headers in turn, as plain text, without those of this one message (section 3.1)."""
    dropped = of_the_message(headers)
    # multidict's names are of a type of its own, which the garbage collector would walk
    return tuple(str(text) for pair in headers.items() if pair[0].lower() not in dropped for text in pair)


def of_the_message(headers: Mapping[str, str]) -> frozenset[str]:
    """The names of fields that belong to this one message (section 3.1), in lower case."""
    return _OF_THE_MESSAGE.union(names(headers, "Connection"))


def headers_of(fields: tuple[str, ...]) -> CIMultiDict[str]:
    """The headers that `plain_fields` has flattened."""
    pairs = iter(fields)
    return CIMultiDict(list(zip(pairs, pairs, strict=True)))  # twice as fast as from an iterator


def choose(records: Iterable[Record], identity: str, request: Mapping[str, str]) -> Stored | None:
    """The stored response for this request: of the same principal, and the same in what it varies by (section 4.1)."""
    found: Stored | None = None
    for record in records:
        if record[0] == identity and (not record[1] or _matches(record, request)):
            stored = Stored._make(record)
            if found is None or stored.response_time > found.response_time:  # section 4: the most recent of several
                found = stored
    return found


def varies_by(headers: Mapping[str, str], request: Mapping[str, str]) -> tuple[str | None, ...]:
    """The names in a response's `Vary`, each followed by the request's value; None where the request has none."""
    return tuple(text for name in sorted(names(headers, "Vary")) for text in (name, _value(request, name)))


def _matches(record: Record, request: Mapping[str, str]) -> bool:
    pairs = iter(record[1])  # type: ignore[call-overload]
    for name, value in zip(pairs, pairs, strict=True):
        if _value(request, name) != value and not (name == _LANGUAGE and _speaks(record, request)):
            return False
    return True


def _speaks(record: Record, request: Mapping[str, str]) -> bool:
    """Whether it is in the one language that the request prefers to every other."""
    language = headers_of(record[-2]).getall("Content-Language", [])  # type: ignore[arg-type]
    return len(language) == 1 and language[0].strip().lower() == _preferred(lines(request, _LANGUAGE))


def _preferred(values: Sequence[str]) -> str | None:
    """The language that has a greater weight than all others (RFC 9110 section 12.4.2), or None."""
    if too_long(values):
        return None
    weights: dict[str, float] = {}
    for element in elements(values):
        tag, _, weight = (part.strip() for part in element.lower().partition(";"))
        if tag in weights or (weight and not _WEIGHT.fullmatch(weight)):
            return None
        weights[tag] = float(weight[2:]) if weight else 1.0
    best = max(weights.values(), default=0.0)
    found = [tag for tag, weight in weights.items() if weight == best > 0]
    return found[0] if len(found) == 1 and found[0] != "*" else None


def _value(request: Mapping[str, str], name: str) -> str | None:
    """The value of a request's header, of all lines and whatever the spacing (section 4.1); None where it has none."""
    values = lines(request, name)
    if not values:
        return None
    if len(values) == 1 and "," not in values[0]:
        value = values[0].strip()
    else:
        value = ", ".join(values) if too_long(values) else ", ".join(elements(values))
    if is_secret(name):  # stored responses may outlive the process, and credentials must not
        return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return value.lower() if name == _LANGUAGE else value


def names(headers: Mapping[str, str], field: str) -> set[str]:
    """The field names in a list of them, in lower case; "*" where there are too many to read."""
    if field not in headers:
        return set()
    values = lines(headers, field)
    return {"*"} if too_long(values) else {element.lower() for element in elements(values)}
