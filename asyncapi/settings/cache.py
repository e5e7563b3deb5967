"""The settings of the cache."""

from dataclasses import KW_ONLY
from typing import Annotated

from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds

_ROOM = 64 * 1024 * 1024  # bytes


@settings
class Cache:
    """Cache responses in the client's memory as their headers allow (RFC 9111): a hit sends nothing.

        Client("https://api.example.com", cache=Cache())

    `response.from_cache` is "fresh", "revalidated" (the server confirmed it with a 304) or "stale", and "" for a
    response that is not from the cache.

    Attributes:
        room: Most bytes of memory, 64 MiB by default; the least recently used responses are dropped first. A response
            of an eighth of `room` or more is not stored.
        heuristic: How long a response that doesn't say so is fresh, as a share of its age since Last-Modified (RFC 9111
            section 4.2.2). 0.1 is usual; 0, the default, revalidates every time.
        stale_if_error: Seconds for which a response may be used after it has become stale, while the server can't be
            reached or responds with 500, 502, 503 or 504 (RFC 5861 section 4); 0 by default. A `stale-if-error` of the
            server or of the request takes precedence, and `must-revalidate` forbids it.
    """

    room: Annotated[int, Bounds(gt=0)] = _ROOM
    _: KW_ONLY
    heuristic: Annotated[float, Bounds(ge=0, le=1)] = 0.0
    stale_if_error: Annotated[float, Bounds(ge=0, finite=True)] = 0.0

    def describe(self) -> str:
        """As `explain()` shows it."""
        return f"as headers allow, at most {self.room / 2**20:.3g} MiB"
