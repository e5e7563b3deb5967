"""Read a GraphQL result that is delivered bit by bit: @defer and @stream, as multipart/mixed.

    async with gql.stream(USER_WITH_SLOW_FRIENDS, {"id": 1}, model=User, field="user") as users:
        async for user in users: ...          # the same user, with more and more of it

Rules (GraphQL over HTTP, "Incremental delivery"):
1. Each round gives the whole result as far as it has come. One that was handed out does not change any more.
2. A server that knows neither directive sends one result, which is the only round.
3. A body that ends before `hasNext: false` is an error. It is not sent again: something was handed out already.
4. Errors are raised by the round that brings them, and the next round goes on; `errors="return"` gives them beside the
   data.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from pydantic_core import from_json

from asyncapi.calls.arguments import checked_headers, shared_options
from asyncapi.errors import AsyncAPIError, ConfigError, ProtocolError
from asyncapi.layers import deadline
from asyncapi.messages import decoding
from asyncapi.sansio.graphql.incremental import GrowingResult
from asyncapi.sansio.graphql.payloads import payload
from asyncapi.sansio.graphql.results import Result, result_of
from asyncapi.sansio.http.multipart_mixed import MultipartParser, Part, boundary_of
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.speakers.graphql_reader import NOT_YET, Reader
from asyncapi.streaming.response import StreamedResponse
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from asyncapi.messages.response import Response
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.speakers import graphql_results as results
    from asyncapi.speakers.graphql_streams import GraphQLStreams
    from asyncapi.speakers.line import Line

T = TypeVar("T")

ACCEPT = (
    "multipart/mixed;incrementalSpec=v0.2, multipart/mixed;deferSpec=20220824, multipart/mixed, "
    "application/graphql-response+json;q=0.9, application/json;q=0.8"
)


class IncrementalResults(Generic[T]):
    """A result that grows: `async with` it, then `async for` over it. A bare `async for` does both.

    Attributes:
        has_next: Whether more is to come.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        line: Line,
        post: Callable[[], Awaitable[Response]],
        read: Callable[[GrowingResult, list[dict[str, Any]]], T],
        refused: Callable[[Response, bytes], AsyncAPIError],
        *,
        timeout: Any = UNSET,
    ) -> None:
        self.has_next: bool = True
        self._line = line
        self._post = post
        self._read = read
        self._refused = refused
        self._timeout = timeout
        self._response: StreamedResponse | None = None
        self._parts: AsyncIterator[Any] | None = None
        self._result = GrowingResult()
        self._state = "new"

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ConfigError("a result can be read once: call stream(...) again")
        self._state = "open"
        try:
            await self._open()
        except BaseException as error:
            self._close(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._close(error)

    async def aclose(self) -> None:
        """Stop reading. May be called twice."""
        self._close(None)

    def __aiter__(self) -> AsyncIterator[T]:
        return self._in_a_block() if self._state == "new" else self

    async def __anext__(self) -> T:
        """Return the result as far as it has come, when more of it has.

        Raises:
            GraphQLError: What came has errors; the next round goes on.
            TransportError: The body broke off, or time ran out.
            DecodeError: What came is no JSON, or (SchemaError) does not fit the model.
        """
        if self._state == "new":
            await self.__aenter__()
        if self._state == "closed":
            raise ConfigError("the result is closed: read it inside its block")
        while self.has_next:
            if (found := await self._next()) is not NOT_YET:
                return found  # type: ignore[no-any-return]
        raise StopAsyncIteration

    async def _next(self) -> Any:
        response, parts = self._response, self._parts
        assert response is not None and parts is not None  # noqa: S101, PT018 - it is open
        try:
            errors = self._result.add(await _payload(parts))
        except AsyncAPIError as error:
            self.has_next = False
            response.with_call(error)
            response.close(error)
            raise
        self.has_next = self._result.has_next
        if not self.has_next:
            response.close()
        return self._read(self._result, errors)

    async def _in_a_block(self) -> AsyncIterator[T]:
        """Read it inside its block: a loop that is left early closes it."""
        async with self:
            async for result in self:
                yield result

    async def _open(self) -> None:
        response = await self._post()
        own, request = self._timeout is not UNSET, response.request
        due = request.deadline if own and request is not None else deadline.current.get()
        self._response = streamed = StreamedResponse(response, self._line.settings.limits(self._timeout), due)
        content_type = response.headers.get("Content-Type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if 200 <= response.status < 300 and kind == "multipart/mixed":  # noqa: PLR2004 - RFC 9110 section 15.3
            self._parts = streamed.parts_of(MultipartParser(boundary_of(content_type)))
            return
        content = response.content or await streamed.read()
        whole = None if response.status >= 400 else _result_in(content)  # noqa: PLR2004 - where errors begin
        if whole is None:
            raise self._refused(response, content)
        self._parts = _only(Part({}, content))

    def _close(self, error: BaseException | None) -> None:
        self._state = "closed"
        if self._response is not None:
            self._response.close(error if isinstance(error, asyncio.CancelledError) else None)


def incremental(
    gql: GraphQLStreams, operation: Operation, variables: Any, place: results.Place, options: dict[str, Any]
) -> IncrementalResults[Any]:
    """Make a result that grows, of an operation of an endpoint."""
    reader = Reader(gql.line, place)
    options["headers"] = checked_headers(options.get("headers"))
    options["headers"].setdefault("Accept", ACCEPT)
    gql.complete(options, [operation])
    options = {**shared_options(options), "json": payload(operation, variables)}

    async def post() -> Response:
        reader.response = await gql.opened(options)
        return reader.response

    def read(grown: GrowingResult, errors: list[dict[str, Any]]) -> Any:
        found = grown.errors if place.returns else errors
        return reader.wanted(Result(grown.data, found, grown.extensions, executed=True), more=grown.has_next)

    return IncrementalResults(gql.line, post, read, reader.refused, timeout=options.get("timeout", UNSET))


async def _payload(parts: AsyncIterator[Part]) -> Any:
    async for part in parts:
        if part.body.strip():
            return decoding.json(part.body, "a part of an incremental result")
    raise ProtocolError("the result broke off: its last part said that more was to come (hasNext)")


def _result_in(content: bytes) -> Any:
    try:
        return result_of(from_json(content))
    except ValueError:
        return None


async def _only(part: Part) -> AsyncIterator[Part]:
    yield part
