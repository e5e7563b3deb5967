"""Unpack response heads by HPACK (RFC 7541), over `hpack`.

A block that comes again means the same as long as the table has not changed, so it is read once: servers that leave
the table alone (nginx) or have filled it (Envoy) send few different heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Decoder, HPACKError, OversizedHeaderListError

from asyncapi.sansio.http2.events import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFault
from asyncapi.sansio.http2.limits import BOMB
from asyncapi.sansio.http2.responses import Section, Sections

if TYPE_CHECKING:
    from asyncapi.sansio.http2.limits import Limits

_MEMORY, _LONGEST = 256, 1_024  # blocks remembered; bytes of one


class Unpacker:
    """The decoder of one connection."""

    def __init__(self, limits: Limits) -> None:
        self._sections = Sections(limits.head)
        self._decoder = Decoder(limits.head * BOMB)
        self._known: dict[bytes, Section] = {}

    def unpack(self, block: bytes) -> Section:
        """Read a whole header block.

        Raises:
            ConnectionFault: The block isn't HPACK, or is much too large: the table can't be kept (section 4.3).
        """
        known = self._known.get(block)
        if known is not None:
            return known
        table = self._decoder.header_table
        entries = table.dynamic_entries
        newest, count, size = entries[0] if entries else None, len(entries), table.maxsize
        try:
            lines = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the headers of a response are much too large") from None
        except HPACKError:
            raise ConnectionFault(COMPRESSION_ERROR, "the headers of a response can't be unpacked") from None
        read = self._sections.read(lines)
        entries = table.dynamic_entries
        if (entries[0] if entries else None) is not newest or len(entries) != count or table.maxsize != size:
            self._known.clear()
        elif len(block) <= _LONGEST:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[block] = read
        return read
