"""Spend a number of attempts that several processes share: each gets some of them at a time, until all are given out.

Used as a `Bucket` is: what waits for attempts to be allotted waits for it as for a token.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK = 0.1  # seconds until what waits looks again


class Allotment:
    """The part of a quota that this process has got.

    Attributes:
        ask: Called when attempts are to be allotted; it leads to `granted` or `went_wrong`, at once or later.
        asking: Whether that is awaited.
        left: Attempts that are allotted and not made.
        used_up: Whether the whole quota has been given out.
    """

    __slots__ = ("ask", "asking", "interval", "left", "used_up")

    def __init__(self) -> None:
        self.ask: Callable[[], object] = _nothing
        self.asking: bool = False
        self.left: float = 0.0
        self.used_up: bool = False
        self.interval: float = 0.0

    def granted(self, count: float) -> None:
        """Take in that so many attempts are allotted; none where the quota is used up."""
        self.asking = False
        self.left += count
        self.used_up = count <= 0

    def went_wrong(self) -> None:
        """Take in that nobody can say how many are left."""
        self.asking = False

    def delay(self, now: float, weight: float = 1.0) -> float:  # noqa: ARG002 - as of a Bucket
        """Seconds until an attempt is allotted; infinite where none ever will be."""
        if self.left < weight and not self.asking and not self.used_up:
            self.asking = True
            self.ask()
        return 0.0 if self.left >= weight else inf if self.used_up else _LOOK

    def take(self, now: float, weight: float = 1.0) -> None:  # noqa: ARG002 - as of a Bucket
        """Make an attempt."""
        self.left -= weight

    def give_back(self, weight: float = 1.0) -> None:
        """Undo a `take` whose attempt was not made."""
        self.left += weight


def _nothing() -> None:
    """Ask nobody."""
