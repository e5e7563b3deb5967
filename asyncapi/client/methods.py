"""The ways to call of a client: `request` and its verbs, `stream`, `events`, `paginate`, `map`, `gather`.

They are real methods, so that editors, `help()`, `inspect.signature` and `create_autospec` see them; what they take is
written down once, in `asyncapi/options.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from asyncio import current_task
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from asyncapi.calls.arguments import shared_options
from asyncapi.calls.rpc_outcome import rpc_error
from asyncapi.errors import ConfigError, status_error
from asyncapi.fanout import outcomes as fanout
from asyncapi.messages import decoding
from asyncapi.messages.request import Request
from asyncapi.options import CALL, MAPPED, SHARED, check_options, unknown_option
from asyncapi.sansio.http.ndjson import MOST
from asyncapi.sansio.http.retry_after import retry_after
from asyncapi.streaming.events import Events, subscribe
from asyncapi.streaming.stream import Opener, Stream
from asyncapi.types import UNSET, stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.calls.builder import Builder
    from asyncapi.client.chain import Step
    from asyncapi.clock import Clock
    from asyncapi.errors import AsyncAPIError
    from asyncapi.messages.response import Response
    from asyncapi.options import CallOptions, MapOptions, SharedOptions
    from asyncapi.pagination.pages import By, Pages
    from asyncapi.sansio.http.sse import ServerSentEvent
    from asyncapi.scheduling.ownership import Home
    from asyncapi.settings import Retry
    from asyncapi.streaming.stream import StreamSettings
    from asyncapi.types import Send

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")


def coroutine_function(function: F) -> F:
    """Mark a plain function that returns a coroutine, so that `create_autospec` makes an AsyncMock of it."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001
    return function


