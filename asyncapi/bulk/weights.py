"""Weigh the requests of a job by a column of its input: how many tokens of its second limit each takes.

What the client sends for a row is a request of its own, with the row's number, which tells the weight. A retry weighs
the same, and so does what a row is redirected to. Only rows under way are remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.bulk.item import Item
    from asyncapi.messages.request import Request

_USUAL = 1.0


class Weights:
    """The weights of the rows under way: what `RateLimit(weight=)` takes."""

    __slots__ = ("_by_row",)

    def __init__(self) -> None:
        self._by_row: dict[int, float] = {}

    def add(self, item: Item) -> None:
        """Remember the weight of a row that is about to be sent."""
        if item.weight != _USUAL:
            self._by_row[item.index] = item.weight

    def remove(self, item: Item) -> None:
        """Forget a row that is settled."""
        self._by_row.pop(item.index, None)

    def __call__(self, request: Request) -> float:
        """Return the tokens that a request takes; 1 for one that is no row's."""
        return self._by_row.get(request.id, _USUAL)
