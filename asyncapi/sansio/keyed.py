"""State per host (or other key), made when first asked for, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")


class Keyed(dict[str, V]):
    """A dict that makes missing values and forgets the oldest key when full.

    Args:
        make: Makes the value of a new key.
        most: Keys kept.
    """

    __slots__ = ("_make", "_most")

    def __init__(self, make: Callable[[], V], most: int = 4096) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: str) -> V:
        if len(self) >= self._most:
            del self[next(iter(self))]
        value = self[key] = self._make()
        return value
