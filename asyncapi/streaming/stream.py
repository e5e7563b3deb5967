"""Stream responses: read the body while it arrives; a slow reader slows the server down.

    async with api.stream("GET", "/export") as response:
        async for row in response.json_lines(model=Row): ...

Rules:
1. Up to the headers it is a call like any other: every limit, retry, redirect and credential of the client. A response
   below 200 or above 299 is read whole, and raises or is returned as always.
2. After the headers nothing is sent again: a body that breaks off is a `ProtocolError`, a silent one a `RequestTimeout`
   in the phase "body". The call holds its place, and is in flight, until the body closes.
3. The body closes at its end, by its failure, or with the `async with` block, and then at once: closing waits for
   nothing. Its connection is reused if the body was read to its end, else it is closed.
4. The client's `total` ends with the headers, because many streams are meant to last; after that, `Timeout.read` bounds
   each silence. A `timeout=` of the call's own and a `deadline()` scope bound the whole.
5. A cancelled read loses nothing: the next one resumes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from asyncapi.calls.arguments import checked_headers
from asyncapi.errors import ConfigError
from asyncapi.layers import deadline
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.settings import Timeout
from asyncapi.streaming.response import Limits, StreamedResponse
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from yarl import URL

    from asyncapi.calls.builder import Builder
    from asyncapi.clock import Clock
    from asyncapi.errors import AsyncAPIError
    from asyncapi.messages.meaning import Reading
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.streaming.items import Items
    from asyncapi.types import Headers

T = TypeVar("T")


class Stream:
    """A call whose response is streamed: `async with` it for its `StreamedResponse`, once."""

    __slots__ = ("_open", "_response", "_used")

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, opener: Callable[[], Awaitable[StreamedResponse]]) -> None:
        self._open = opener
        self._response: StreamedResponse | None = None
        self._used = False

    def through(self, wrap: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]) -> None:
        """Have the call go through another function, as declared clients do to read errors."""
        self._open = wrap(self._open)

    async def __aenter__(self) -> StreamedResponse:
        if self._used:
            raise ConfigError("a stream can be opened once: call client.stream(...) again")
        self._used = True
        self._response = await self._open()
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close(error if isinstance(error, asyncio.CancelledError) else None)
            self._response = None


class JSONLines(Generic[T]):
    """A call whose response is streamed as NDJSON: `async with` it for an iterator over the values, once."""

    __slots__ = ("_model", "_stream")

    def __init__(self, stream: Stream, model: Any) -> None:
        self._stream = stream
        self._model = model

    def through(self, wrap: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]) -> None:
        """As in `Stream`."""
        self._stream.through(wrap)

    async def __aenter__(self) -> Items[T]:
        response = await self._stream.__aenter__()
        return response.json_lines(model=self._model)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, tb)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the streams of one client have in common.

    Args:
        builder: The client's.
        timeout: The client's limits.
        raises: Whether 4xx and 5xx raise.
        max_body: The most that `read()` gives.
        watchdog: Ends what takes too long.
        clock: Times it.
        transport: The client's.
    """

    builder: Builder
    timeout: Timeout
    raises: bool
    max_body: int | None
    watchdog: Watchdog
    clock: Clock
    transport: Any = None

    def limits(self, timeout: Any) -> Limits:
        """What bounds the reading of a body: by the call's own timeout, else by the client's."""
        limits = self.timeout if timeout is UNSET else timeout
        read = None if limits is None else (limits if isinstance(limits, Timeout) else Timeout(limits)).read
        return Limits(read, max_body=self.max_body, watchdog=self.watchdog, clock=self.clock)


class Opener:
    """Opens one streamed call, and opens it again where a download is resumed.

    Args:
        settings: The client's.
        carry: Sends a request down the layers.
        status_error: The error of a 4xx or 5xx.
        method: HTTP method.
        url: As in `Client.request`.
        options: The call's own; taken over.
        reading: Says what a response means in the protocol that is spoken.
    """

    def __init__(
        self,
        settings: StreamSettings,
        carry: Callable[[Request], Awaitable[Response]],
        status_error: Callable[[Response], AsyncAPIError],
        *,
        method: str,
        url: str | URL,
        options: dict[str, Any],
        reading: Reading | None = None,
    ) -> None:
        raises = options.pop("raise_for_status", None)
        self._raises = settings.raises if raises is None else raises
        self._settings = settings
        self._carry = carry
        self._status_error = status_error
        self._method = method.upper()
        self._url = url
        self._options = options
        self._reading = reading
        self._timeout = options.get("timeout", UNSET)
        self._due: float | None = None

    async def open(self) -> StreamedResponse:
        """Make the call, up to the headers of the response."""
        request = self._settings.builder.build(self._method, self._url, **self._options)
        self._due = deadline.current.get() if self._timeout is UNSET else request.deadline
        return await self._send(request, raises=self._raises)

    async def reopen(self, more: Headers) -> StreamedResponse:
        """Make the same call again with more headers, within the time of the first."""
        headers = checked_headers(self._options.get("headers"))
        headers.update(more)
        request = self._settings.builder.build(self._method, self._url, **{**self._options, "headers": headers})
        if self._due is not None:
            request.deadline = self._due if request.deadline is None else min(self._due, request.deadline)
        return await self._send(request, raises=True)

    async def _send(self, request: Request, *, raises: bool) -> StreamedResponse:
        request.call.reading = self._reading
        response = await opened(self._carry, request)
        if response.effective_status >= 400 and raises:  # noqa: PLR2004 - where errors begin
            raise self._status_error(response)
        return StreamedResponse(response, self._settings.limits(self._timeout), self._due, self.reopen)


async def opened(carry: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Send a request, and leave the body of its response open, if it is a good one; every other body is closed."""
    bodies: list[OpenBody] = []
    request.call.open_bodies = bodies
    current = None
    try:
        response = await carry(request)
        current = response.open_body
    finally:
        request.call.open_bodies = None
        for body in bodies:
            if body is not current:
                body.close()
    return response
