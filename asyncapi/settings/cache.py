"""The settings of the cache."""

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import Field

from asyncapi.settings.base import settings

_ROOM = 64 * 1024 * 1024  # bytes


@settings
class Cache:
    """Keep answers as their headers allow (RFC 9111), in this client's memory: a hit sends nothing.

        Client("https://api.example.com", cache=Cache())

    An answer's `.from_cache` says how it was had: "fresh", "revalidated" (the server said that it still holds) or
    "stale"; "" if it was not.

    Attributes:
        room: Bytes that are kept at the most, the least recently used forgotten first; an answer of an eighth of it or
            more is not kept.
        heuristic: How long an answer that doesn't say is fresh, as a share of its age since Last-Modified; 0.1 is
            usual, 0 asks every time.
        stale_if_error: Seconds over its time that an answer may be used while the server can't be asked or answers
            with a 500, 502, 503 or 504, where nobody says `stale-if-error`; `must-revalidate` forbids it.
    """

    room: Annotated[int, Field(gt=0)] = _ROOM
    _: KW_ONLY
    heuristic: Annotated[float, Field(ge=0, le=1)] = 0.0
    stale_if_error: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def describe(self) -> str:
        """As `explain()` shows it."""
        return f"as headers allow, at most {self.room / 2**20:.3g} MiB"
