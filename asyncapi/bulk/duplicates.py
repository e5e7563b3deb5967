"""Count ids that appear more than once, in little memory.

Each id is kept as a hash of 8 bytes in a table with open addressing: 16 bytes an id where it is half full. Two ids
with the same hash among four million are less likely than one in two million.
"""

from __future__ import annotations

from array import array
from typing import Any

from asyncapi.redact import one_line

_FIRST = 1 << 12  # places
_MOST = 1 << 23  # places: 64 MiB, for four million ids
_SHOWN = 60  # characters of an id
_MASK = (1 << 64) - 1
_MIX = 0x9E3779B97F4A7C15  # spreads ids that follow each other


class Duplicates:
    """The ids of an input that appear more than once.

    Attributes:
        count: Rows whose id an earlier row has.
        first: The first such id, and where it is, or None.
        full: Whether there were too many ids to compare all.
    """

    __slots__ = ("_places", "_size", "_used", "count", "first", "full")

    def __init__(self) -> None:
        self.count: int = 0
        self.first: str | None = None
        self.full: bool = False
        self._size = _FIRST
        self._places = array("Q", [0]) * _FIRST
        self._used = 0

    def add(self, name: Any) -> bool:
        """Take the id of a row, and return whether an earlier row has it."""
        key = (hash(name if type(name) is str else _text(name)) * _MIX & _MASK) or 1
        places, mask = self._places, self._size - 1
        place = key >> 32 & mask
        while (found := places[place]) != key:
            if not found:
                if not self.full:
                    places[place] = key
                    self._used += 1
                    if 2 * self._used > self._size:
                        self._grow()
                return False
            place = place + 1 & mask
        self.count += 1
        return True

    def note(self, name: Any, where: str) -> None:
        """Remember the first id that appears again."""
        if self.first is None:
            self.first = f"{one_line(str(name), _SHOWN)!r} ({where})"

    def text(self) -> str | None:
        """Describe them for people; None: every id is there once."""
        if not self.count:
            return None
        rows = "1 row has" if self.count == 1 else f"{self.count:,} rows have"
        looked = f" (only the first {self._used:,} ids were compared)" if self.full else ""
        return f"{rows} an id that an earlier row has, such as {self.first}{looked}"

    def _grow(self) -> None:
        if self._size >= _MOST:
            self.full = True
            return
        old = self._places
        self._size *= 2
        self._places = places = array("Q", [0]) * self._size
        mask = self._size - 1
        for key in old:
            if key:
                place = key >> 32 & mask
                while places[place]:
                    place = place + 1 & mask
                places[place] = key


def _text(name: Any) -> str:
    """Ids of other types: 1 and "1" differ."""
    return f"{type(name).__name__} {name!r}"