class CallMethods:
    """The base of `Client`, which gives it what it needs to call."""

    _builder: Builder
    _build: Callable[..., Request]
    _clock: Clock
    _raise: bool
    _retry: Retry | None
    _streams: StreamSettings
    _workers: int
    _home: Home
    _steps: Sequence[Step]
    _send: Send
    _send_own: Send

    @overload
    async def request(
        self, method: str, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]
    ) -> Response: ...

    @overload
    async def request(
        self, method: str, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]
    ) -> T: ...

    @coroutine_function
    def request(self, method: str, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make one call: build the request, send it down the layers, decode the response.

            user = await api.request("GET", "/users/1", model=User)

        Args:
            method: Any HTTP method.
            url: Absolute, or relative to the base URL.
            model: Any type pydantic can validate; the JSON of the response becomes a value of it.
            **options: Each is described in `asyncapi.options.CallOptions`. What is sent: `params`, `headers`,
                `cookies`, `auth`, and one body: `json`, `data`, `content`, `files`. How long and how often: `timeout`,
                `retry`, `redirects`, `idempotency_key`, `raise_for_status`. Its place in queues and metrics: `wait`,
                `priority`, `tenant`, `route`.

        Returns:
            A value of `model`, or the `Response` where there is none.

        Raises:
            StatusError: 4xx or 5xx, once retries are spent.
            TransportError: Nothing usable came back; `OutcomeUnknown` where it had an idempotency key and may be done.
            DecodeError: The body isn't JSON, or (SchemaError) does not fit the model.
            RejectedError: The client refused to send it (`QueueFull`, `CircuitOpen`, `DeadlineExceeded` ...).
            ConfigError: It can't be sent as it is.
            TypeError: There is no such option.
        """
        if options and not CALL.issuperset(options):
            raise unknown_option("request", options, CALL)
        return self._call(method.upper(), url, model, options)

    @overload
    async def get(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def get(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def get(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a GET call: `user = await api.get("/users/1", model=User)`. Everything else is as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("get", options, CALL)
        return self._call("GET", url, model, options)

    @overload
    async def post(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def post(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def post(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a POST call: `user = await api.post("/users", json=new, model=User)`. Else as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("post", options, CALL)
        return self._call("POST", url, model, options)

    @overload
    async def put(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def put(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def put(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a PUT call; as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("put", options, CALL)
        return self._call("PUT", url, model, options)

    @overload
    async def patch(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def patch(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def patch(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a PATCH call; as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("patch", options, CALL)
        return self._call("PATCH", url, model, options)

    @overload
    async def delete(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def delete(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def delete(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a DELETE call; as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("delete", options, CALL)
        return self._call("DELETE", url, model, options)

    @overload
    async def head(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def head(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def head(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a HEAD call, for the headers of a GET; as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("head", options, CALL)
        return self._call("HEAD", url, model, options)

    @overload
    async def options(self, url: str | URL, *, model: None = None, **options: Unpack[CallOptions]) -> Response: ...

    @overload
    async def options(self, url: str | URL, *, model: TypeForm[T], **options: Unpack[CallOptions]) -> T: ...

    @coroutine_function
    def options(self, url: str | URL, *, model: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make an OPTIONS call; as in `request`."""
        if options and not CALL.issuperset(options):
            raise unknown_option("options", options, CALL)
        return self._call("OPTIONS", url, model, options)

    async def _call(self, method: str, url: str | URL, model: Any, options: CallOptions) -> Any:
        """Make one call; the names of the options are checked already, at the line that calls."""
        request = self._build(method, url, **options)
        self._home.enter()  # from here to `send` as `_carry` does, less one function call on the way of every call
        request.call.task = current_task()
        send = self._send if request.auth is UNSET and request.redirects is None else self._send_own
        response = await send(request)
        if response.effective_status >= 400 and self._raises(options):  # noqa: PLR2004 - where errors begin
            raise self._outcome_error(response)
        return response if model is None else _decode(model, response)

    def _raises(self, options: Mapping[str, Any]) -> bool:
        """Whether a 4xx or 5xx is an error."""
        raises: bool | None = options.get("raise_for_status")
        return self._raise if raises is None else raises

    def stream(self, method: str, url: str | URL, **options: Unpack[CallOptions]) -> Stream:
        """Make one call and read its response as it comes.

            async with api.stream("GET", "/export") as response:
                async for chunk in response.bytes(): ...

        Args:
            method: Any HTTP method.
            url: As in `request`.
            **options: As in `request`. A `timeout` of its own bounds the whole of it, the body included, if it has a
                total; its `read` each silence. Without it, the client's total ends with the headers. Once the headers
                are there, nothing is sent again.

        Returns:
            Stream: `async with` it for the `StreamedResponse`. The call is made there, and raises there what
            `request` raises.

        Raises:
            TypeError: There is no such option.
        """
        if options:
            check_options("stream", options, CALL)
        opener = Opener(self._streams, self._carry, self._outcome_error, method=method, url=url, options=dict(options))
        return Stream(opener.open)

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

    def events(
        self,
        url: str | URL,
        *,
        model: Any = None,
        last_id: str = "",
        until: str | None = None,
        max_event: int = MOST,
        **options: Unpack[SharedOptions],
    ) -> Events[Any]:
        """Subscribe to server-sent events; when the connection ends, connect again and resume.

            async with api.events("/prices", model=Price) as events:
                async for price in events: ...

        Args:
            url: As in `request`; asked with GET.
            model: What the data of each event is, as JSON; without it, `ServerSentEvent`s come.
            last_id: A saved `.last_id` to resume behind.
            until: The data that ends it; it is not handed over.
            max_event: The longest event that is taken, in bytes.
            **options: Of each connection, as in `stream`: all but a body and `raise_for_status`. `retry` also says how
                many connections in a row may bring no event; None for a single connection.

        Returns:
            Events: `async with` it, then `async for` over it.

        Raises:
            TypeError: There is no such option.
        """
        check_options("events", options, SHARED)
        return subscribe(
            self.stream, self._retry, self._clock, url, dict(options),
            model=model, last_id=last_id, until=until, max_event=max_event,
        )  # fmt: skip

    @overload
    def paginate(
        self,
        url: str | URL,
        *,
        by: By,
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
        by: By,
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

    def paginate(
        self,
        url: str | URL,
        *,
        by: By,
        items: str | None = None,
        model: Any = None,
        json: Any = None,
        prefetch: int = 1,
        concurrency: int = 8,
        max_pages: int | None = 10_000,
        start: Mapping[str, Any] | None = None,
        allow_origins: Iterable[str] = (),
        **options: Unpack[SharedOptions],
    ) -> Pages[Any]:
        """Iterate over a list that comes in pages.

            async for item in api.paginate("/items", by=Cursor(), items="data.items", model=Item): ...

        Each page is one GET with the client's limits and retries; pages come in order and memory does not grow. With
        `json=` it is a POST, for searches whose cursor goes into the body. Reading a page twice does no harm: it is
        resent like a GET.

        Args:
            url: Of the list: absolute, or relative to the base URL.
            by: How pages follow each other: `PageNumber()`, `Offset()`, `Cursor()`, `LinkHeader()`, `NextUrl()`, or a
                function of the `Page` that gives the next URL, or parameters to set in `url`, or None at the end.
            items: Where the response has the items: keys joined by dots, "" for the response itself, "files?" if it
                may be missing. By default the response itself, or its "items", "results" or "data".
            model: What an item is, as in `request`; plain data by default.
            json: The body of each page, an object: `by` sets its parameter in it, not in the query.
            prefetch: Pages asked for ahead of your loop; 0 for none.
            concurrency: Pages asked for side by side where numbers or offsets and the total are known.
            max_pages: Ends the run after so many pages, with a warning in the log; `.stopped` then says so.
            start: A saved `.position` to go on from.
            allow_origins: Other origins that next URLs may lead to, as "https://host". The client's headers, parameters
                and credentials go there too.
            **options: Of each page, as in `request`: all but a body and `raise_for_status`. `params` are the list's.

        Returns:
            Pages: `async for` over it for items, over its `.pages()` for pages. Failures are those of `request`, and
            carry `.position`; a loop and a foreign origin are a `RejectedError`.

        Raises:
            ConfigError: An argument makes no sense.
            TypeError: There is no such option.
        """
        from asyncapi.pagination.pages import Pages  # noqa: PLC0415 - not every client reads lists

        check_options("paginate", options, SHARED)
        each = shared_options(options)
        params = each.pop("params", None)
        ask = partial(self.request, "GET") if json is None else partial(self.request, "POST", idempotent=True)
        return Pages(
            partial(ask, raise_for_status=True, **each),
            url, by=by, items=items, model=model, params=params, body=json, base_url=self._builder.base,
            prefetch=prefetch, concurrency=concurrency, max_pages=max_pages, start=start, allow_origins=allow_origins,
        )  # fmt: skip

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
    ) -> fanout.Outcomes[Response]: ...

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
    ) -> fanout.Outcomes[T]: ...

    def map(
        self,
        source: fanout.Source,
        *,
        model: Any = None,
        ordered: bool = False,
        on_error: fanout.OnError = "yield",
        max_errors: int | None = None,
        concurrency: int | None = None,
        **options: Unpack[MapOptions],
    ) -> fanout.Outcomes[Any]:
        """Fan out over any number of inputs, in constant memory.

            async with api.map((f"/users/{i}" for i in range(1_000_000)), model=User) as outcomes:
                async for o in outcomes:
                    if o.ok: use(o.value)

        Args:
            source: An iterable or async iterable of URLs (fetched with GET) and Requests; pulled lazily.
            model: As in `request`.
            ordered: Outcomes in the order of the source, instead of as they complete.
            on_error: "yield" a failed item as its outcome, or "raise" the first failure.
            max_errors: Stop pulling after so many failures; `.stopped` then says so.
            concurrency: Workers; by default as many as the client's attempts at a time.
            **options: Of every item, as in `request`: all but a body. An item that is a `Request` keeps what it sets
                itself; its headers replace those of the same name, its parameters are added.

        Returns:
            Outcomes: `async with` it, then `async for` over it. Leaving early leaves nothing behind.

        Raises:
            ConfigError: An argument makes no sense.
            TypeError: There is no such option.
        """
        each: dict[str, Any] = {}
        if options:
            check_options("map", options, MAPPED)
            each = shared_options(options)
        raises = each.pop("raise_for_status", None)
        return fanout.Outcomes(
            partial(self._fetch, model, self._raise if raises is None else raises, each),
            source,
            self._clock,
            workers=concurrency or self._workers,
            ordered=ordered,
            on_error=on_error,
            max_errors=max_errors,
        )

    @overload
    async def gather(
        self,
        source: fanout.Source,
        *,
        model: None = None,
        concurrency: int | None = None,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> list[Response]: ...

    @overload
    async def gather(
        self,
        source: fanout.Source,
        *,
        model: None = None,
        concurrency: int | None = None,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> list[Response | AsyncAPIError]: ...

    @overload
    async def gather(
        self,
        source: fanout.Source,
        *,
        model: TypeForm[T],
        concurrency: int | None = None,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> list[T]: ...

    @overload
    async def gather(
        self,
        source: fanout.Source,
        *,
        model: TypeForm[T],
        concurrency: int | None = None,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> list[T | AsyncAPIError]: ...

    @coroutine_function
    def gather(
        self,
        source: fanout.Source,
        *,
        model: Any = None,
        concurrency: int | None = None,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> Any:
        """Fetch all, and return the values in the order of the source.

        Args:
            source: URLs (fetched with GET) and Requests.
            model: As in `request`.
            concurrency: As in `map`.
            return_exceptions: Return a failure in its place. By default the first one cancels the rest and is raised.
            **options: As in `map`.

        Raises:
            AsyncAPIError: The first failure, as in `request`.
            TypeError: There is no such option.
        """
        check_options("gather", options, MAPPED)
        on_error: fanout.OnError = "yield" if return_exceptions else "raise"
        outcomes = self.map(source, model=model, ordered=True, on_error=on_error, concurrency=concurrency, **options)
        return _values(outcomes)

    async def _fetch(
        self, model: Any, raises: bool, options: dict[str, Any], item: fanout.Item, fan_out: fanout.Outcomes[Any]
    ) -> tuple[Any, Response]:
        """Fetch one item of a fan-out: its value and its response."""
        if isinstance(item, str):
            request = self._build("GET", item, **options)
        elif isinstance(item, Request):
            request = self._builder.rebuild(item, options)
        else:
            raise ConfigError(f"a source yields URLs and Requests, not {type(item).__name__}: {item!r:.80}")
        request.call.fan_out = fan_out
        response = await self._carry(request)
        if response.effective_status >= 400 and raises:  # noqa: PLR2004 - where errors begin
            raise self._outcome_error(response)
        return (response if model is None else _decode(model, response)), response

    def _carry(self, request: Request) -> Awaitable[Response]:
        """Send a built request down the layers."""
        self._home.enter()
        request.call.task = current_task()
        send = self._send if request.auth is UNSET and request.redirects is None else self._send_own
        return send(request)

    def _carry_over(self, bare: Send) -> Callable[[Request], Awaitable[Response]]:
        """Compose the usual layers, with the state that they share, over another innermost step than the transport.

        What is sent so has no credential and no redirects of its own.
        """
        send = stack(bare, *(step.layer for step in self._steps))

        def carry(request: Request) -> Awaitable[Response]:
            self._home.enter()
            request.call.task = current_task()
            return send(request)

        return carry

    def _outcome_error(self, response: Response) -> AsyncAPIError:
        """Make the error of a response whose status, or whose grpc-status behind a mesh, says that it failed."""
        if response.status >= 400:  # noqa: PLR2004 - where errors begin
            return self._status_error(response)
        return _explained(rpc_error(response), response)

    def _status_error(self, response: Response) -> AsyncAPIError:
        error = status_error(
            response,
            request=response.request,
            attempts=response.attempts,
            retry_after=retry_after(response.headers, self._clock.wall()),
        )
        return _explained(error, response)


def _explained(error: AsyncAPIError, response: Response) -> AsyncAPIError:
    """Say in the error of a response why it was the last."""
    if response.request is not None:
        call = response.request.call
        error.phase, error.__cause__, error.held_by = call.ended_by, call.cause, call.held_by
    return error


def _decode(model: Any, response: Response) -> Any:
    """Decode the response as a value of `model`."""
    try:
        return decoding.reader(model)(response.content)
    except ValueError:  # pydantic's ValidationError is one
        return response.parse(model)  # the slow way: tries the server's charset, and says what is wrong


async def _values(outcomes: fanout.Outcomes[Any]) -> list[Any]:
    """Collect all values, failures in their place."""
    async with outcomes:
        return [outcome.value if outcome.error is None else outcome.error async for outcome in outcomes]
