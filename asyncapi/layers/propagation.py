"""Tell the server in headers of each attempt how much time is left, and which attempt it is (both opt-in)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.sansio.failures.propagation import write_timeout

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send


def propagation(clock: Clock, *, deadline_header: str | None, attempt_header: str | None) -> Layer:
    """Add the headers to each attempt.

    The time left is the attempt's: nobody waits for its response any longer. An attempt without any limit gets no
    deadline header.

    Args:
        clock: Measures the time left.
        deadline_header: The name of the header, which also says its form (`asyncapi.sansio.failures.propagation`).
        attempt_header: The name of the header with the number of the attempt, 1 for the first.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            headers = CIMultiDict(request.headers)
            if deadline_header is not None and (left := _left(request, clock)) < inf:
                headers[deadline_header] = write_timeout(deadline_header, left)
            if attempt_header is not None:
                headers[attempt_header] = str(len(request.call.attempts) + 1)
            return await inner(request.copy(headers=headers))

        return send

    return layer


def _left(request: Request, clock: Clock) -> float:
    attempt = inf if request.call.settings.attempt is None else request.call.settings.attempt
    return attempt if request.deadline is None else min(attempt, request.deadline - clock.now())
