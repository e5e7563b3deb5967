"""A transport without a network: a handler responds to every attempt. For tests, and for measuring the layers."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, ConfigError, ProtocolError
from asyncapi.messages.open_body import NO_TRAILERS, OpenBody
from asyncapi.messages.response import Response
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.transports import attempt_limit, mock_socket
from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    from multidict import CIMultiDictProxy

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request

    Handler = Callable[[Request], Response | MockSocket | Awaitable[Response | MockSocket]]


class MockTransport:
    """Respond with what `handler(request)` returns, awaited if need be; what it raises is the attempt's failure.

    It returns a `reply(...)`; for the handshake of a WebSocket a `socket(...)`, or a reply, which refuses it.

    The attempt's time limit holds as over a real network. `requests` counts attempts.

        def handler(request: Request) -> Response:
            return reply(200, json={"path": request.url.path})

        async with Client("https://api.example.com", transport=MockTransport(handler)) as api: ...

    Args:
        handler: Called with each Request as it would be sent: absolute URL, all headers, encoded body.

    Attributes:
        offline: Says that it makes no connections, so that `egress=` has nothing to guard.
    """

    offline = True

    def __init__(self, handler: Handler, *, clock: Clock = SYSTEM) -> None:
        self._handler = handler
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self.requests: int = 0

    async def send(self, request: Request) -> Response:
        """Pass one attempt to the handler."""
        self.requests += 1
        request.call.phase = "headers"
        upgrade = request.call.upgrade
        returned = self._handler(request if upgrade is None else mock_socket.handshake(request, upgrade))
        if isinstance(returned, Response) and returned.open_body is None:
            response = returned
        else:
            response = await self._wait(request, returned)
        if upgrade is not None and response.status == 101 and response.open_body is None:  # noqa: PLR2004
            raise ConfigError("the mock handler returned a reply of 101: return socket(...) to accept a WebSocket")
        if response.request is not None:  # a handler may hand out the same object again and again
            response = Response(response.status, response.headers, response.content, trailers=response.trailers)
        # as over a network, where each response belongs to its own request
        response.request = request
        response.target = request.target
        return response

    async def aclose(self) -> None:
        """Stop the timer of the attempt limits."""
        self._watchdog.close()

    async def _wait(self, request: Request, returned: Any) -> Response:
        guard = attempt_limit.enter(self._watchdog, self._clock, request)
        if guard is None:
            return await _answer(request, returned)
        try:
            return await _answer(request, returned)
        except asyncio.CancelledError:
            if guard.fired():
                raise attempt_limit.timed_out(request) from None
            raise
        finally:
            self._watchdog.leave(guard)


async def _answer(request: Request, returned: Any) -> Response:
    """Await what the handler returns; a body in pieces is left open where the call streams."""
    response = await returned if inspect.isawaitable(returned) else returned
    if isinstance(response, MockSocket):
        return response.accept(request)
    if not isinstance(response, Response):
        raise ConfigError(f"the mock handler returned {response!r}: return reply(...), or socket(...) for a WebSocket")
    body, call = response.open_body, request.call
    if body is None or body.socket is not None:
        return response
    if body.closed or response.request is not None:
        raise ConfigError(
            "the mock handler returned a reply whose body was read before: make a new one for each request"
        )
    if call.open_bodies is not None and call.upgrade is None and response.status < 300:  # noqa: PLR2004 - redirects and errors are read
        call.open_bodies.append(body)
        return response
    call.phase, pieces = "body", []
    try:
        while piece := await body.read():
            pieces.append(piece)
    finally:
        body.close()
    return Response(response.status, response.headers, b"".join(pieces), trailers=body.trailers)


def body_of(source: AsyncIterable[bytes], trailers: CIMultiDictProxy[str] = NO_TRAILERS) -> OpenBody:
    """Make an open body of the pieces of `source`; an error in `source` ends the body."""
    pieces, broken = aiter(source), False

    async def read() -> bytes:
        nonlocal broken
        if broken:
            raise ProtocolError("the body broke off: its source was cancelled")
        broken = True
        try:
            piece = b""
            async for piece in pieces:
                if piece:
                    break
        except AsyncAPIError:
            raise
        except Exception as error:
            raise ProtocolError(f"the body broke off: {type(error).__name__}: {error}") from error
        broken = False
        if not piece:
            body.trailers = trailers
        return piece

    body = OpenBody(read, partial(_stop, pieces))
    return body


def _stop(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is None or getattr(pieces, "ag_running", False):
        return
    try:
        close().send(None)
    except StopIteration:
        return
    raise ConfigError("a streamed reply is closed without waiting: its `finally` can't await")
