"""Call without `await`: the async client, whose event loop runs in a thread of its own.

Rules:
1. One thread of the client's own runs its event loop; any number of threads may call the client.
2. Sources of `map` and `gather` are pulled, and closed, in the thread that iterates; hooks and the like run in the
   client's thread.
3. Outcomes and pages are fetched on demand: at most a window of outcomes, or one page, is ahead.
4. Streams are read in the client's thread, on demand.
5. Ctrl-C in the waiting thread cancels what that thread waits for, and leaves through the `with` blocks as always.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    NoReturn,
    ParamSpec,
    Self,
    TypeVar,
    Unpack,
    overload,
)

from asyncapi.blocking.outcomes import Outcomes
from asyncapi.blocking.portal import Portal
from asyncapi.blocking.streaming import Events, Stream
from asyncapi.blocking.websocket import WebSocket, opening
from asyncapi.client import client
from asyncapi.errors import ConfigError
from asyncapi.options import MAPPED, check_options
from asyncapi.redact import redact_url
from asyncapi.sansio.http.ndjson import MOST
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.transports import unclosed
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.client.stats import Stats
    from asyncapi.errors import AsyncAPIError
    from asyncapi.fanout import outcomes as fanout
    from asyncapi.messages.response import Response
    from asyncapi.options import CallOptions, MapOptions, SharedOptions
    from asyncapi.pagination import pages as paginate
    from asyncapi.sansio.http.closecodes import ReconnectOn
    from asyncapi.sansio.http.pages import Page, Position
    from asyncapi.sansio.http.sse import ServerSentEvent
    from asyncapi.settings import Retry
    from asyncapi.types import Unset

P = ParamSpec("P")
T = TypeVar("T")


def _settings_of(model: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the settings of another class, for readers and for type checkers."""
    return functools.wraps(model.__init__, assigned=("__doc__",))


