"""Streamed answers: the body is handed over as it comes, and the server waits where its reader is slow.

    async with api.stream("GET", "/export") as response:
        async for row in response.json_lines(model=Row): ...

Rules:
- Up to the headers it is a call like any other: every limit, retry, redirect and credential of the client. An answer
  below 200 or above 299 is read whole, and raises or is returned as always.
- From there nothing is sent again: a body that breaks off is a `ProtocolError`, a silent one a `RequestTimeout` in the
  phase "body". The call's place is held, and the call is in flight, until the body closes.
- The body closes at its end, by its failure, or with the `async with` block, and then at once: closing waits for
  nothing. Its connection is used again if it was read to its end, else it is closed.
- The client's `total` ends with the headers, because many streams are meant to last; after that, `Timeout.read` bounds
  each silence. A `timeout=` of the call's own and a `deadline()` scope bound all of it.
- A read that is cancelled loses nothing: the next one goes on.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncapi.calls.builder import checked_headers
from asyncapi.errors import ConfigError
from asyncapi.layers import deadline
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.settings import Timeout
from asyncapi.streaming.response import Items, Limits, StreamedResponse
from asyncapi.types import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from yarl import URL

    from asyncapi.calls.builder import Builder
    from asyncapi.clock import Clock
    from asyncapi.errors import AsyncAPIError
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Body, Request
    from asyncapi.messages.response import Response
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.settings import Retry
    from asyncapi.types import Content, Headers, Params

T = TypeVar("T")


class Stream:
    """A call whose answer is streamed: `async with` it for its `StreamedResponse`, once."""

    __slots__ = ("_open", "_response", "_used")

    __reduce_ex__ = refuse_copy

    def __init__(self, opener: Callable[[], Awaitable[StreamedResponse]]) -> None:
        self._open = opener
        self._response: StreamedResponse | None = None
        self._used = False

    async def __aenter__(self) -> StreamedResponse:
        if self._used:
            raise ConfigError("a stream is opened once: call client.stream(...) for each")
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
    """A call whose answer is streamed as NDJSON: `async with` it for an iterator over the values, once."""

    __slots__ = ("_model", "_stream")

    def __init__(self, stream: Stream, model: Any) -> None:
        self._stream = stream
        self._model = model

    async def __aenter__(self) -> Items[T]:
        response = await self._stream.__aenter__()
        return response.json_lines(model=self._model)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, tb)


class Streams:
    """The type of `client.stream`.

    Args:
        builder: The client's.
        carry: The client's: down the layers.
        status_error: The client's: what a 4xx or 5xx raises.
        watchdog: Ends what takes too long.
        clock: Times it.
        timeout: The client's limits.
        raises: Whether 4xx and 5xx raise.
        max_body: The most that `read()` gives.
    """

    def __init__(
        self,
        builder: Builder,
        carry: Callable[[Request], Awaitable[Response]],
        status_error: Callable[[Response], AsyncAPIError],
        *,
        watchdog: Watchdog,
        clock: Clock,
        timeout: Timeout,
        raises: bool,
        max_body: int | None,
    ) -> None:
        self._builder = builder
        self._carry = carry
        self._status_error = status_error
        self._timeout = timeout
        self._raises = raises
        self._limits = partial(Limits, max_body=max_body, watchdog=watchdog, clock=clock)

    def __call__(
        self,
        method: str,
        url: str | URL,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        content: Content | Body | None = None,
        files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        timeout: Timeout | float | Unset | None = UNSET,
        retry: Retry | int | Unset | None = UNSET,
        idempotency_key: str | bool | None = None,
        raise_for_status: bool | None = None,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> Stream:
        """Make one call and read its answer as it comes: arguments as in `Client.request`.

            async with api.stream("GET", "/export") as response:
                async for chunk in response.bytes(): ...

        Args:
            method: Any HTTP method.
            url: As in `Client.request`.
            params: As in `Client.request`.
            headers: As in `Client.request`.
            json: As in `Client.request`.
            data: As in `Client.request`.
            content: As in `Client.request`.
            files: As in `Client.request`.
            timeout: Bounds the whole of it, the body included, if it has a total; its `read` each silence. Without it,
                the client's total ends with the headers.
            retry: As in `Client.request`; once the headers are there, nothing is sent again.
            idempotency_key: As in `Client.request`.
            raise_for_status: As in `Client.request`.
            route: As in `Client.request`.
            wait: As in `Client.request`.
            priority: As in `Client.request`.
            tenant: As in `Client.request`.

        Returns:
            Stream: `async with` it for the `StreamedResponse`. The call is made there, and raises there what
            `Client.request` raises.
        """
        build = partial(
            self._builder.build, method.upper(), url, params=params, json=json, data=data, content=content, files=files,
            timeout=timeout, retry=retry, idempotency_key=idempotency_key, route=route,
            wait=wait, priority=priority, tenant=tenant,
        )  # fmt: skip
        raises = self._raises if raise_for_status is None else raise_for_status
        return Stream(partial(self._open, build, headers, timeout, raises))

    async def _open(
        self,
        build: Callable[..., Request],
        headers: Headers | None,
        timeout: Any,
        raises: bool,
        within: float | None = None,
    ) -> StreamedResponse:
        """Send it, up to the headers of the answer."""
        request = build(headers=headers)
        due = deadline.current.get() if timeout is UNSET else request.deadline
        if within is not None:
            due = within if due is None else min(within, due)
            request.deadline = due if request.deadline is None else min(due, request.deadline)
        bodies: list[OpenBody] = []
        request.call.open_bodies = bodies
        kept = None
        try:
            response = await self._carry(request)
            if response.status >= 400 and raises:  # noqa: PLR2004 - where errors begin
                raise self._status_error(response)
            kept = response.open_body
        finally:
            request.call.open_bodies = None
            for body in bodies:
                if body is not kept:
                    body.close()
        reopen = partial(self._reopen, build, headers, timeout, due)
        return StreamedResponse(response, self._limits(self._silence(timeout)), due, reopen)

    async def _reopen(
        self, build: Callable[..., Request], headers: Headers | None, timeout: Any, due: float | None, more: Headers
    ) -> StreamedResponse:
        """The same call again, with more headers."""
        asked = checked_headers(headers)
        asked.update(more)
        return await self._open(build, asked, timeout, raises=True, within=due)

    def _silence(self, timeout: Any) -> float | None:
        """The longest silence of a body, seconds."""
        limits = self._timeout if timeout is UNSET else timeout
        return None if limits is None else (limits if isinstance(limits, Timeout) else Timeout(limits)).read
