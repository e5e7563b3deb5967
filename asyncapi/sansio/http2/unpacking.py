"""Unpack response heads by HPACK (RFC 7541).

The tables are those of `hpack`. Its decoder isn't used: it writes every field to the log at level DEBUG, cookies
included, and takes three times as long.

A block that comes again means the same as long as the table has not changed, so it is read once: servers that leave
the table alone (nginx) or have filled it (Envoy) send few different heads.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hpack.table import HeaderTable

from asyncapi.sansio.http2.events import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFault
from asyncapi.sansio.http2.huffman import decoded
from asyncapi.sansio.http2.limits import BOMB
from asyncapi.sansio.http2.responses import Section, Sections

if TYPE_CHECKING:
    from asyncapi.sansio.http2.limits import Limits

_MEMORY, _LONGEST = 256, 1_024  # blocks and strings remembered; bytes of one
_TABLE = 4_096  # bytes: we don't change the size of section 4.2
_ENTRY = 32  # what an entry counts for beside its bytes: section 4.1
_LAST_PREFIX = 28  # bits: a longer number is refused (section 5.1)

_STATIC: list[tuple[bytes, bytes]] = [(b"", b""), *HeaderTable.STATIC_TABLE]  # from 1 on: appendix A


class _Bad(Exception):
    """A block that is not HPACK."""


class Unpacker:
    """The decoder of one connection."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.head * BOMB
        self._sections = Sections(limits.head)
        self._known: dict[bytes, Section] = {}
        self._strings: dict[bytes, bytes] = {}
        self._table: deque[tuple[bytes, bytes]] = deque()  # newest first
        self._size, self._used = _TABLE, 0
        self._changed = False

    def unpack(self, block: bytes) -> Section:
        """Read a whole header block.

        Raises:
            ConnectionFault: The block isn't HPACK, or is much too large: the table can't be kept (section 4.3).
        """
        known = self._known.get(block)
        if known is not None:
            return known
        self._changed = False
        try:
            lines = self._lines(block)
        except (_Bad, IndexError):  # a block that breaks off, or an index beyond the table
            raise ConnectionFault(COMPRESSION_ERROR, "the headers of a response can't be unpacked") from None
        section = self._sections.read(lines)
        if self._changed:
            self._known.clear()
        elif len(block) <= _LONGEST:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[block] = section
        return section

    def _lines(self, block: bytes) -> list[tuple[bytes, bytes]]:
        lines: list[tuple[bytes, bytes]] = []
        at, end, size, most = 0, len(block), 0, self._most
        while at < end:
            byte = block[at]
            if byte >= 0x80:  # indexed: section 6.1  # noqa: PLR2004
                index, at = (byte & 0x7F, at + 1) if byte < 0xFF else _number(block, at, 0x7F)  # noqa: PLR2004
                line = self._entry(index)
            elif byte & 0xE0 == 0x20:  # a new size: section 6.3  # noqa: PLR2004
                at = self._resize(block, at, first=not lines)
                continue
            else:  # a literal: section 6.2
                most_index = 0x3F if byte & 0x40 else 0x0F
                index, at = (byte & most_index, at + 1)
                if index == most_index:
                    index, at = _number(block, at - 1, most_index)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                line = name, value
                if byte & 0x40:
                    self._add(line)
            size += len(line[0]) + len(line[1]) + _ENTRY
            if size > most:
                raise ConnectionFault(ENHANCE_YOUR_CALM, "the headers of a response are much too large")
            lines.append(line)
        return lines

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if not index:
            raise _Bad
        return _STATIC[index] if index < len(_STATIC) else self._table[index - len(_STATIC)]

    def _string(self, block: bytes, at: int) -> tuple[bytes, int]:
        """Read a string (section 5.2); return it, and where it ends."""
        byte = block[at]
        size = byte & 0x7F
        if size == 0x7F:  # noqa: PLR2004  # seven bits
            size, at = _number(block, at, 0x7F)
        else:
            at += 1
        stop = at + size
        if stop > len(block):
            raise _Bad
        string = block[at:stop]
        return (self._unhuffed(string) if byte & 0x80 else string), stop

    def _unhuffed(self, string: bytes) -> bytes:
        known = self._strings.get(string)
        if known is None:
            known = decoded(string)
            if known is None:
                raise _Bad
            if len(string) <= _LONGEST:
                if len(self._strings) >= _MEMORY:
                    self._strings.clear()
                self._strings[string] = known
        return known

    def _add(self, line: tuple[bytes, bytes]) -> None:
        """Put a line into the table, which makes room for it (section 4.4)."""
        self._changed = True
        self._table.appendleft(line)
        self._used += len(line[0]) + len(line[1]) + _ENTRY
        self._evict()

    def _resize(self, block: bytes, at: int, *, first: bool) -> int:
        """Take in a new size of the table; return where it ends."""
        size, at = _number(block, at, 0x1F) if block[at] & 0x1F == 0x1F else (block[at] & 0x1F, at + 1)  # noqa: PLR2004
        if size > _TABLE or not first:  # section 4.2
            raise _Bad
        self._changed = True
        self._size = size
        self._evict()
        return at

    def _evict(self) -> None:
        while self._used > self._size:
            name, value = self._table.pop()
            self._used -= len(name) + len(value) + _ENTRY


def _number(block: bytes, at: int, most: int) -> tuple[int, int]:
    """Read a number that doesn't fit the bits it begins with (section 5.1); return it, and where it ends."""
    value, shift = most, 0
    while True:
        at += 1
        byte = block[at]
        value += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004  # the last byte
            return value, at + 1
        if shift > _LAST_PREFIX:
            raise _Bad