class Client:
    """Calls one API, or many, without `await`. The settings are those of `asyncapi.Client`, save `session`.

    Use it in a `with` block, or call `close()` at the end of its life.

    Raises:
        ConfigError: A setting makes no sense.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    @_settings_of(client.Client)
    def __init__(self, *args: Any, **settings: Any) -> None:
        if settings.get("session") is not None:
            raise ConfigError("session= belongs to another event loop: leave it out, or use asyncapi.Client")
        self._client = client.Client(*args, **settings)
        self._portal = Portal(self._client.aclose)
        self._end = weakref.finalize(self, _left_open, self._portal, self._client._transport)  # noqa: SLF001

    def __repr__(self) -> str:
        state = "closed" if self._portal.closed else "open" if self._portal.running else "not opened yet"
        return f"<blocking.{type(self).__name__} {redact_url(self._client.base_url) or 'without a base URL'} ({state})>"

    def __enter__(self) -> Self:
        try:
            self._portal.call(self._client.__aenter__)
        except BaseException:  # Ctrl-C too: nobody else will close it
            self._portal.close(0.0)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def authorize(self) -> None:
        """Fetch the credentials of `auth=` now instead of at the first call: a token, a login; as long as it takes.

        Raises:
            AuthError: A credential could not be had.
        """
        self._portal.call(self._client.authorize)

    def close(self) -> None:
        """Cancel calls under way, close every connection and end the thread. May be called twice."""
        try:
            self._portal.close()
        except KeyboardInterrupt:
            self._portal.close(0.0)  # in case the first did not get as far as asking the thread to end
            raise
        finally:
            self._end.detach()

    @overload
    def request(
        self, method: str, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]
    ) -> Response: ...

    @overload
    def request(self, method: str, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def request(self, method: str, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make one call and wait for its response: arguments, result and errors are those of `asyncapi.Client.request`.

        Raises:
            ConfigError: Called inside a running event loop, or as in `asyncapi.Client.request`.
        """
        return self._portal.call(partial(self._client.request, method, url, model=model, **options))

    @overload
    def get(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def get(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def get(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a GET call; as in `request`."""
        return self._portal.call(partial(self._client.get, url, model=model, **options))

    @overload
    def post(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def post(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def post(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a POST call; as in `request`."""
        return self._portal.call(partial(self._client.post, url, model=model, **options))

    @overload
    def put(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def put(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def put(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a PUT call; as in `request`."""
        return self._portal.call(partial(self._client.put, url, model=model, **options))

    @overload
    def patch(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def patch(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def patch(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a PATCH call; as in `request`."""
        return self._portal.call(partial(self._client.patch, url, model=model, **options))

    @overload
    def delete(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def delete(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def delete(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a DELETE call; as in `request`."""
        return self._portal.call(partial(self._client.delete, url, model=model, **options))

    @overload
    def head(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def head(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def head(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a HEAD call; as in `request`."""
        return self._portal.call(partial(self._client.head, url, model=model, **options))

    @overload
    def options(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    def options(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    def options(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a OPTIONS call; as in `request`."""
        return self._portal.call(partial(self._client.options, url, model=model, **options))

    @overload
    def map(
        self,
        source: fanout.Source,
        *,
        model: None = None,
        ordered: bool = False,
        on_error: fanout.OnError = "yield",
        max_errors: int | None = None,
        concurrency: int | None = None,
        **options: Unpack[MapOptions],
    ) -> Outcomes[Response]: ...

    @overload
    def map(
        self,
        source: fanout.Source,
        *,
        model: TypeForm[T],
        ordered: bool = False,
        on_error: fanout.OnError = "yield",
        max_errors: int | None = None,
        concurrency: int | None = None,
        **options: Unpack[MapOptions],
    ) -> Outcomes[T]: ...

    def map(self, source: fanout.Source, **how: Any) -> Outcomes[Any]:
        """Fan out over any number of inputs, in constant memory: arguments as in `asyncapi.Client.map`.

            with api.map((f"/users/{i}" for i in range(1_000_000)), model=User) as outcomes:
                for o in outcomes:
                    if o.ok: use(o.value)

        Returns:
            Outcomes: iterate over it, best in a `with` block. Leaving early leaves nothing behind.
        """
        return Outcomes(self._portal, partial(self._client.map, **how), source)

    @overload
    def gather(
        self,
        source: fanout.Source,
        *,
        model: None = None,
        concurrency: int | None = None,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> list[Response]: ...

    @overload
    def gather(
        self,
        source: fanout.Source,
        *,
        model: None = None,
        concurrency: int | None = None,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> list[Response | AsyncAPIError]: ...

    @overload
    def gather(
        self,
        source: fanout.Source,
        *,
        model: TypeForm[T],
        concurrency: int | None = None,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> list[T]: ...

    @overload
    def gather(
        self,
        source: fanout.Source,
        *,
        model: TypeForm[T],
        concurrency: int | None = None,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> list[T | AsyncAPIError]: ...

    def gather(self, source: fanout.Source, *, return_exceptions: bool = False, **how: Any) -> list[Any]:
        """Fetch all, and return the values in the order of the source: arguments as in `asyncapi.Client.gather`."""
        own = {"model", "concurrency"}
        check_options("gather", {name: value for name, value in how.items() if name not in own}, MAPPED)
        on_error: fanout.OnError = "yield" if return_exceptions else "raise"
        with self.map(source, ordered=True, on_error=on_error, **how) as outcomes:
            return [outcome.value if outcome.error is None else outcome.error for outcome in outcomes]

    @overload
    def paginate(
        self,
        url: str | URL,
        *,
        by: paginate.By,
        items: str | None = None,
        model: None = None,
        json: Any = None,
        prefetch: int = 1,
        concurrency: int = 8,
        max_pages: int | None = 10_000,
        start: Mapping[str, Any] | None = None,
        allow_origins: Iterable[str] = (),
        **options: Unpack[SharedOptions],
    ) -> Pages[Any]: ...

    @overload
    def paginate(
        self,
        url: str | URL,
        *,
        by: paginate.By,
        items: str | None = None,
        model: TypeForm[T],
        json: Any = None,
        prefetch: int = 1,
        concurrency: int = 8,
        max_pages: int | None = 10_000,
        start: Mapping[str, Any] | None = None,
        allow_origins: Iterable[str] = (),
        **options: Unpack[SharedOptions],
    ) -> Pages[T]: ...

    def paginate(self, url: str | URL, *, by: paginate.By, **how: Any) -> Pages[Any]:
        """Iterate over a list that comes in pages: arguments as in `asyncapi.Client.paginate`."""
        return Pages(self._portal, self._client.paginate(url, by=by, **how))

    def stream(self, method: str, url: str | URL, **options: Unpack[CallOptions]) -> Stream:
        """Make one call and read its response as it comes: arguments as in `asyncapi.Client.stream`.

        with api.stream("GET", "/export") as response:
            for chunk in response.bytes(): ...
        """
        return Stream(self._portal, self._client.stream(method, url, **options))

    @overload
    def events(
        self,
        url: str | URL,
        *,
        model: None = None,
        last_id: str = "",
        until: str | None = None,
        max_event: int = MOST,
        **options: Unpack[SharedOptions],
    ) -> Events[ServerSentEvent]: ...

    @overload
    def events(
        self,
        url: str | URL,
        *,
        model: TypeForm[T],
        last_id: str = "",
        until: str | None = None,
        max_event: int = MOST,
        **options: Unpack[SharedOptions],
    ) -> Events[T]: ...

    def events(self, url: str | URL, **how: Any) -> Events[Any]:
        """Subscribe to server-sent events: arguments as in `asyncapi.Client.events`."""
        return Events(self._portal, self._client.events(url, **how))

    @overload
    def websocket(
        self,
        url: str | URL,
        *,
        model: None = None,
        subprotocols: Iterable[str] = (),
        on_open: Callable[[WebSocket[Any]], object] | None = None,
        reconnect: Retry | int | Unset | None = UNSET,
        reconnect_on: ReconnectOn = (),
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
        **options: Unpack[SharedOptions],
    ) -> WebSocket[str | bytes]: ...

    @overload
    def websocket(
        self,
        url: str | URL,
        *,
        model: TypeForm[T],
        subprotocols: Iterable[str] = (),
        on_open: Callable[[WebSocket[Any]], object] | None = None,
        reconnect: Retry | int | Unset | None = UNSET,
        reconnect_on: ReconnectOn = (),
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
        **options: Unpack[SharedOptions],
    ) -> WebSocket[T]: ...

    def websocket(
        self, url: str | URL, *, on_open: Callable[[WebSocket[Any]], object] | None = None, **how: Any
    ) -> WebSocket[Any]:
        """Open a WebSocket: arguments as in `asyncapi.Client.websocket`; `on_open` is a plain function of the socket.

        with api.websocket("/feed", model=Trade | Quote, on_open=subscribe) as ws:
            for message in ws: ...
        """
        return WebSocket(self._portal, self._client.websocket(url, on_open=opening(on_open), **how))

    @property
    def base_url(self) -> str:
        """What relative URLs are joined to, without its last slash; "" where there is none."""
        return self._client.base_url

    @property
    def stats(self) -> Stats:
        """A snapshot of what the client has done and is doing."""
        return self._portal.call(self._snapshot) if self._portal.running else self._client.stats

    async def _snapshot(self) -> Stats:
        return self._client.stats

    def explain(self) -> str:
        """Print the chain that every call goes through, with its settings, and return the text, whose repr is short."""
        return self._client.explain()


def _left_open(portal: Portal, transport: object) -> None:
    """End the thread of a client that nobody closed, and say so: once, and not for the async client behind it."""
    left = portal.running or portal.outlasted
    portal.close(0.0)  # waiting here would swallow a Ctrl-C
    if left:
        if (other := getattr(transport, "unclosed", None)) is not None:
            other.detach()
        unclosed.warn(
            "unclosed asyncapi.blocking.Client: use `with Client(...) as api:`, or `api.close()` at the end of its life"
        )


class Pages(Generic[T]):
    """The items of a list that comes in pages: iterate over it, or over `.pages()`.

    The next page is fetched while you work on the last one. Leaving a loop early leaves nothing behind, and the next
    loop resumes there.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, portal: Portal, pages: paginate.Pages[T]) -> None:
        self._portal = portal
        self._pages = pages

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items."""
        progress = self._pages.progress
        for page in self.pages():
            progress.handed = 0
            for item in page.items:
                progress.handed += 1
                yield item

    def pages(self) -> Iterator[Page[T]]:
        """Iterate over the pages."""
        turns = self._pages.pages()
        try:
            while (page := self._portal.call(partial(_next, turns))) is not None:
                yield page
        finally:
            if self._portal.running:
                self._portal.call(turns.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is under way and wait until it has ended. May be called twice."""
        self._portal.finish(self._pages.aclose)

    @property
    def position(self) -> Position:
        """Where to resume, as plain JSON data; see `asyncapi.Client.paginate`."""
        return self._pages.position

    @property
    def stopped(self) -> str | None:
        """Why the iteration ended before the list did, or None."""
        return self._pages.stopped


async def _next(turns: Any) -> Any:
    return await anext(turns, None)
