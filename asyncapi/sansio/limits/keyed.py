"""State per host (or other key), made when first asked for, in bounded memory.

What is in use is never forgotten: places that are out, tasks in line, a pause or an open circuit that still holds. So
there may be more keys than `most`, but no more than are in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

_LOOKS = 16  # at the oldest keys, when a new one comes


class Keyed(dict[str, V]):
    """A dict that makes missing values and, when full, forgets the oldest key that is not in use.

    Args:
        make: Makes the value of a new key.
        most: Keys kept.
        busy: Whether a value is in use; None if that does not matter.
    """

    __slots__ = ("_busy", "_make", "_most")

    def __init__(self, make: Callable[[], V], most: int = 4096, busy: Callable[[V], bool] | None = None) -> None:
        super().__init__()
        self._make = make
        self._most = most
        self._busy = busy

    def __missing__(self, key: str) -> V:
        if len(self) >= self._most:
            self._forget()
        value = self[key] = self._make()
        return value

    def _forget(self) -> None:
        """Look at some of the oldest: the busy ones are the newest from now on, the others go until there is room."""
        for _ in range(_LOOKS):
            key = next(iter(self))
            value = self.pop(key)
            if self._busy is not None and self._busy(value):
                self[key] = value
            elif len(self) < self._most:
                return
