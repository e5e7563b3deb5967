"""The reorder buffer: outcomes that come as they complete leave in the order of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.messages.response import Outcome


class ReorderBuffer:
    """Holds outcomes that are done before their turn; the fan-out's window bounds how many."""

    __slots__ = ("_early", "_turn")

    def __init__(self) -> None:
        self._early: dict[int, Outcome[Any]] = {}
        self._turn = 0

    def put(self, outcome: Outcome[Any]) -> Iterator[Outcome[Any]]:
        """Add an outcome; return those whose turn it is now."""
        self._early[outcome.index] = outcome
        while self._turn in self._early:
            yield self._early.pop(self._turn)
            self._turn += 1

    def clear(self) -> None:
        """Forget all outcomes."""
        self._early.clear()
