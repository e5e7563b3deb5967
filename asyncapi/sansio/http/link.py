"""Read Link headers (RFC 8288): the URLs related to a response.

1. Several header fields, and several links in one field, make one list.
2. A relation is matched without regard to case; a link may have several, separated by spaces.
3. Only the first `rel` of a link counts (section 3.3).
4. A link with an `anchor` is about some other resource (section 3.2) and is skipped.
5. What is not a link is skipped up to the next comma: servers write what they like.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from asyncapi.sansio.http.fields import unescaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST = 65_536  # characters of all fields together: some lists of links are long
# "++" and "*+" give nothing back, so that no character is looked at twice. A quote that doesn't close is looked for the
# end of once: there is no other quote behind it that could open.
_BETWEEN = re.compile(r"[\s,]*+")
_PARAM = re.compile(r'\s*+;\s*+([^\s=;,"]*+)\s*+(?:=\s*+("(?:[^"\\]++|\\.)*+"|[^\s;,"]*+))?', re.DOTALL)


class Link(NamedTuple):
    """One link: `target` as it is written, perhaps relative."""

    target: str
    rels: tuple[str, ...]
    params: dict[str, str]


def links(fields: Iterable[str]) -> Iterator[Link]:
    """The links of all `Link` header fields of a response, in order (rule 1)."""
    left = _LONGEST  # characters: what is beyond is not read
    for field in fields:
        yield from _links(field[:left])
        left -= min(left, len(field))


def link_to(fields: Iterable[str], rel: str) -> str | None:
    """The target of the first link of this relation, or None."""
    wanted = rel.casefold()
    found = (link for link in links(fields) if wanted in link.rels and "anchor" not in link.params)  # rules 2 and 4
    return next((link.target for link in found), None)


def _links(field: str) -> Iterator[Link]:
    at, last = 0, field.rfind(">")
    while 0 <= at <= last:
        at = _BETWEEN.match(field, at).end()  # type: ignore[union-attr]  # it matches everywhere
        if field[at : at + 1] != "<" or at > last:
            at = field.find(",", at) + 1 or -1  # rule 5
            continue
        close = field.index(">", at)
        target = field[at + 1 : close].strip()
        params, at = _params(field, close + 1)
        yield Link(target, tuple(params.get("rel", "").casefold().split()), params)


def _params(field: str, at: int) -> tuple[dict[str, str], int]:
    """The parameters from `at` on, the first of each name, and where they end."""
    params: dict[str, str] = {}
    while (param := _PARAM.match(field, at)) is not None:
        value = param[2] or ""
        if value.startswith('"'):
            value = unescaped(value[1:-1])
        elif len(value) > 1 and value[0] == value[-1] == "'":
            value = value[
                1:-1
            ]  # in no specification, but sent by servers: without this a list would end at its first page
        params.setdefault(param[1].lower(), value)  # rule 3
        at = param.end()
    return params, at
