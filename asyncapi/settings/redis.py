"""The settings of a Redis or Valkey server that several processes share their limits by."""

from dataclasses import KW_ONLY
from typing import Annotated

from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds
from asyncapi.stores.redis_url import check_url, shown_url


@settings
class Redis:
    """Share limits with other processes by a Redis (6.2 or newer) or Valkey server.

        Client(rate=RateLimit(500), shared=Redis("redis://cache.internal:6379/0", name="orders", workers=8))

    All processes that give the same server and the same name keep to the limits together.

    Attributes:
        url: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or `unix:///path/of/socket`. The password
            is never shown.
        name: What is shared under this name: the API or the account that the limits belong to. Its keys begin with it.
        workers: How many processes share it. While the server is away each keeps to this part of the limits, or to a
            smaller one if more processes were seen.
    """

    url: str
    _: KW_ONLY
    name: str = "asyncapi"
    workers: Annotated[int, Bounds(ge=1, strict=True)] = 1

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.name or set(self.name) & set("{}\0"):
            raise ValueError(f"Redis(name={self.name!r}): give a name without braces, such as 'orders'")

    def __repr__(self) -> str:
        return f"Redis({shown_url(self.url)!r}, name={self.name!r}, workers={self.workers})"
