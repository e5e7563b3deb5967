"""Stream responses without `await`: what `client.stream` and `client.events` of `asyncapi.blocking` return.

    with api.stream("GET", "/export") as response:
        for row in response.json_lines(model=Row): ...

Rules:
1. The body is read in the client's thread, on demand: a slow loop slows the server down.
2. Items that arrived with one piece cross in one go, and are decoded in the thread that iterates.
3. A stream ends with its block, and with its client.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, overload

from asyncapi.sansio.http.ndjson import MOST
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator
    from os import PathLike
    from types import TracebackType

    from multidict import CIMultiDictProxy
    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.blocking.portal import Portal
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.sse import ServerSentEvent
    from asyncapi.streaming import events, stream
    from asyncapi.streaming import response as streamed
    from asyncapi.streaming.items import Items

T = TypeVar("T")


class Stream:
    """A call whose response is streamed: `with` it for its `StreamedResponse`, once."""

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, portal: Portal, opening: stream.Stream) -> None:
        self._portal = portal
        self._stream = opening

    def __enter__(self) -> StreamedResponse:
        return StreamedResponse(self._portal, self._portal.call(self._stream.__aenter__))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._portal.running:
            self._portal.call(partial(self._stream.__aexit__, kind, error, tb))


class StreamedResponse:
    """A response whose body is read while it arrives, in one of the ways below; see `asyncapi.StreamedResponse`."""

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, portal: Portal, response: streamed.StreamedResponse) -> None:
        self._portal = portal
        self._response = response

    @property
    def status(self) -> int:
        """HTTP status code."""
        return self._response.status

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self._response.ok

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Case-insensitive multidict."""
        return self._response.headers

    @property
    def url(self) -> URL:
        """Where it came from, after redirects."""
        return self._response.url

    @property
    def request(self) -> Request | None:
        """The request that it answers."""
        return self._response.request

    @property
    def elapsed(self) -> float:
        """Seconds from the call to the headers, waits and retries included."""
        return self._response.elapsed

    @property
    def degraded(self) -> str:
        """As in `Response`."""
        return self._response.degraded

    @property
    def from_cache(self) -> str:
        """As in `Response`."""
        return self._response.from_cache

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The trailer fields, once the body has been read to its end; empty before that, or where there are none."""
        return self._response.trailers

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """One `Attempt` record per attempt, oldest first."""
        return self._response.attempts

    def bytes(self, size: int | None = None) -> Iterator[builtins.bytes]:
        """As `asyncapi.StreamedResponse.bytes`."""
        return self._each(self._response.bytes(size))

    def lines(self, *, max_line: int = MOST) -> Iterator[str]:
        """As `asyncapi.StreamedResponse.lines`."""
        return self._each(self._response.lines(max_line=max_line))

    @overload
    def json_lines(self, *, model: None = None, max_line: int = MOST) -> Iterator[Any]: ...

    @overload
    def json_lines(self, *, model: TypeForm[T], max_line: int = MOST) -> Iterator[T]: ...

    def json_lines(self, *, model: Any = None, max_line: int = MOST) -> Iterator[Any]:
        """As `asyncapi.StreamedResponse.json_lines`."""
        return self._each(self._response.json_lines(model=model, max_line=max_line))

    @overload
    def events(
        self, *, model: None = None, until: str | None = None, max_event: int = MOST
    ) -> Iterator[ServerSentEvent]: ...

    @overload
    def events(self, *, model: TypeForm[T], until: str | None = None, max_event: int = MOST) -> Iterator[T]: ...

    def events(self, *, model: Any = None, until: str | None = None, max_event: int = MOST) -> Iterator[Any]:
        """As `asyncapi.StreamedResponse.events`."""
        return self._each(self._response.events(model=model, until=until, max_event=max_event))

    def read(self) -> builtins.bytes:
        """As `asyncapi.StreamedResponse.read`."""
        return self._portal.call(self._response.read)

    def save(self, path: str | PathLike[str], *, progress: Callable[[int, int | None], object] | None = None) -> int:
        """As `asyncapi.StreamedResponse.save`; `progress` is called in the client's thread."""
        return self._portal.call(partial(self._response.save, path, progress=progress))

    def close(self) -> None:
        """Close the body, before its end if need be. May be called twice."""
        if self._portal.running:
            self._portal.call(self._response.aclose)

    def _each(self, items: Items[T]) -> Iterator[T]:
        return _Each(self._portal, items)


class _Each(Generic[T]):
    """The items of a stream; another loop resumes where the last one was left."""

    def __init__(self, portal: Portal, items: Items[T]) -> None:
        self._portal = portal
        self._items = items
        self._ready: deque[Any] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if not self._ready:
            self._ready.extend(self._portal.call(self._items.some))
        if not self._ready:
            raise StopIteration
        return self._items.convert(self._ready.popleft())


class Events(Generic[T]):
    """A subscription: `with` it, then iterate over it; as `asyncapi.Events`."""

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, portal: Portal, subscription: events.Events[T]) -> None:
        self._portal = portal
        self._events = subscription

    @property
    def last_id(self) -> str:
        """The id of the last event that you got."""
        return self._events.last_id

    def __enter__(self) -> Self:
        self._portal.call(self._events.__aenter__)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._portal.running:
            self._portal.call(partial(self._events.__aexit__, kind, error, tb))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        event = self._portal.call(partial(_next, self._events))
        if event is _END:
            raise StopIteration
        return event  # type: ignore[no-any-return]


_END = object()


async def _next(subscription: Any) -> Any:
    return await anext(subscription, _END)
