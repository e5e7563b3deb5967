"""Read the head and trailer sections of responses (RFC 9113 sections 8.1.1, 8.2 and 8.3.2).

A response that breaks these rules is malformed: its stream is refused, the connection goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.http2.events import Fields

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # section 8.2.1; RFC 9110 section 5.6.2
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FORBIDDEN = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_SPACE = b" \t"
_MEMORY, _LONGEST = 256, 256  # lines and sections remembered; bytes of a value
_SHORT = 12  # lines of a section that is remembered
_ENTRY = 32  # what each field counts for beside its bytes: section 6.5.2


@dataclass(slots=True)
class Section:
    """A head or trailer section, read and checked.

    Attributes:
        status: The status code; 0 without one.
        fields: The field lines, without pseudo-header fields.
        length: The declared Content-Length, or None.
        why: What is wrong with the section, or "".
    """

    status: int
    fields: Fields
    length: int | None
    why: str


class Sections:
    """Read the head and trailer sections of one connection, and remember the lines that are right.

    Args:
        most: Most bytes of a section, counted as in section 6.5.2.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[tuple[bytes, bytes], tuple[str, str]] = {}

    def read(self, lines: Iterable[tuple[bytes, bytes]]) -> Section:
        """Read the lines of a head or trailer section, names and values as they came."""
        known = self._known
        fields: list[tuple[str, str]] = []
        status, length, size = 0, None, 0
        for line in lines:
            name, value = line
            size += len(name) + len(value) + _ENTRY
            pair = known.get(line)
            if pair is None:
                if name[:1] == b":":
                    if fields or status or name != b":status" or _STATUS.fullmatch(value) is None:
                        return _bad("its pseudo-header fields are not one :status at the start")
                    status = int(value)
                    continue
                why = wrong(name, value)
                if why:
                    return _bad(why)
                pair = name.decode("ascii"), value.decode("utf-8", "surrogateescape")
                if name == b"content-length":
                    if length is not None or _LENGTH.fullmatch(value) is None:
                        return _bad("its Content-Length is not one number")
                    length = int(value)
                else:
                    self._remember(name, value, pair)
            fields.append(pair)
        return Section(status, tuple(fields), length, "") if size <= self._most else _bad(TOO_LARGE)

    def _remember(self, name: bytes, value: bytes, pair: tuple[str, str]) -> None:
        if len(value) <= _LONGEST:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[name, value] = pair


class CheckedSections:
    """Read sections whose lines libnghttp2 has checked: their size is all that is left to look at.

    Args:
        most: Most bytes of a section, counted as in section 6.5.2.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[tuple[tuple[bytes, bytes], ...], Section] = {}

    def read(self, lines: tuple[tuple[bytes, bytes], ...]) -> Section:
        """Read the lines of a head or trailer section; `length` isn't told."""
        short = len(lines) <= _SHORT  # a long head has something of its own: it doesn't come again
        section = self._known.get(lines) if short else None
        if section is None:
            if sum(map(len, chain.from_iterable(lines))) + _ENTRY * len(lines) > self._most:
                return _bad(TOO_LARGE)
            status = int(lines[0][1]) if lines and lines[0][0] == b":status" else 0
            regular = lines[1:] if status else lines
            fields = [(name.decode("ascii"), value.decode("utf-8", "surrogateescape")) for name, value in regular]
            section = Section(status, tuple(fields), None, "")
            if short:
                if len(self._known) >= _MEMORY:
                    self._known.clear()
                self._known[lines] = section
        return section


TOO_LARGE = "its headers are too large"


def _bad(why: str) -> Section:
    return Section(0, (), None, why)


def wrong(name: bytes, value: bytes) -> str:
    """Say what is wrong with a field line; "" if nothing is."""
    if _NAME.fullmatch(name) is None:
        return "the name of a header has a character that no header may have"
    if _NOT_IN_VALUES.search(value) is not None or value.strip(_SPACE) != value:
        return "the value of a header has a control character, or white space around it"  # section 8.2.1
    if name in _FORBIDDEN or (name == b"te" and value != b"trailers"):
        return "it has a header of HTTP/1.1's connections"  # section 8.2.2
    return ""
