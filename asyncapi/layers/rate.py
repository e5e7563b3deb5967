"""Our own rate limits: every attempt takes tokens from each bucket before it may go.

Servers count attempts, not calls: a retry takes its own. An attempt that was not sent after all (cancelled, refused or
late in another line of ours) gives its tokens back, but for what time has refilled already: that would count twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.scheduling.token_queue import Limiter, wait_for_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.scheduling.wait_queue import Weights
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
        weigh: What an attempt costs in each bucket.
        clock: Times waits.
        by_host: A limiter per host; else one for the client.
        max_queue: How many may wait; None for any number.

    Raises (from the layer):
        RequestTimeout: Its turn would come after the deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long.
        QueueFull: Too many wait already.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            limiter = limiters[request.url.host_port_subcomponent or "" if by_host else ""]
            weights = weigh(request)
            if not limiter.take(weights):
                await wait_for_tokens(request, limiter, weights, clock, who="rate", max_queue=max_queue)
            made, taken = len(request.call.attempts), now()
            try:
                return await inner(request)
            except BaseException:
                if len(request.call.attempts) == made:
                    _give_back(limiter, weights, now() - taken)
                raise

        return send

    return layer


def _give_back(limiter: Limiter, weights: Weights, age: float) -> None:
    """Give back what time has not refilled yet: more would let others go faster than the limit."""
    for bucket, weight in zip(limiter.buckets, weights, strict=True):
        bucket.give_back(max(0.0, weight - age / bucket.interval))
    limiter.look_again()
