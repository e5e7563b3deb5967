"""Make the state of a client's limits: places, rates and paces, and what other processes share."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.layers.concurrency import Gate
from asyncapi.layers.pace import Pace
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.token_queue import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.wait_queue import Weights
    from asyncapi.settings import Adaptive, RateLimit, Redis
    from asyncapi.sharing.fleet import Fleet


def learning_gate(adaptive: Adaptive) -> Gate:
    """Make the places of one host, whose number is learned."""
    learned = adaptive.start()
    return Gate(max(1, int(learned.limit)), learned, adaptive.maximum)


def limiters_of(
    rate: Sequence[RateLimit], fleet: Fleet | None, clock: Clock
) -> list[tuple[str, list[RateLimit], Keyed[Limiter]]]:
    """Make the rate limits: what they count by, the limits, and the state of each."""
    return [
        (by, limits, Keyed(_limiter(limits, fleet, clock), busy=lambda limiter: limiter.busy, named=True))
        for by in ("client", "host")
        if (limits := [limit for limit in rate if limit.by == by])
    ]


def _limiter(limits: Sequence[RateLimit], fleet: Fleet | None, clock: Clock) -> Callable[[str], Limiter]:
    """Return what makes the limiter of a host, or of "" for the client's."""
    if fleet is None:
        return lambda _: Limiter([limit.start() for limit in limits], clock)
    from asyncapi.sharing.fleet import Limit  # noqa: PLC0415 - most clients share nothing

    shared = [Limit(limit.amount, limit.per, limit.depth, limit.weight is not None) for limit in limits]
    return lambda host: fleet.limiter(shared, f"host:{host}" if host else "client")


def pace_of(fleet: Fleet | None, clock: Clock) -> Callable[[str], Pace]:
    """Return what makes the state of one host's limits."""
    if fleet is None:
        return lambda _: Pace(clock)
    news = fleet.news

    def make(host: str) -> Pace:
        pace = Pace(clock, partial(news.tell_quotas, host))
        news.join(host, pace)
        return pace

    return make


def fleet_of(shared: Redis | None, clock: Clock) -> Fleet | None:
    """Make what is shared with other processes, if anything is."""
    if shared is None:
        return None
    from asyncapi.sharing.fleet import Fleet  # noqa: PLC0415 - most clients share nothing

    return Fleet(shared.url, shared.name, shared.workers, clock)


def weigher(limits: Sequence[RateLimit]) -> Callable[[Request], Weights]:
    """Return what says how much of each limit a request takes."""
    scales = [limit.weight for limit in limits]
    if not any(scales):
        ones = (1.0,) * len(scales)
        return lambda _: ones
    return lambda request: tuple(1.0 if scale is None else _checked(scale(request)) for scale in scales)


def _checked(weight: float) -> float:
    """Check what a user's `weight` function returned.

    Raises:
        ConfigError: It isn't a weight: the limit would be broken for good.
    """
    if not 0 <= weight < inf:
        raise ConfigError(f"RateLimit(weight=...) gave {weight!r}: it must be a number, 0 or more")
    return weight
