"""The transport of one client that records and replays on a cassette."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from asyncapi.clock import SYSTEM
from asyncapi.transports.factory import MAX_BODY, http_transport

if TYPE_CHECKING:
    from asyncapi.messages.request import Body, Request
    from asyncapi.messages.response import Response
    from asyncapi.testing.cassettes.cassette import Cassette
    from asyncapi.types import Transport


class TapeTransport:
    """Records and replays the attempts of one client; what it recorded is written when it closes.

    Args:
        cassette: Where to.
        transport: What records: a name, an object, or None for the default. It is made when it is first needed.

    Attributes:
        offline: Says that `egress=` has nothing to guard: it is for tests.
    """

    offline = True

    def __init__(self, cassette: Cassette, transport: Transport | str | None) -> None:
        self._cassette = cassette
        self._given = transport
        self._made: Transport | None = None if isinstance(transport, str) else transport

    async def send(self, request: Request) -> Response:
        """Replay an attempt, or send and record it."""

        async def network(body: Body | None = None) -> Response:
            if self._made is None:
                named = self._given if isinstance(self._given, str) else None
                self._made = http_transport(SYSTEM, transport=named, max_body=MAX_BODY)
            return await self._made.send(request if body is None else request.copy(content=body))

        if not self._cassette.takes(request):
            return await network()
        response = await self._cassette.send(request, network)
        response.request = request
        return response

    async def aclose(self) -> None:
        """Close the transport that recorded, and write what was recorded."""
        if self._made is not None:
            await self._made.aclose()
        self._cassette.closed(failed=sys.exc_info()[0] is not None)
