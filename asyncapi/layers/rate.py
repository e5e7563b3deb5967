"""Enforce the client's own rate limits: every attempt takes tokens from each bucket before it is sent.

Servers count attempts, not calls, so a retry takes tokens of its own. An attempt that was not sent after all
(cancelled, refused or late in another queue of ours) gives its tokens back, except those that time has refilled
already: they would count twice.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.scheduling.token_queue import Limiter, wait_for_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.scheduling.wait_queue import Weights
    from asyncapi.settings import RateLimit
    from asyncapi.types import Layer, Send


def rate(
    limiters: Keyed[Limiter],
    weigh: Callable[[Request], Weights],
    clock: Clock,
    *,
    by_host: bool = False,
    max_queue: int | None = None,
) -> Layer:
    """Take tokens before every attempt.

    Args:
        limiters: The limiter of each key.
        weigh: Says how many tokens an attempt takes from each bucket.
        clock: Times waits.
        by_host: Whether each host has a limiter; else the client has one.
        max_queue: How many calls may wait; None for any number.

    Raises (from the layer):
        RequestTimeout: The tokens would be there only after the deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long.
        QueueFull: Too many wait already.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            limiter = limiters[request.target.host if by_host else ""]
            weights = weigh(request)
            if not limiter.take(weights):
                await wait_for_tokens(request, limiter, weights, clock, who="rate", max_queue=max_queue)
            records_before, taken = len(request.call.attempts), now()
            try:
                return await inner(request)
            except BaseException:
                # no record was written: the attempt never reached the transport
                if len(request.call.attempts) == records_before:
                    _give_back(limiter, weights, now() - taken)
                raise

        return send

    return layer


def _give_back(limiter: Limiter, weights: Weights, age: float) -> None:
    """Give back the tokens that time has not refilled yet: more would exceed the limit."""
    for bucket, weight in zip(limiter.buckets, weights, strict=True):
        bucket.give_back(max(0.0, weight - age / bucket.interval))
    limiter.look_again()


def weigh(limits: Sequence[RateLimit]) -> Callable[[Request], Weights]:
    """Return what says how many tokens an attempt takes from the bucket of each of these limits."""
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
