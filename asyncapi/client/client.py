"""The client: its settings, its life, and what it says of itself. The ways to call are in `methods.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from asyncapi.calls.arguments import policy_of, timeout_of
from asyncapi.calls.builder import Builder
from asyncapi.client.chain import Explanation
from asyncapi.client.dispatch import Dispatch
from asyncapi.client.layer_settings import LayerSettings
from asyncapi.client.methods import CallMethods
from asyncapi.client.protocol_methods import ProtocolMethods
from asyncapi.client.state import ClientState
from asyncapi.client.stats import Stats, snapshot
from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError
from asyncapi.layers.watch import watchers_of
from asyncapi.options import says_settings
from asyncapi.redact import redact_url
from asyncapi.scheduling.ownership import Home, refuse_copy
from asyncapi.settings import Adaptive, Fallback, RateLimit, Retry, Timeout
from asyncapi.streaming.stream import StreamSettings
from asyncapi.transports.factory import MAX_BODY, choose_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike
    from types import TracebackType

    import aiohttp
    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.credentials import Credential
    from asyncapi.layers.watch import Watcher
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.settings import HTTP2, TLS, Breaker, Cache, Chaos, Egress, Endpoint, Endpoints, Hedge, Mesh, Redis
    from asyncapi.types import Headers, Layer, Params, Transport

_DEFAULT_TIMEOUT = Timeout(total=30.0, connect=5.0, attempt=10.0)
_DEFAULT_RETRY = Retry()
_COOKIES = "Client(cookies={!r}): True keeps cookies between calls; to send some, give cookies= to a call"
_WORKERS = 100  # of a map, where the client itself has no bound


class Client(CallMethods, ProtocolMethods):
    """Calls one API, or many, from one event loop: shared connections, limits, retries, typed answers.

        async with Client("https://api.example.com", concurrency=50) as api:
            user = await api.get("/users/1", model=User)

    It opens its connections at the first call and belongs to that call's event loop. Use it in `async with`, or call
    `aclose()` at the end of its life.

    Args:
        base_url: What relative URLs are joined to: base `https://h/v1` and `/users` give `https://h/v1/users`.
        endpoints: In place of `base_url`, several endpoints of the same API: base URLs, `Endpoint`s, or an `Endpoints`
            with settings. Each attempt goes to one, by their load, latency and health; a retry or a hedge goes to
            another. Credentials, cookies and headers of the client are for all of them.
        headers: Sent with every request.
        params: Added to every URL.
        auth: A credential (`Bearer`, `ApiKey`, `Basic`, `KeyPool`, `OAuth2ClientCredentials` ...) for the base URL's
            origin alone; without a base URL, for the origin of each URL asked for, never a redirect's other one; or
            one for each origin: `{"https://a.example": Bearer(...)}`.
        timeout: A `Timeout`, the total in seconds, or None for no limit. By default 30 s in all, 5 s to connect,
            10 s an attempt.
        retry: A `Retry`, the attempts in all, or None for a single attempt.
        concurrency: Attempts at a time, shared by every call; `Adaptive()` learns it for each host; None for no bound.
        rate: One `RateLimit` or several that all hold; text such as "50" (a second) or "100/m" is read by
            `RateLimit.of`.
        shared: A `Redis`: all processes that name the same one keep to `rate`, and to what each host asks for, together
            (docs/shared-quota.md). Needs the extra `redis`.
        pace: Whether to keep to the limits that each host announces (`RateLimit`, `X-RateLimit-*`, Retry-After): slow
            down before its 429, and pause all calls where a limit is seen to be shared. `map`, `gather` and jobs also
            infer a rate from refusals alone; "learn" has single calls keep to it, too. A function of the Request gives
            another key than its host.
        wait: Whether calls wait in a queue for a slot or a token (as long as their deadline allows), or for how many
            seconds at most; else they are refused at once, and the error says when to come back.
        max_queue: How many may wait in one queue; beyond, calls are refused with `QueueFull`.
        tls: True (verify, trusting what the system trusts), False (don't; warns), a file or folder of authorities, or
            `TLS(...)`.
        egress: Where it may connect: "public" for public addresses alone, or an `Egress`; None for anywhere.
        raise_for_status: Whether 4xx and 5xx raise once retries are spent.
        redirects: The most redirects followed; 0 returns them.
        max_body: The largest decoded body accepted, bytes; None for no bound.
        max_headers: The largest header section accepted, bytes; by default 256 KiB.
        cookies: Keep cookies between calls. Off, because a client shared by many users must not mix them.
        hooks: Functions called with the `Attempt` record of every attempt.
        watch: What records every call and attempt: `OpenTelemetry()`, `Prometheus()`, `Logs()` of `asyncapi.watch`,
            `Alert(...)`, or a `Watcher` of your own.
        proxy: Proxy URL.
        unix_socket: Path of a Unix socket to connect to instead of the URL's host.
        trust_env: Take proxies from HTTP_PROXY and friends, and passwords from ~/.netrc.
        breaker: A `Breaker`: leave a host alone for a while when most of what is sent to it fails.
        hedge: A `Hedge`: send a second copy of what is late and safe to send twice, take the first response.
        cache: A `Cache`: store responses as their headers allow, and use them again.
        single_flight: Let identical GETs that are under way at the same time share one attempt.
        fallback: What to do when a call fails: one `Fallback`, or several to be tried in order.
        deadline_header: Send the time left in this header; its name says the form: `Request-Timeout` seconds,
            `x-envoy-upstream-rq-timeout-ms` milliseconds, `grpc-timeout` gRPC's.
        attempt_header: Send the number of the attempt in this header, as in `X-Retry-Attempt`, so that the server does
            not retry too.
        mesh: A `Mesh`, where a proxy that retries by itself is in between (Envoy, Istio, Linkerd): which of the two
            retries. Without it, what such a proxy says of its attempts and refusals still counts; with False, nothing.
        session: An `aiohttp.ClientSession` to share; it stays yours to close, and its connector, TLS and cookies hold.
        transport: What carries the attempts: "aiohttp" (the default), "native" for the project's own HTTP, or an object
            such as `asyncapi.testing.MockTransport`.
        http2: Speak HTTP/2 where the server offers it (TLS with ALPN), over the native transport; else HTTP/1.1. An
            `HTTP2` has settings. "prior" speaks it without asking, over http:// too (h2c), and never HTTP/1.1.
        http3: Speak HTTP/3 where an https origin offers it (Alt-Svc, RFC 7838), over the native transport; else what
            `http2=True` takes. A new HTTP/3 connection has 250 ms before TCP is tried beside it, and what doesn't work
            is left alone for five minutes, then longer. "prior" tries it without an offer. Needs the extra `http3`; not
            through a proxy or a Unix socket.
        layers: Layers of your own, outermost first, around all others: `send -> send`, as in `asyncapi.types.Layer`.
        chaos: Faults on purpose, for tests: an `asyncapi.testing.Chaos`, or the name of one of its presets.
        clock: The clock of tests.

    Raises:
        ConfigError: A setting makes no sense.
    """

    @says_settings
    def __init__(
        self,
        base_url: str | URL = "",
        *,
        endpoints: Sequence[str | URL | Endpoint] | Endpoints | None = None,
        headers: Headers | None = None,
        params: Params | None = None,
        auth: Credential | Mapping[str, Credential] | None = None,
        timeout: Timeout | float | None = _DEFAULT_TIMEOUT,
        retry: Retry | int | None = _DEFAULT_RETRY,
        concurrency: int | Adaptive | None = 100,
        rate: RateLimit | str | Sequence[RateLimit | str] | None = None,
        shared: Redis | None = None,
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
        mesh: Mesh | Literal[False] | None = None,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | Literal["aiohttp", "native"] | None = None,
        http2: bool | Literal["prior"] | HTTP2 = False,
        http3: bool | Literal["prior"] = False,
        layers: Sequence[Layer] = (),
        chaos: Chaos | str | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        retries = retry if retry is None or isinstance(retry, Retry) else Retry(retry)
        limits = timeout_of(timeout)
        if not isinstance(cookies, bool):
            raise ConfigError(_COOKIES.format(cookies))
        base_url, several = (base_url, None) if endpoints is None else _endpoints_of(endpoints, base_url)
        self._builder = Builder(
            base_url,
            headers=headers,
            params=params,
            timeout=limits,
            retry=policy_of(retries),
            wait=wait,
            clock=clock,
            mesh_retries=getattr(mesh, "retry", "") == "mesh",
        )
        self._build = self._builder.build
        settings = LayerSettings(
            base=self._builder.base,
            endpoints=several,
            auth=auth,
            retry=retries,
            concurrency=concurrency,
            rate=tuple(RateLimit.of(limit) if isinstance(limit, str) else limit for limit in _several(rate)),
            shared=shared,
            pace=pace,
            max_queue=max_queue,
            hooks=hooks,  # type: ignore[arg-type]  # any sequence
            watch=() if watch == () else watchers_of(watch),
            redirects=redirects,
            breaker=breaker,
            hedge=hedge,
            fallback=_several(fallback),
            cache=cache,
            single_flight=single_flight,
            deadline_header=deadline_header,
            attempt_header=attempt_header,
            mesh=mesh,
            chaos=None if chaos is None else _chaos_of(chaos),
            layers=layers,  # type: ignore[arg-type]  # any sequence
        )
        self._transport = choose_transport(
            transport, clock,
            max_body=max_body, max_headers=max_headers, tls=tls, egress=egress, session=session, cookies=cookies,
            proxy=proxy, unix_socket=unix_socket, trust_env=trust_env, http2=http2, http3=http3,
        )  # fmt: skip
        cookies_for = getattr(self._transport, "cookies_of", None)
        shown = ""
        if settings.cache is not None and settings.cache.store is not None:
            from asyncapi.client.shown import shown_to_servers  # noqa: PLC0415 - most clients share no store

            shown = shown_to_servers(tls, session, trust_env=trust_env)
        self._state = ClientState(
            settings, clock, self._transport.send, self._builder.used, cookies=cookies_for, shown=shown
        )
        self._timeout = limits
        self._retry = policy_of(retries)
        self._workers = _workers_of(settings)
        self._raise = raise_for_status
        self._clock = clock
        self._home = Home()
        dispatch = Dispatch(self._state, self._transport.send)
        self._steps, self._send, self._send_own = dispatch.steps, dispatch.usual, dispatch.own
        self._streams = StreamSettings(
            self._builder, limits, raise_for_status, max_body, self._state.watchdog, clock, self._transport
        )

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {redact_url(self.base_url) or 'without a base URL'} ({self._home.state})>"

    async def __aenter__(self) -> Self:
        self._home.enter()
        self._state.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def authorize(self) -> None:
        """Fetch the credentials of `auth=` now instead of at the first call: a token, a login; as long as it takes.

        Raises:
            AuthError: A credential could not be had.
        """
        self._home.enter()
        if self._state.keyring is not None:
            await self._state.keyring.authorize()

    async def aclose(self) -> None:
        """Close every connection; calls under way fail with `ProtocolError`. May be called twice.

        In a process that was forked while the client was open, it leaves everything to the parent.
        """
        self._home.closed = True
        if self._home.is_elsewhere:  # closing would take the parent's sockets from its selector
            return
        try:
            await self._state.aclose()
        finally:
            await self._transport.aclose()

    @property
    def base_url(self) -> str:
        """What relative URLs are joined to, without its last slash; "" where there is none.

        Where the client has several endpoints, it is a URL that stands for all of them.
        """
        return self._builder.base

    @property
    def stats(self) -> Stats:
        """A snapshot of what the client has done and is doing."""
        transport = self._transport
        return snapshot(self._state, getattr(transport, "http2_counts", {}), getattr(transport, "http3_counts", {}))

    def _renew(self, request: Request) -> str:
        """Have another credential used than the one that a request was sent with, as `Keyring.renew`."""
        keyring = self._state.keyring
        return "" if keyring is None else keyring.renew(request)

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
        several = self._state.endpoints
        what = redact_url(self.base_url) if several is None else f"endpoints: {several.settings.describe()}"
        yield f"Client {what or '(no base URL)'}"
        yield f"  timeouts: {limits or 'none'}"
        if self._state.fleet is not None:
            yield f"  {self._state.fleet.describe()}"
        yield "  each call goes through, outermost first:"
        for number, step in enumerate(self._steps, 1):
            yield f"  {number:2}  {step.name:<22}{step.settings}"
        described = getattr(self._transport, "described", "")
        yield f"  {len(self._steps) + 1:2}  {'transport':<22}{type(self._transport).__name__}{described}"


def _endpoints_of(endpoints: Any, base_url: str | URL) -> tuple[str | URL, Endpoints | None]:
    from asyncapi.settings.endpoints import endpoints_of  # noqa: PLC0415 - most clients have one endpoint

    return endpoints_of(endpoints, base_url)


def _chaos_of(chaos: Any) -> Chaos:
    from asyncapi.settings.chaos import chaos_of  # noqa: PLC0415 - tests have it

    return chaos_of(chaos)


def _several(setting: Any) -> tuple[Any, ...]:
    """Turn one setting, or several of its kind, into a tuple."""
    return tuple(setting) if isinstance(setting, list | tuple) else () if setting is None else (setting,)


def _workers_of(settings: LayerSettings) -> int:
    """Workers of a map: as many as there may be attempts at a time."""
    limit = settings.concurrency
    return limit.maximum if isinstance(limit, Adaptive) else limit or _WORKERS
