"""Read `Cache-Control`: its directives, and the seconds in them (RFC 9111 sections 1.2.2, 4.2.1 and 5.2).

What can't be read counts so that the server is asked, or nothing is stored (section 4.2.1).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from asyncapi.sansio.http.fields import elements, lines, too_long

if TYPE_CHECKING:
    from collections.abc import Mapping

    Directives = Mapping[str, str]

_CAREFUL = frozenset({"must-revalidate", "no-cache", "no-store", "private"})
_DIRECTIVE = re.compile(
    r"""([!#$%&'*+.^_`|~0-9a-z-]++)(?:=(?:"((?:[^"\\]++|\\.)*+)"|([!#$%&'*+.^_`|~0-9a-z-]*+)))?""",
    re.DOTALL | re.IGNORECASE | re.ASCII,
)  # section 5.2: no space around the "="
_WORD = re.compile(r"[a-z-]++")
_MOST_SECONDS = 2**31  # more counts as this (section 1.2.2)
_DIGITS = len(str(_MOST_SECONDS))


def directives(headers: Mapping[str, str]) -> Directives:
    """The directives of `Cache-Control`, by lower-case name; of two arguments the safer one, "" where there is none.

    A request's `Pragma: no-cache` counts where there is no Cache-Control (section 5.4). A field that is too long to be
    read says `no-store`; an element that is no directive, whatever word in it would hold the cache back.
    """
    if "Cache-Control" not in headers and "Pragma" not in headers:
        return {}
    values = lines(headers, "Cache-Control")
    if too_long(values):
        return {"no-store": ""}
    found = _read(", ".join(values))
    if not found and any(element.lower() == "no-cache" for element in elements(lines(headers, "Pragma"))):
        return {"no-cache": ""}  # section 5.4
    return found


@lru_cache(maxsize=128)  # most responses of a server say the same
def _read(text: str) -> Directives:
    members: dict[str, str] = {}
    for element in elements([text]):
        found = _DIRECTIVE.fullmatch(element)
        if found is None:
            careful = _CAREFUL.intersection(_WORD.findall(element.lower()))
            members |= dict.fromkeys(
                {element.partition("=")[0].strip().lower(), *careful}, element
            )  # which is no number
            continue
        name, value = found[1].lower(), found[2] if found[2] is not None else found[3] or ""
        members[name] = min(members[name], value, key=_careful) if name in members else value
    return members


def seconds(text: str) -> float | None:
    """Whole seconds, at most 2^31 (section 1.2.2); None if the text is not that."""
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0")
    return float(_MOST_SECONDS if len(digits) > _DIGITS else min(int(digits or "0"), _MOST_SECONDS))


def argument(text: str) -> float:
    """Seconds that may pass; unreadable ones are 0, the safe reading."""
    return seconds(text) or 0.0


def _careful(value: str) -> float:
    """The rank of an argument: one that can't be read is the safest."""
    number = seconds(value)
    return -1.0 if number is None else number
