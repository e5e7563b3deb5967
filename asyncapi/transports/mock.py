"""A transport without a network: a handler answers every attempt. For users' tests, and for measuring the layers."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError
from asyncapi.transports import limits
from asyncapi.types import Response
from asyncapi.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.clock import Clock
    from asyncapi.types import Request


class MockTransport:
    """Answers with what `handler(request)` returns, awaited if need be; what it raises is the attempt's failure.

    The attempt's time limit holds as over a real network. `requests` counts attempts.

        def handler(request: Request) -> Response:
            return reply(200, json={"path": request.url.path})

        async with Client("https://api.example.com", transport=MockTransport(handler)) as api: ...

    Args:
        handler: Called with each Request as it would go on the wire: absolute URL, all headers, encoded body.

    Attributes:
        offline: It connects to nothing, so nothing need be guarded.
    """

    offline = True

    def __init__(self, handler: Callable[[Request], Response | Awaitable[Response]], *, clock: Clock = SYSTEM) -> None:
        self._handler = handler
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self.requests = 0

    async def send(self, request: Request) -> Response:
        """Carry one attempt to the handler."""
        self.requests += 1
        request.call.phase = "headers"
        given = self._handler(request)
        response = given if isinstance(given, Response) else await self._wait(request, given)
        if response.request is not None:  # a handler may hand out the same object again and again
            response = Response(response.status, response.headers, response.content)
        response.request = request
        response.url = request.url
        return response

    async def aclose(self) -> None:
        """Stop watching."""
        self._watchdog.close()

    async def _wait(self, request: Request, given: Awaitable[Response]) -> Response:
        if not inspect.isawaitable(given):
            raise ConfigError(f"the mock handler returned {given!r}: return a Response, as reply(200) makes one")
        guard = limits.enter(self._watchdog, self._clock, request)
        if guard is None:
            return _checked(await given)
        try:
            return _checked(await given)
        except asyncio.CancelledError:
            if guard.fired():
                raise limits.timed_out(request) from None
            raise
        finally:
            self._watchdog.leave(guard)


def _checked(response: object) -> Response:
    if not isinstance(response, Response):
        raise ConfigError(f"the mock handler returned {response!r}: return a Response, as reply(200) makes one")
    return response
