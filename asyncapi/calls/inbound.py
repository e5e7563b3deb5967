"""Let a service inherit from the request that it serves: its deadline, and that its caller already retries."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError
from asyncapi.layers.deadline import deadline
from asyncapi.sansio.failures.propagation import read_timeout, retried_above
from asyncapi.scheduling.retrying import no_retries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asyncapi.clock import Clock


@contextmanager
def inbound(headers: Mapping[str, str], *, most: float | None = None, clock: Clock = SYSTEM) -> Iterator[None]:
    """Open a scope for serving one request: calls inside end within the caller's time and don't multiply its retries.

        async def handler(request):
            with inbound(request.headers, most=10.0):
                return await api.get("/users/1", model=User)

    Args:
        headers: The headers of the request being served, case-insensitive.
        most: Seconds at most, and the seconds where the caller names none.
        clock: The clock of the client inside.

    Raises:
        ConfigError: `most` is not a positive number.
    """
    try:
        usable = most is None or most > 0
    except TypeError:
        usable = False
    if not usable:
        raise ConfigError(f"inbound(most={most!r}): give a positive number of seconds, or None")
    limits = [seconds for seconds in (read_timeout(headers), most) if seconds is not None]
    with ExitStack() as scope:
        if limits:
            scope.enter_context(deadline(max(min(limits), _LEAST), clock=clock))
        if retried_above(headers):
            scope.enter_context(no_retries())
        yield


_LEAST = 1e-6  # seconds: a caller whose time is up gets a scope that is over at once, not an error about its size
