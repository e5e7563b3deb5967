"""Cut HTTP fields into their parts: list elements and quoted strings (RFC 9110 sections 5.3 to 5.6).

Every reader here goes forward only: it looks at a character a fixed number of times, whatever is around it, and what is
longer than `LONGEST` is not read. Each caller decides what to do with a longer field: no part of one is taken for the
whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST = 16_384  # characters of one field, all of its lines together

# A quoted string that does not end runs to the end of the field. "++" and "*+" give nothing back: no second look.
_ELEMENT = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?+)*+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = " \t"  # OWS, section 5.6.3


def lines(headers: Mapping[str, str], name: str) -> Sequence[str]:
    """The values of all lines of a field (section 5.3)."""
    if hasattr(headers, "getall"):
        return headers.getall(name, ())  # type: ignore[no-any-return]
    return (headers[name],) if name in headers else ()


def elements(values: Sequence[str]) -> Iterator[str]:
    """The elements of a list in several lines (section 5.6.1), without empty ones; commas in quotes don't count.

    It ends where the lines together are longer than `LONGEST`: ask `too_long` first.
    """
    text = (values[0] if len(values) == 1 else ", ".join(values))[:LONGEST]
    at, end = 0, len(text)
    while at < end:
        stop = _ELEMENT.match(text, at).end()  # type: ignore[union-attr]  # it matches everywhere
        element = text[at:stop].strip(_SPACE)
        if element:
            yield element
        at = stop + 1


def too_long(values: Sequence[str]) -> bool:
    """Whether the lines of a field are longer than what is read."""
    return sum(map(len, values)) + 2 * len(values) > LONGEST


def unescaped(text: str) -> str:
    """The text between the quotes of a quoted string (section 5.6.4)."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
