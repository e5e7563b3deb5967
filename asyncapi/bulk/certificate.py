"""Show a client certificate to the same origins as any credential of a job, and to no other that rows redirect to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.messages.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Transport


class CertificateTransport:
    """A transport over two others: one that shows the certificate, and one that doesn't.

    Args:
        showing: Sends to the base URL's origin, or without one to that of each row.
        make_plain: Makes the transport for every other origin, once there is one.
        base_url: The base URL, or "".
    """

    def __init__(self, showing: Transport, make_plain: Callable[[], Transport], base_url: str) -> None:
        self._showing = showing
        self._make_plain = make_plain
        self._plain: Transport | None = None
        self._origin = Target.of(base_url).origin if base_url else None

    async def send(self, request: Request) -> Response:
        """Send one attempt."""
        first, target = request.call.original, request.target
        if target.origin == (first.origin if self._origin is None else self._origin):
            return await self._showing.send(request)
        if self._plain is None:
            self._plain = self._make_plain()
        return await self._plain.send(request)

    async def aclose(self) -> None:
        """Close both."""
        try:
            await self._showing.aclose()
        finally:
            if self._plain is not None:
                await self._plain.aclose()
