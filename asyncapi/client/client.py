"""The client: its settings, its life, and the way of one call: build, down the layers, decode."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from asyncapi.calls.builder import Builder, policy_of
from asyncapi.client.chain import Explanation, chain
from asyncapi.client.layer_settings import LayerSettings
from asyncapi.client.state import ClientState
from asyncapi.client.stats import Stats, snapshot
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, ConfigError, status_error
from asyncapi.fanout import outcomes as fanout
from asyncapi.layers.watch import watchers_of
from asyncapi.messages.request import Request
from asyncapi.pagination.pages import Paginate
from asyncapi.redact import redact_url
from asyncapi.sansio.http.retry_after import retry_after
from asyncapi.scheduling.ownership import Home, refuse_copy
from asyncapi.settings import Adaptive, Fallback, RateLimit, Retry, Timeout
from asyncapi.streaming.events import Subscribe
from asyncapi.streaming.stream import Streams
from asyncapi.transports.factory import MAX_BODY, choose_transport
from asyncapi.types import UNSET, Unset, stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from os import PathLike
    from types import TracebackType

    import aiohttp
    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.client.verbs import Verb
    from asyncapi.clock import Clock
    from asyncapi.credentials import Credential
    from asyncapi.layers.watch import Watcher
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Body
    from asyncapi.messages.response import Response
    from asyncapi.settings import TLS, Breaker, Cache, Chaos, Egress, Hedge
    from asyncapi.types import Content, Headers, Layer, Params, Transport

T = TypeVar("T")

_DEFAULT_TIMEOUT = Timeout(total=30.0, connect=5.0, attempt=10.0)
_NO_LIMITS = Timeout(None, connect=None, read=None)
_DEFAULT_RETRY = Retry()
_WORKERS = 100  # of a map, where the client itself has no bound


class Client:
    """Calls one API, or many, from one event loop: shared connections, limits, retries, typed answers.

        async with Client("https://api.example.com", concurrency=50) as api:
            user = await api.get("/users/1", model=User)

    It opens its connections at the first call and belongs to that call's event loop. Use it in `async with`, or call
    `aclose()` at the end of its life.

    Args:
        base_url: What relative URLs are joined to: base `https://h/v1` and `/users` give `https://h/v1/users`.
        headers: Sent with every request.
        params: Added to every URL.
        auth: A credential (`Bearer`, `ApiKey`, `Basic`, `KeyPool`, `OAuth2ClientCredentials` ...) for the base URL's
            origin alone; without a base URL, for the origin of each URL asked for, never a redirect's other one; or
            one for each origin: `{"https://a.example": Bearer(...)}`.
        timeout: A `Timeout`, the total in seconds, or None for no limit. By default 30 s in all, 5 s to connect,
            10 s an attempt.
        retry: A `Retry`, the attempts in all, or None for a single attempt.
        concurrency: Attempts at a time, shared by every call; `Adaptive()` learns it for each host; None for no bound.
        rate: One `RateLimit` or several that all hold.
        pace: Whether to go as fast as each host tells (`RateLimit`, `X-RateLimit-*`, Retry-After): slow down before its
            429, and pause everybody where a limit is seen to be shared. `map`, `gather` and jobs also infer a rate from
            refusals alone; "learn" has single calls keep to it, too. A function of the Request gives another key than
            its host.
        wait: Whether calls stand in line for a place or a token (as long as their deadline allows), or for how many
            seconds at the most; else they are refused at once, with when to come back.
        max_queue: How many may stand in one line; beyond, calls are refused with `QueueFull`.
        tls: True (verify, trusting what the system trusts), False (don't; warns), a file or folder of authorities, or
            `TLS(...)`.
        egress: Where it may connect: "public" for public addresses alone, or an `Egress`; None for anywhere.
        raise_for_status: Whether 4xx and 5xx raise once retries are spent.
        redirects: The most redirects followed; 0 returns them.
        max_body: The largest decoded body accepted, bytes; None for no bound.
        max_headers: The largest header section accepted, bytes; by default 256 KiB.
        cookies: Keep cookies between calls. Off, because a client shared by many users must not mix them.
        hooks: Functions called with the `Attempt` record of every attempt.
        watch: What is told of every call and attempt: `OpenTelemetry()`, `Prometheus()`, `Logs()` of `asyncapi.watch`,
            `Alert(...)`, or a `Watcher` of your own.
        proxy: Proxy URL.
        unix_socket: Path of a Unix socket to connect to instead of the URL's host.
        trust_env: Take proxies from HTTP_PROXY and friends, and passwords from ~/.netrc.
        breaker: A `Breaker`: leave a host alone for a while when most of what is sent to it fails.
        hedge: A `Hedge`: send a second copy of what is late and safe to send twice, take the first answer.
        cache: A `Cache`: keep answers as their headers allow, and use them again.
        single_flight: Let identical GETs that are under way at the same time share one attempt.
        fallback: What to do when a call fails: one `Fallback`, or several to be tried in order.
        deadline_header: Tell the peer the time left in this header; its name says the form: `Request-Timeout` seconds,
            `x-envoy-upstream-rq-timeout-ms` milliseconds, `grpc-timeout` gRPC's.
        attempt_header: Tell the peer which attempt this is, as in `X-Retry-Attempt`, so that it does not retry too.
        session: An `aiohttp.ClientSession` to share; it stays yours to close, and its connector, TLS and cookies hold.
        transport: What carries the attempts instead of aiohttp, such as `asyncapi.testing.MockTransport`.
        layers: Layers of your own, outermost first, around all others: `send -> send`, as in `asyncapi.types.Layer`.
        chaos: Faults on purpose, for tests: `asyncapi.testing.Chaos`.
        clock: The clock of tests.

    Raises:
        ConfigError: A setting makes no sense.
    """

    get: Verb
    post: Verb
    put: Verb
    patch: Verb
    delete: Verb
    head: Verb
    options: Verb
    paginate: Paginate
    stream: Streams
    events: Subscribe

    def __init__(
        self,
        base_url: str | URL = "",
        *,
        headers: Headers | None = None,
        params: Params | None = None,
        auth: Credential | Mapping[str, Credential] | None = None,
        timeout: Timeout | float | None = _DEFAULT_TIMEOUT,
        retry: Retry | int | None = _DEFAULT_RETRY,
        concurrency: int | Adaptive | None = 100,
        rate: RateLimit | Sequence[RateLimit] | None = None,
        pace: bool | Literal["learn"] | Callable[[Request], str] = True,
        wait: bool | float = True,
        max_queue: int | None = None,
        tls: bool | str | PathLike[str] | TLS = True,
        egress: Egress | Literal["public"] | None = None,
        raise_for_status: bool = True,
        redirects: int = 10,
        max_body: int | None = MAX_BODY,
        max_headers: int | None = None,
        cookies: bool = False,
        hooks: Sequence[Callable[[Attempt], object]] = (),
        watch: Watcher | Sequence[Watcher] = (),
        proxy: str | None = None,
        unix_socket: str | None = None,
        trust_env: bool = False,
        breaker: Breaker | None = None,
        hedge: Hedge | None = None,
        cache: Cache | None = None,
        single_flight: bool = False,
        fallback: Fallback | Sequence[Fallback] = (),
        deadline_header: str | None = None,
        attempt_header: str | None = None,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | None = None,
        layers: Sequence[Layer] = (),
        chaos: Chaos | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        retries = retry if retry is None or isinstance(retry, Retry) else Retry(retry)
        limits = _NO_LIMITS if timeout is None else timeout if isinstance(timeout, Timeout) else Timeout(timeout)
        self._builder = Builder(
            base_url, headers=headers, params=params, timeout=limits, retry=policy_of(retries), wait=wait, clock=clock
        )
        settings = LayerSettings(
            base=self._builder.base,
            auth=auth,
            retry=retries,
            concurrency=concurrency,
            rate=rate,  # type: ignore[arg-type]  # one or several: made several there
            pace=pace,
            max_queue=max_queue,
            hooks=hooks,  # type: ignore[arg-type]  # any sequence
            watch=watchers_of(watch),
            redirects=redirects,
            breaker=breaker,
            hedge=hedge,
            fallback=fallback,  # type: ignore[arg-type]  # the same
            cache=cache,
            single_flight=single_flight,
            deadline_header=deadline_header,
            attempt_header=attempt_header,
            chaos=chaos,
            layers=layers,  # type: ignore[arg-type]  # any sequence
        )
        self._transport = choose_transport(
            transport, clock,
            max_body=max_body, max_headers=max_headers, tls=tls, egress=egress, session=session, cookies=cookies,
            proxy=proxy, unix_socket=unix_socket, trust_env=trust_env,
        )  # fmt: skip
        kept = getattr(self._transport, "cookies_of", None)
        self._state = ClientState(settings, clock, self._transport.send, self._builder.used, cookies=kept)
        self._timeout = limits
        self._raise = raise_for_status
        self._clock = clock
        self._home = Home()
        self._steps = chain(self._state)
        self._send = stack(self._transport.send, *(step.layer for step in self._steps))
        for verb in ("get", "post", "put", "patch", "delete", "head", "options"):
            setattr(self, verb, partial(self.request, verb.upper()))
        self.paginate = Paginate(self.request, self.base_url)
        self.stream = Streams(
            self._builder, self._carry, self._status_error,
            watchdog=self._state.watchdog, clock=clock, timeout=limits, raises=raise_for_status, max_body=max_body,
        )  # fmt: skip
        self.events = Subscribe(self.stream, policy_of(retries), clock)

    __reduce_ex__ = refuse_copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {redact_url(self.base_url) or 'without a base URL'} ({self._home.state})>"

    async def __aenter__(self) -> Self:
        self._home.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def authorize(self) -> None:
        """Get the credentials of `auth=` ready now instead of at the first call: a token, a login; as long as it takes.

        Raises:
            AuthError: One could not be had.
        """
        self._home.enter()
        if self._state.keyring is not None:
            await self._state.keyring.authorize()

    async def aclose(self) -> None:
        """Close every connection; calls under way fail with `ProtocolError`. May be called twice.

        In a process that was forked while it was open, it leaves all to the parent.
        """
        self._home.closed = True
        if self._home.is_elsewhere:  # closing would take the parent's sockets from its selector
            return
        try:
            await self._state.aclose()
        finally:
            await self._transport.aclose()

    @overload
    async def request(
        self,
        method: str,
        url: str | URL,
        *,
        model: None = None,
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
    ) -> Response: ...

    @overload
    async def request(
        self,
        method: str,
        url: str | URL,
        *,
        model: TypeForm[T],
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
    ) -> T: ...

    async def request(
        self,
        method: str,
        url: str | URL,
        *,
        model: Any = None,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Any = None,
        content: Any = None,
        files: Any = None,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        idempotency_key: str | bool | None = None,
        raise_for_status: bool | None = None,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> Any:
        """Make one call: build the request, send it down the layers, decode the answer.

        Args:
            method: Any HTTP method.
            url: Absolute, or relative to the base URL.
            model: Any type pydantic can validate; the answer's JSON becomes a value of it.
            params: Query parameters; None values are left out, lists repeat their key.
            headers: Added to the client's, replacing those of the same name.
            json: A JSON body: plain data or a pydantic model.
            data: Form fields.
            content: A raw body: bytes, text, a path, a file, an iterable or async iterable of bytes.
            files: A multipart body: name -> path, bytes, file, or (filename, content[, content type]).
            timeout: For this call, instead of the client's.
            retry: For this call, instead of the client's; None for a single attempt.
            idempotency_key: True makes one, text is sent as it is: the request becomes safe to resend.
            raise_for_status: For this call, instead of the client's.
            route: The URL's template (`/users/{id}`): its name in metrics.
            wait: Whether, or for how many seconds, to stand in line for a place or a token, instead of the client's.
            priority: The higher goes first in every line; 0 is usual.
            tenant: On whose behalf: tenants of the same priority take turns.

        Returns:
            A value of `model`, or the `Response` where there is none.

        Raises:
            StatusError: 4xx or 5xx, once retries are spent.
            TransportError: Nothing usable came back; `OutcomeUnknown` where it had an idempotency key and may be done.
            DecodeError: The body isn't JSON, or (SchemaError) does not fit the model.
            RejectedError: It was not sent, for a reason of ours (`QueueFull`, `CircuitOpen`, `DeadlineExceeded` ...).
            ConfigError: It can't be sent as it is.
        """
        request = self._builder.build(
            method.upper(), url, params=params, headers=headers, json=json, data=data, content=content, files=files,
            timeout=timeout, retry=retry, idempotency_key=idempotency_key, route=route,
            wait=wait, priority=priority, tenant=tenant,
        )  # fmt: skip
        response = await self._carry(request)
        if response.status >= 400 and (self._raise if raise_for_status is None else raise_for_status):  # noqa: PLR2004
            raise self._status_error(response)
        return response if model is None else response.parse(model)

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
        priority: int | None = None,
        tenant: str | None = None,
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
        priority: int | None = None,
        tenant: str | None = None,
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
        priority: int | None = None,
        tenant: str | None = None,
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
            priority: Of every item that is a URL, as in `request`: -1 lets everybody else go first.
            tenant: Of every item that is a URL, as in `request`.

        Returns:
            Outcomes: `async with` it, then `async for` over it. Leaving early leaves nothing behind.

        Raises:
            ConfigError: An argument makes no sense.
        """
        workers = concurrency or self._workers()
        return fanout.Outcomes(
            partial(self._fetch, model, priority, tenant),
            source,
            self._clock,
            workers=workers,
            ordered=ordered,
            on_error=on_error,
            max_errors=max_errors,
        )

    def _workers(self) -> int:
        """As many as there may be attempts at a time."""
        limit = self._state.settings.concurrency
        return limit.maximum if isinstance(limit, Adaptive) else limit or _WORKERS

    @overload
    async def gather(
        self, source: fanout.Source, *, model: None = None, concurrency: int | None = None
    ) -> list[Response]: ...

    @overload
    async def gather(self, source: fanout.Source, *, model: TypeForm[T], concurrency: int | None = None) -> list[T]: ...

    async def gather(self, source: fanout.Source, *, model: Any = None, concurrency: int | None = None) -> list[Any]:
        """All answers, in the order of the source; the first failure cancels the rest and is raised.

        Args:
            source: URLs (fetched with GET) and Requests.
            model: As in `request`.
            concurrency: As in `map`.

        Raises:
            AsyncAPIError: The first failure, as in `request`.
        """
        async with self.map(source, model=model, ordered=True, on_error="raise", concurrency=concurrency) as outcomes:
            return [outcome.value async for outcome in outcomes]

    @property
    def base_url(self) -> str:
        """What relative URLs are joined to, without its last slash; "" where there is none."""
        return self._builder.base

    @property
    def stats(self) -> Stats:
        """What the client has done and is doing: a snapshot."""
        return snapshot(self._state)

    def explain(self) -> str:
        """Print the chain that every call goes through, with its settings, and return the text.

        The text has a short repr, so an interactive session shows it once.
        """
        text = Explanation("\n".join(self._explained()))
        print(text)  # noqa: T201 - that is what it is for
        return text

    def _explained(self) -> Iterable[str]:
        total, connect, attempt = self._timeout.total, self._timeout.connect, self._timeout.attempt
        limits = ", ".join(
            f"{name} {value:g} s"
            for name, value in (("total", total), ("connect", connect), ("attempt", attempt))
            if value
        )
        yield f"Client {redact_url(self.base_url) or '(no base URL)'}"
        yield f"  timeouts: {limits or 'none'}"
        yield "  each call goes through, outermost first:"
        for number, step in enumerate(self._steps, 1):
            yield f"  {number:2}  {step.name:<22}{step.settings}"
        yield f"  {len(self._steps) + 1:2}  {'transport':<22}{type(self._transport).__name__}"

    async def _fetch(
        self, model: Any, priority: int | None, tenant: str | None, item: fanout.Item, fan_out: fanout.Outcomes[Any]
    ) -> tuple[Any, Response]:
        """One item of a fan-out: its value and its response."""
        if isinstance(item, str):
            request = self._builder.build("GET", item, priority=priority, tenant=tenant)
        elif isinstance(item, Request):
            request = self._builder.rebuild(item)
        else:
            raise ConfigError(f"a source yields URLs and Requests, not {type(item).__name__}: {item!r:.80}")
        request.call.fan_out = fan_out
        response = await self._carry(request)
        if response.status >= 400 and self._raise:  # noqa: PLR2004 - where errors begin
            raise self._status_error(response)
        return (response if model is None else response.parse(model)), response

    def _carry(self, request: Request) -> Awaitable[Response]:
        """Send a built request down the layers; no coroutine of its own: it is on the way of every call."""
        self._home.enter()
        request.call.task = asyncio.current_task()
        return self._send(request)

    def _status_error(self, response: Response) -> AsyncAPIError:
        request = response.request
        error = status_error(
            response,
            request=request,
            attempts=response.attempts,
            retry_after=retry_after(response.headers, self._clock.wall()),
        )
        if request is not None:
            error.phase, error.__cause__ = request.call.ended_by, request.call.cause
            error.held_by = request.call.held_by
        return error
