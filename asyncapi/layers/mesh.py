"""Tell the mesh in headers of each attempt who retries, and how long we wait (opt-in)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.sansio.failures.mesh import asked_of

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.settings import Mesh
    from asyncapi.types import Layer, Send


def mesh(settings: Mesh, clock: Clock) -> Layer:
    """Add the headers to each attempt; one that the user has set stays as it is.

    Args:
        settings: Say who retries, and which proxy reads the headers.
        clock: Measures the time left.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            limits = request.call.settings
            left = inf if request.deadline is None else request.deadline - clock.now()
            each = limits.attempt if limits.per_try is None else limits.per_try
            asked = asked_of(
                settings.proxy,
                ours=settings.retry == "ours",
                total=(left if limits.attempt is None else min(left, limits.attempt)) if settings.timeouts else inf,
                each=inf if each is None or not settings.timeouts else each,
            )
            headers = CIMultiDict(request.headers)
            for name, value in asked:
                headers.setdefault(name, value)
            return await inner(request.copy(headers=headers))

        return send

    return layer
