"""Bring the results of a GraphQL subscription by server-sent events: graphql-sse, "distinct connections mode".

Rules (https://github.com/enisdenjo/graphql-sse, PROTOCOL.md):
1. The operation is POSTed with `Accept: text/event-stream`; each connection is one response.
2. `event: next` brings a result, `event: complete` ends the subscription, with data or without. Other events, such as
   pings, are skipped.
3. Whatever ends a response before `complete` is a gap: the operation is sent again (`asyncapi/streaming/events.py`).
4. A response that is no event stream is an error, or the errors of the operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError, final_error
from asyncapi.layers import deadline
from asyncapi.messages import decoding
from asyncapi.streaming.events import Events
from asyncapi.streaming.response import StreamedResponse
from asyncapi.streaming.stream import Stream
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.messages.response import Response
    from asyncapi.settings import Retry
    from asyncapi.speakers.line import Line

EVENT_STREAM = "text/event-stream"
ACCEPT = EVENT_STREAM  # and nothing beside it: graphql-sse takes the other mode then


class EventSource:
    """Results by server-sent events.

    Args:
        line: The client.
        post: Opens the call: it takes the headers to add, and returns the response with its body open.
        policy: When to send the operation again.
        refused: Makes the error of a response that is no event stream from it and its content.
        resumed: Called after a gap, before a result is handed out.
        timeout: The `timeout=` of the caller, which bounds all of it.
    """

    over: str = "sse"

    def __init__(
        self,
        line: Line,
        post: Callable[[str], Awaitable[Response]],
        policy: Retry | None,
        refused: Callable[[Response, bytes], AsyncAPIError],
        resumed: Callable[[], Awaitable[None]],
        *,
        timeout: Any = UNSET,
    ) -> None:
        self._line = line
        self._post = post
        self._refused = refused
        self._resumed = resumed
        self._timeout = timeout
        self._connected = False
        self._policy = policy
        self._due: float | None = None
        self._events: Events[Any] = Events(lambda _: Stream(self._connect), policy, line.clock, bare=True)

    async def open(self) -> None:
        """Send the operation."""
        await self._events.__aenter__()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next result, or None when the subscription is complete.

        Raises:
            GraphQLError: The server refuses the operation.
            TransportError: No other connection could be had.
            ProtocolError: An event is no result.
        """
        while True:
            try:
                event = await anext(self._events)
            except StopAsyncIteration:  # without retries (rule 3), or 204
                raise final_error("the subscription broke off: its stream ended without `complete`") from None
            if event.event == "complete":
                return None
            if event.event == "next":
                return _result(event.data)

    async def aclose(self, error: BaseException | None = None) -> None:
        """Close the response: the server sees that, and ends the operation."""
        await self._events.__aexit__(None if error is None else type(error), error, None)

    async def _connect(self) -> StreamedResponse:
        response = await self._post(ACCEPT)
        request, own = response.request, self._timeout is not UNSET
        if own and self._due is None and request is not None:
            self._due = request.deadline
        limits = self._line.settings.limits(self._timeout)
        streamed = StreamedResponse(response, limits, self._due if own else deadline.current.get())
        try:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if response.status != 200 or kind != EVENT_STREAM:  # noqa: PLR2004 - nothing else is one (rule 4)
                raise self._refused(response, await streamed.read())  # noqa: TRY301 - it closes the response
            if self._connected:
                await self._resumed()
            self._connected = True
        except BaseException as error:
            streamed.close(error if isinstance(error, Exception) else None)
            raise
        return streamed


def _result(data: str) -> dict[str, Any]:
    result = decoding.json(data.encode(), "the data of a next event")
    if not isinstance(result, dict):
        raise final_error("the data of a next event is no GraphQL result: it is no object")
    return result
