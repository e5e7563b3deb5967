"""Hold state per host (or other key), made when first needed, in bounded memory.

What is in use is never forgotten: places that are out, tasks in a queue, a pause or an open circuit that still holds.
So there may be more keys than `max_keys`, but no more than are in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

_LOOKS = 16  # of the oldest keys are looked at when a new one comes


class Keyed(dict[str, V]):
    """A dict that makes missing values and, when full, forgets the oldest key that is not in use.

    Args:
        make: Makes the value of a new key; of the key itself, where `named`.
        max_keys: How many keys are held.
        busy: Whether a value is in use; None if that does not matter.
        named: Whether `make` is called with the key.
    """

    __slots__ = ("_busy", "_make", "_max_keys", "_named")

    def __init__(
        self,
        make: Callable[..., V],
        max_keys: int = 4096,
        busy: Callable[[V], bool] | None = None,
        *,
        named: bool = False,
    ) -> None:
        super().__init__()
        self._make = make
        self._named = named
        self._max_keys = max_keys
        self._busy = busy

    def __missing__(self, key: str) -> V:
        if len(self) >= self._max_keys:
            self._forget()
        value = self[key] = self._make(key) if self._named else self._make()
        return value

    def _forget(self) -> None:
        """Drop some of the oldest keys until there is room; those in use become the newest."""
        for _ in range(_LOOKS):
            key = next(iter(self))
            value = self.pop(key)
            if self._busy is not None and self._busy(value):
                self[key] = value
            elif len(self) < self._max_keys:
                return
