"""The settings of the cache."""

from dataclasses import KW_ONLY, field
from typing import Annotated, Any

from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds

_ROOM = 64 * 1024 * 1024  # bytes


@settings
class Cache:
    """Cache responses as their headers allow (RFC 9111): a hit sends nothing.

        Client("https://api.example.com", cache=Cache())
        Client("https://api.example.com", cache=Cache(store=SQLiteStore("~/.cache/tool/responses")))

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
        store: Where responses are kept so that they outlive the client: `SQLiteStore` or `RedisStore`, which have
            bounds of their own. `room` is then what they may use of memory while the store is away. None, the default,
            keeps them in the client's memory.
    """

    room: Annotated[int, Bounds(gt=0)] = _ROOM
    _: KW_ONLY
    heuristic: Annotated[float, Bounds(ge=0, le=1)] = 0.0
    stale_if_error: Annotated[float, Bounds(ge=0, finite=True)] = 0.0
    store: Any = field(default=None)

    def __post_init__(self) -> None:
        if self.store is not None and not callable(getattr(self.store, "responses", None)):
            raise ValueError(f"Cache(store={self.store!r}): give SQLiteStore(path) or RedisStore(url)")

    def describe(self) -> str:
        """As `explain()` shows it."""
        if self.store is not None:
            return f"as headers allow, in {self.store!r}"
        return f"as headers allow, at most {self.room / 2**20:.3g} MiB"
