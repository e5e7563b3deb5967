"""Subscribe to a GraphQL operation: an iterator over its results, which goes on over other connections if one ends.

    async with gql.subscribe(PRICES, {"of": "ACME"}, model=Price, field="price") as prices:
        async for price in prices: ...

Rules:
1. A subscription ends when the server says `complete`, or with an error. A connection that ends otherwise is a gap:
   another one follows, by the client's retries, and the operation is sent again before anything is handed out.
2. What happened in a gap is lost, because the protocols can't resume: `on_resume` is called after each.
3. Each subscription has a connection of its own. So a slow reader holds up no other subscription, its credential,
   deadline and place in the queues are those of one call, and its end leaves nothing open.
4. A result that has errors raises a GraphQLError, and the next round goes on after it. An `error` message ends the
   subscription.
5. over="auto" tries WebSocket first, then events where no WebSocket is spoken at that URL.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, Self, TypeVar

from asyncapi.errors import AsyncAPIError, ConfigError, ProtocolError, StatusError
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

T = TypeVar("T")

# Handshakes refused with these say that no WebSocket is spoken there: the rest concerns the call itself.
_NO_SOCKET = {400, 404, 405, 406, 415, 421, 426, 501, 505}


class Source(Protocol):
    """What brings the results of one subscription."""

    @property
    def over(self) -> str:
        """Its name: "websocket" or "sse"."""

    async def open(self) -> None:
        """Connect, and send the operation."""

    async def receive(self) -> dict[str, Any] | None:
        """Return the next result, or None when the subscription is complete."""

    async def aclose(self, error: BaseException | None = None) -> None:
        """Close it; without waiting where `error` is a cancellation."""


class Subscription(Generic[T]):
    """The results of a subscription: `async with` it, then `async for` over it.

    A bare `async for` opens it too, and closes it when the loop ends.

    Attributes:
        over: What it is spoken over: "websocket" or "sse"; "" before it is open.
        resumes: How often it went on over another connection; each stands for a gap.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        sources: Callable[[Callable[[], Any]], Sequence[Source]],
        read: Callable[[dict[str, Any]], T],
        *,
        on_resume: Callable[[Subscription[T]], Any] | None = None,
        chosen: Callable[[str], object] | None = None,
    ) -> None:
        if on_resume is not None and not callable(on_resume):
            raise ConfigError(f"on_resume={on_resume!r}: give a function of the subscription, or None")
        self.over: str = ""
        self.resumes: int = 0
        self._sources = sources(self._resumed)
        self._source: Source | None = None
        self._read = read
        self._on_resume = on_resume
        self._chosen = chosen
        self._state = "new"
        self._error: AsyncAPIError | None = None

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ConfigError("a subscription can be opened once: call subscribe(...) again")
        self._state = "open"
        try:
            self._source = await self._opened()
        except BaseException:
            self._state = "closed"
            raise
        self.over = self._source.over
        if self._chosen is not None:
            self._chosen(self.over)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._state = "closed"
        source, self._source = self._source, None
        if source is not None:
            await source.aclose(error)

    async def aclose(self) -> None:
        """End the subscription. May be called twice."""
        await self.__aexit__(None, None, None)

    def __aiter__(self) -> AsyncIterator[T]:
        return self._in_a_block() if self._state == "new" else self

    async def __anext__(self) -> T:
        """Return the next result.

        Raises:
            GraphQLError: The result has errors (the next round goes on after it), or the server ended with errors.
            TransportError: No other connection could be had.
            StatusError: The server refuses another connection.
            DecodeError: A result does not fit the model (SchemaError). The next round goes on after it.
        """
        if self._state == "new":
            await self.__aenter__()
        source = self._source
        if source is None:
            if self._error is not None:
                raise self._error
            if self._state == "closed":
                raise ConfigError("the subscription is closed: read it inside its block")
            raise StopAsyncIteration
        try:
            result = await source.receive()
        except AsyncAPIError as error:
            await self._end(error)
            raise
        if result is None:
            await self._end(None)
            raise StopAsyncIteration
        return self._read(result)

    async def _in_a_block(self) -> AsyncIterator[T]:
        """Read it inside its block: a loop that is left early closes it."""
        async with self:
            while self._state == "open":
                try:
                    result = await self.__anext__()
                except StopAsyncIteration:
                    return
                yield result

    async def _end(self, error: AsyncAPIError | None) -> None:
        self._state, self._error = "ended", error
        source, self._source = self._source, None
        if source is not None:
            await source.aclose(error)

    async def _opened(self) -> Source:
        """Open the first source that is spoken there (rule 5)."""
        *earlier, last = self._sources
        refused: AsyncAPIError | None = None
        for source in earlier:
            try:
                await source.open()
            except (StatusError, ProtocolError, ConfigError) as error:
                await source.aclose(error)
                if not _speaks_no_socket(error):
                    raise
                refused = error
            else:
                return source
        try:
            await last.open()
        except BaseException as error:
            await last.aclose(error)
            if refused is not None and isinstance(error, ProtocolError):
                error.message = f"{error.message}; and over WebSocket: {refused.message}"
                error.args = (error.message,)
            raise
        return last

    async def _resumed(self) -> None:
        """Take note of a gap (rule 2)."""
        self.resumes += 1
        if self._on_resume is not None:
            running = self._on_resume(self)
            if inspect.isawaitable(running):
                await running


def _speaks_no_socket(error: AsyncAPIError) -> bool:
    """Whether this says that no WebSocket is spoken there, or none of this protocol."""
    if isinstance(error, StatusError):
        return error.status in _NO_SOCKET
    return isinstance(error, ConfigError) or getattr(error, "final", False)
