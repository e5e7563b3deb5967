"""Pack request heads by HPACK (RFC 7541), so that a head that comes again costs next to nothing.

Rules:
1. Secrets are never indexed, here or by any proxy on the way (section 7.1.3).
2. A field line enters the table when it comes for the second time, if there is room. Nothing is ever evicted: the
   index of a line changes only while the table grows. Paths, lengths and what else names one request don't enter.
3. Strings go without Huffman coding: it saves a fifth of the bytes and costs more time than all the rest.
4. When the server changes the table's size, the table is emptied and begins anew (sections 4.2 and 6.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack.table import HeaderTable

from asyncapi.sansio.http2.requests import lowered, octets, secret

if TYPE_CHECKING:
    from collections.abc import Iterable

_TABLE = 4_096  # bytes, unless the server wants less: section 4.2
_ENTRY = 32  # what an entry counts for beside its bytes: section 4.1
_MEMORY = 256  # heads remembered, and field lines seen once

_STATIC = {entry: at for at, entry in enumerate(HeaderTable.STATIC_TABLE, 1)}
_STATIC_NAMES: dict[bytes, int] = {}
for _at, (_name, _) in enumerate(HeaderTable.STATIC_TABLE, 1):
    _STATIC_NAMES.setdefault(_name, _at)

# Lines of one request alone: rule 2.
_PASSING = frozenset({
    b":path", b"content-length", b"content-range", b"content-md5", b"digest", b"content-digest", b"range", b"date",
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"idempotency-key",
    b"x-request-id", b"x-correlation-id", b"request-id", b"traceparent", b"tracestate", b"x-b3-traceid", b"x-b3-spanid",
    b"x-amz-date", b"x-amz-content-sha256",
})  # fmt: skip

_INDEXED, _TO_INDEX, _PLAIN, _NEVER, _RESIZED = 0x80, 0x40, 0x00, 0x10, 0x20


class Packer:
    """The encoder of one connection."""

    def __init__(self) -> None:
        self._size = _TABLE
        self._prefix = b""
        self._changes = 0  # of the table, and of what may enter it next: a head that makes one is not remembered
        self._empty()

    def _empty(self) -> None:
        self._table: list[tuple[bytes, bytes]] = []  # oldest first
        self._places: dict[tuple[bytes, bytes], int] = {}
        self._used = 0
        self._once: set[tuple[bytes, bytes]] = set()
        self._heads: dict[tuple[object, ...], tuple[bytes, bytes]] = {}

    def resize(self, size: int) -> None:
        """Take in the server's SETTINGS_HEADER_TABLE_SIZE (rule 4)."""
        size = min(size, _TABLE)
        if size != self._size or self._prefix:
            self._size = size
            self._prefix = _integer(0, 5, _RESIZED) + (_integer(size, 5, _RESIZED) if size else b"")
            self._empty()

    def pack(self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]]) -> bytes:
        """Pack the head of a request.

        Raises:
            ValueError: A name or value can't stand in a header.
        """
        key = (method, scheme, authority, fields) if type(fields) is tuple else None
        parts = self._heads.get(key) if key is not None else None
        packed = octets(path)
        if parts is None:
            parts = self._parts(method, scheme, authority, tuple(fields), key)
        size = len(packed)
        # ":path" without indexing, its name from the static table: section 6.2.2
        length = bytes((4, size)) if size < 127 else b"\x04" + _integer(size, 7, 0)  # noqa: PLR2004  # 7 bits: 5.1
        block = parts[0] + length + packed + parts[1]
        if self._prefix:
            block, self._prefix = self._prefix + block, b""
        return block

    def _parts(
        self,
        method: str,
        scheme: str,
        authority: str,
        fields: tuple[tuple[str, str], ...],
        key: tuple[object, ...] | None,
    ) -> tuple[bytes, bytes]:
        pseudo = [(b":method", octets(method)), (b":scheme", octets(scheme)), (b":authority", octets(authority))]
        regular = lowered(fields)
        before = self._changes
        # ":path" stands between the two parts and never enters the table: its place does not matter to the indices
        parts = b"".join(map(self._line, pseudo)), b"".join(map(self._line, regular))
        if self._changes == before and key is not None:
            if len(self._heads) >= _MEMORY:
                self._heads.clear()
            self._heads[key] = parts
        return parts

    def _line(self, line: tuple[bytes, bytes]) -> bytes:
        index = _STATIC.get(line) or self._index(line)
        if index:
            return _integer(index, 7, _INDEXED)
        name, value = line
        if secret(name):
            return _literal(name, value, 4, _NEVER)
        if name not in _PASSING and self._enters(line):
            return _literal(name, value, 6, _TO_INDEX)
        return _literal(name, value, 4, _PLAIN)

    def _index(self, line: tuple[bytes, bytes]) -> int:
        place = self._places.get(line)
        return 0 if place is None else len(_STATIC) + len(self._table) - place

    def _enters(self, line: tuple[bytes, bytes]) -> bool:
        """Whether a line now enters the table (rule 2)."""
        size = len(line[0]) + len(line[1]) + _ENTRY
        if self._used + size > self._size:
            return False
        if line not in self._once:
            if len(self._once) >= _MEMORY:
                self._once.clear()
            self._once.add(line)
            self._changes += 1
            return False
        self._places[line] = len(self._table)
        self._table.append(line)
        self._used += size
        self._changes += 1
        self._heads.clear()  # older indices have moved on
        return True


def _literal(name: bytes, value: bytes, bits: int, kind: int) -> bytes:
    """Write a literal line (section 6.2), its name by its static index where it has one."""
    index = _STATIC_NAMES.get(name, 0)
    start = _integer(index, bits, kind) if index else bytes((kind,)) + _integer(len(name), 7, 0) + name
    return start + _integer(len(value), 7, 0) + value


def _integer(value: int, bits: int, kind: int) -> bytes:
    """Write a number after the bits that say what it is (section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((kind | value,))
    octets_ = [kind | most]
    value -= most
    while value >= 0x80:  # noqa: PLR2004  # seven bits an octet
        octets_.append(value & 0x7F | 0x80)
        value >>= 7
    octets_.append(value)
    return bytes(octets_)
