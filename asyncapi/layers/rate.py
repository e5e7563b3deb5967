"""Our own rate limits: every attempt takes tokens from each bucket before it may go.

Servers count attempts, not calls: a retry takes its own. Tokens of an attempt that is given up or refused on its way
through the layers below, while it waits for a place say, go back: nothing was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.limiting import Limiter, stand_in_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.sansio.keyed import Keyed
    from asyncapi.types import Layer, Request, Response, Send
    from asyncapi.waiting import Weights


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

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            limiter = limiters[request.url.host_port_subcomponent or "" if by_host else ""]
            weights = weigh(request)
            if not limiter.take(weights):
                await stand_in_line(request, limiter, weights, clock, who="rate", most=max_queue)
            made = request.call.attempts
            before = len(made)
            try:
                return await inner(request)
            except BaseException:
                if len(made) == before:
                    limiter.give_back(weights)
                raise

        return send

    return layer
