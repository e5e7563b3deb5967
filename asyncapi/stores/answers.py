"""Answers in memory: at most so many bytes, the least recently used forgotten first.

A full store has many thousands of them. Give it keys that are text or bytes, and values that are plain tuples of text,
bytes and numbers, or of such tuples: Python's garbage collector forgets those once they have survived, where it would
walk through every object of every answer at each full collection, and stop the loop for as long.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Hashable

V = TypeVar("V", bound=tuple[Any, ...])


class Answers(Generic[V]):
    """A dictionary of tuples that is bounded in bytes.

    Args:
        room: Bytes, as its users count them.

    Attributes:
        size: Bytes kept now.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()  # their sizes, and what they hold
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> V | None:
        """What is kept under this key."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return cast("V", kept[1:])

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Keep it in place of what was there, unless it is an eighth of the room or more; then nothing is."""
        self.drop(key)
        if size > self._room // 8:
            return
        self._kept[key] = (size, *value)  # one tuple: the collector takes one look for each that stands in another
        self.size += size
        while self.size > self._room:
            self.drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        """Forget it."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= kept[0]
