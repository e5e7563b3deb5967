"""Where a request that named a set of endpoints was sent: what it asked for, and at which endpoint.

The layers above the choice know such a request by the base URL of the set, whichever endpoint an attempt goes to: what
is cached or shared is the same resource everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.messages.target import Target


class Placed:
    """The place of one request.

    Attributes:
        asked: The URL that it had, below the base of the set.
        set_base: The base URL of the set.
        base: The base URL of the endpoint that was picked.
    """

    __slots__ = ("asked", "base", "set_base")

    def __init__(self, asked: Target, set_base: str, base: str) -> None:
        self.asked: Target = asked
        self.set_base: str = set_base
        self.base: str = base

    def in_set(self, url: str) -> str:
        """Return a URL below the endpoint as one of the whole set, and any other as it is."""
        rest = url.removeprefix(self.base)
        return self.set_base + rest if rest != url and rest[:1] in {"", "/", "?", "#"} else url
