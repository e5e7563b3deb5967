"""Sets of row numbers that take one bit a row."""

from __future__ import annotations


class Indices:
    """A set of row numbers, one bit each."""

    __slots__ = ("_bits", "_count")

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def add(self, index: int) -> None:
        """Add a row number."""
        place, bit = index >> 3, 1 << (index & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1, 2 * len(self._bits)) - len(self._bits)))
        if not self._bits[place] & bit:
            self._bits[place] |= bit
            self._count += 1

    def __contains__(self, index: int) -> bool:
        place = index >> 3
        return place < len(self._bits) and bool(self._bits[place] & (1 << (index & 7)))

    def __len__(self) -> int:
        return self._count
