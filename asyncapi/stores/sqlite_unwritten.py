"""What is to be written to a SQLite file, and what a reader is to see meanwhile.

1. A key whose changes are not all written has the value that they leave: that of the last one.
2. A change that was put for a key which is dropped afterwards is pointless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.http.stored_response import Record


class Change:
    """One change that is to be written.

    Attributes:
        kind: "put", "drop", "touch", "release", "renew" or "drop all".
        key: The key that it is about.
        size: About how many bytes it stores.
        detail: What belongs to its kind.
        done: Whether it has been written already, or has become pointless.
    """

    __slots__ = ("detail", "done", "key", "kind", "size")

    def __init__(self, kind: str, key: str = "", size: int = 0, *detail: Any) -> None:
        self.kind: str = kind
        self.key: str = key
        self.size: int = size
        self.detail: tuple[Any, ...] = detail
        self.done: bool = False


class Unwritten:
    """The changes of keys that wait to be written. Whoever changes it holds the writer's lock.

    Attributes:
        values: What they leave, by key; () for nothing.
    """

    __slots__ = ("_changes", "values")

    def __init__(self) -> None:
        self._changes: dict[str, list[Change]] = {}
        self.values: dict[str, tuple[Record, ...]] = {}

    def __len__(self) -> int:
        """How many keys have statements."""
        return len(self._changes)

    def add(self, change: Change, left: tuple[Record, ...]) -> None:
        """Note a change, and what it leaves (rule 1)."""
        waiting = self._changes.setdefault(change.key, [])
        if change.kind == "drop":
            for each in waiting:
                each.done = True  # rule 2
        waiting.append(change)
        self.values[change.key] = left

    def drops(self) -> list[Change]:
        """The removals that wait."""
        return [each for waiting in self._changes.values() for each in waiting if each.kind == "drop" and not each.done]

    def clear(self, done: Iterable[Change]) -> list[tuple[Change, tuple[Record, ...]]]:
        """Forget changes; return the last one of each key that is now written, and what it left."""
        cleared: list[tuple[Change, tuple[Record, ...]]] = []
        for change in done:
            waiting = self._changes.get(change.key)
            if waiting is None or change not in waiting:
                continue
            waiting.remove(change)
            if not waiting:
                del self._changes[change.key]
                cleared.append((change, self.values.pop(change.key)))
        return cleared
