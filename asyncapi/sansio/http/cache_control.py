"""`Cache-Control` as it is read: its directives, and the seconds in them (RFC 9111 sections 1.2.2, 4.2.1 and 5.2).

What can't be read is read so that the server is asked, or nothing is kept.
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
    """`Cache-Control`, by lower-case name; the argument is "" where there is none, and of two the more careful one.

    A request's `Pragma: no-cache` counts where there is no Cache-Control (section 5.4). A field that is too long to be
    read says `no-store`; an element that is no directive, whatever word in it would keep the cache back.
    """
    if "Cache-Control" not in headers and "Pragma" not in headers:
        return {}
    values = lines(headers, "Cache-Control")
    if too_long(values):
        return {"no-store": ""}
    told = _read(", ".join(values))
    if not told and any(element.lower() == "no-cache" for element in elements(lines(headers, "Pragma"))):
        return {"no-cache": ""}
    return told


@lru_cache(maxsize=128)  # a server says the same of most of its answers
def _read(text: str) -> Directives:
    told: dict[str, str] = {}
    for element in elements([text]):
        found = _DIRECTIVE.fullmatch(element)
        if found is None:
            careful = _CAREFUL.intersection(_WORD.findall(element.lower()))
            told |= dict.fromkeys({element.partition("=")[0].strip().lower(), *careful}, element)  # which is no number
            continue
        name, value = found[1].lower(), found[2] if found[2] is not None else found[3] or ""
        told[name] = min(told[name], value, key=_careful) if name in told else value
    return told


def seconds(text: str) -> float | None:
    """Whole seconds, at most 2^31 (section 1.2.2); None of what is none."""
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0")
    return float(_MOST_SECONDS if len(digits) > _DIGITS else min(int(digits or "0"), _MOST_SECONDS))


def argument(text: str) -> float:
    """Seconds that may pass; unreadable ones are 0, the careful reading."""
    return seconds(text) or 0.0


def _careful(value: str) -> float:
    """What orders two arguments of a directive: what can't be read counts as least."""
    number = seconds(value)
    return -1.0 if number is None else number
