"""Store responses in memory: bounded in bytes, the least recently used are forgotten first.

A full store holds many thousands of responses. Keys should be text or bytes, and values plain tuples of text, bytes and
numbers, or of such tuples: Python's garbage collector stops tracking those once they have survived. Other objects it
would walk through at each full collection, and block the event loop meanwhile.
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
        max_bytes: The bound, in bytes as the caller counts them.

    Attributes:
        max_bytes: The bound.
        largest: The bytes of the largest value that is stored.
        size: The bytes of all values now.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes: int = max_bytes
        self.largest: int = max_bytes // 8
        self._entries: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()  # (size, *value); the oldest first
        self.size: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> V | None:
        """Return the value of this key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return cast("V", entry[1:])

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Replace the value of this key; by nothing if the new value is larger than an eighth of the bound."""
        self.drop(key)
        if size > self.largest:
            return
        self._entries[key] = (size, *value)  # one flat tuple: each nested one would take the collector another pass
        self.size += size
        while self.size > self.max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: Hashable) -> None:
        """Forget the value of this key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry[0]
