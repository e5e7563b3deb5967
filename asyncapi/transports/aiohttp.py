"""Send attempts as HTTP/1.1 over one shared `aiohttp.ClientSession`.

Rules:
1. Every attempt goes through the session's `_request`, which `session.request` and its verbs wrap, so that whatever
   patches or extends a session works here.
2. The session follows no redirect, keeps no cookie, reads no environment, resends nothing and sets no timer per
   request: retries, redirects and limits belong to the layers. Only a new connection uses aiohttp's connect timer.
3. A body is read to its end inside the attempt, at most `max_body` decoded bytes of it: a broken or endless body is the
   attempt's failure, and its connection is closed. If the call streams, the body of a good response is left open
   instead: its connection is closed with it, or goes back to the pool if the body was read to its end.
4. aiohttp decodes nothing: its decoders take a truncated stream for a complete one, and know one coding at a time.
5. No error of aiohttp's stays in the chain of ours, as cause or context: they carry the whole request, and what a
   server echoes of it.
6. The pool is unbounded: the concurrency layer, which is the one queue, bounds the number of connections.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
from aiohttp import hdrs

from asyncapi.errors import (
    ConfigError,
    EgressDenied,
    ProtocolError,
    TransportError,
    final_error,
)
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.response import Response
from asyncapi.sansio.http.codings import accepted
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.transports import attempt_limit, interception, outgoing, upload
from asyncapi.transports.aiohttp_bodies import decoded_body, whole_body
from asyncapi.transports.aiohttp_connector import SessionConnections, TCPConnector, UnixConnector, adopt
from asyncapi.transports.aiohttp_errors import RAISED, cause_of, translate
from asyncapi.transports.aiohttp_expect import hurried
from asyncapi.transports.aiohttp_handler import MAX_HEADERS, headers_of
from asyncapi.transports.aiohttp_request import BEFORE_WRITE, ByteExactRequest
from asyncapi.transports.tls import Handshakes
from asyncapi.transports.unclosed import watch_over

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Mapping, Sized

    from multidict import CIMultiDict
    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.upgrade import Upgrade
    from asyncapi.sansio.http.egress import Guard

_VERSIONS = {aiohttp.HttpVersion10: "1.0", aiohttp.HttpVersion11: "1.1"}
_RAISED = (*RAISED, TransportError, EgressDenied)  # the last two come from our own connector and decoders
_BODILY = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH})
_ACCEPTED = {hdrs.ACCEPT_ENCODING: accepted()}
if aiohttp.ClientRequest.DEFAULT_HEADERS.get(hdrs.ACCEPT_ENCODING) == accepted():
    _ACCEPTED.clear()  # as it is sent anyway
_NO_TYPE = (hdrs.CONTENT_TYPE,)
_SWITCHED = 101  # RFC 9110 section 15.2.2
_DIRECT: Mapping[str, Any] = {"proxy": None}


class AioHTTPTransport:
    """Sends attempts over aiohttp.

    Args:
        clock: Times the attempts.
        max_body: Most bytes of a decoded body; None for no bound.
        tls: How TLS connections are made; by default they trust what the system trusts.
        guard: Refuses hosts and addresses at the moment of the connection.
        session: A session to share: it is not closed here, and its own connector, cookies and proxies are used.
        cookies: Keep cookies between requests; or the cookies of another transport, to share them.
        proxy: Proxy URL for every request.
        unix_socket: Path of a Unix socket to connect to instead of the URL's host.
        trust_env: Take proxies from the environment, and passwords from ~/.netrc; "proxies" for the proxies alone.
        keepalive: Seconds an idle connection is kept.
        max_headers: Most bytes of a response's status line and headers; None for 256 KiB, or the shared session's own.

    Attributes:
        unclosed: Warns where the session of its own is never closed; None until there is one.
        speaks_http2: False: aiohttp speaks HTTP/1.1 alone.

    Raises:
        ConfigError: A setting makes no sense, or belongs to the shared session.
    """

    speaks_http2: bool = False

    def __init__(
        self,
        *,
        clock: Clock,
        max_body: int | None,
        tls: Handshakes | None = None,
        guard: Guard | None = None,
        session: aiohttp.ClientSession | None = None,
        cookies: bool | outgoing.Cookies = False,
        proxy: str | None = None,
        unix_socket: str | None = None,
        trust_env: bool | Literal["proxies"] = False,
        keepalive: float = 15.0,
        max_headers: int | None = None,
    ) -> None:
        outgoing.check(proxy, unix_socket)
        if guard is not None:
            outgoing.check_guarded(proxy, unix_socket, trust_env=trust_env)
        if session is not None:
            taken = max_headers is not None or any((tls, cookies, unix_socket, trust_env))
            _check_shared(session, taken=taken, guarded=guard is not None)
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self._max_body = max_body
        self._max_headers = max_headers or MAX_HEADERS
        self._raw = session is not None and not getattr(session, "auto_decompress", True)  # wanted as it comes
        self._tls = tls or Handshakes()
        self._insecure = not self._tls.verify
        self._guard = guard
        self._session = session
        self.unclosed: weakref.finalize[..., object] | None = None
        self._owned = session is None
        self._jar = cookies if isinstance(cookies, outgoing.Cookies) else outgoing.Cookies(clock) if cookies else None
        fixed = proxy is not None or unix_socket is not None
        self._environment = outgoing.environment(trust_env, fixed=fixed)
        self._proxy_settings = _DIRECT if proxy is None else outgoing.through(proxy)
        self._dresses = self._jar is not None or bool(trust_env) or session is not None
        self._unix_socket = unix_socket
        self._keepalive = keepalive
        self._idle_connections: Sized = ()  # the connections that wait to be used again, where they are ours
        self._connecting: dict[asyncio.Task[Any] | None, Call] = {}
        self._bodies: dict[OpenBody, None] = {}  # those that are left open
        self._closed = False

    async def send(self, request: Request) -> Response:
        """Send one attempt.

        Raises:
            TransportError: The subclass says what failed.
            ConfigError: aiohttp can't send such a request; nothing was sent.
        """
        if interception.active and (carried := await interception.carry(request, self, self._jar)) is not None:
            return carried
        call = request.call
        session = self._session or self._begin(request)
        if self._insecure and request.target.secure:
            self._tls.warn(request.target.host, request.url.raw_host or "")
        guard = attempt_limit.enter(self._watchdog, self._clock, request)
        task = call.task
        # the connector finds the call by its task, to set the phase "connect"
        self._connecting[task] = call
        call.reused, call.phase = bool(self._idle_connections), "headers"  # "connect" while a new connection is made
        failed: Exception | None = None
        try:
            if call.upgrade is not None:
                return await self._shake_hands(session, request, call.upgrade)
            answer = await self._ask(session, request)
            call.phase = "body"
            if call.open_bodies is not None and answer.status < 300:  # noqa: PLR2004 - rule 3
                body, content = self._leave_open(answer, request), b""
            else:
                body = None
                content = await whole_body(answer, request, self._max_body, raw=self._raw)
        except asyncio.CancelledError:
            if guard is not None and guard.fired():
                raise attempt_limit.timed_out(request) from None
            raise
        except _RAISED as error:
            failed, cause = self._translate(error, request), cause_of(error)
        finally:
            self._connecting.pop(task, None)
            if guard is not None:
                self._watchdog.leave(guard)
        if failed is not None:  # outside of the handler: aiohttp's error is not its context (rule 5)
            raise failed from cause
        return _response(answer, request, content, body)

    async def _ask(self, session: aiohttp.ClientSession, request: Request) -> aiohttp.ClientResponse:
        """Send the request, and return when the response's headers have come."""
        target, url, headers, proxy_settings = request.target, request.url, request.headers, self._proxy_settings
        if self._dresses or "@" in target.text or "%" in target.host:
            url, headers, proxy_settings = await self._dress(url, headers)
        BEFORE_WRITE.set(request.call.before_write)
        answer = await session._request(  # noqa: SLF001 - rule 1
            request.method,
            url,
            headers=headers,
            data=_data(request),
            skip_auto_headers=_NO_TYPE if request.content is None and request.method in _BODILY else None,
            allow_redirects=False,  # rule 2
            auto_decompress=False,  # rule 4
            timeout=_timeout(request.call.settings.connect),
            middlewares=self._middlewares() if hdrs.EXPECT in request.headers else None,
            **proxy_settings,
        )
        if self._jar is not None:
            self._jar.keep(answer.headers, url)
        if answer.status < 200 and (answer.status != _SWITCHED or request.call.upgrade is None):  # noqa: PLR2004 - RFC 9110 section 15.2: 1xx is interim, but nothing came after it
            answer.close()
            raise ProtocolError(
                f"the server sent {answer.status} as the final status, which must be 200 or higher",
                request=request,
            )
        return answer

    async def _shake_hands(self, session: aiohttp.ClientSession, request: Request, upgrade: Upgrade) -> Response:
        """Change a connection to WebSocket; the response that refuses is read like any other."""
        from asyncapi.transports.aiohttp_handshake import asked  # noqa: PLC0415 - where it is spoken
        from asyncapi.transports.aiohttp_socket import AioHTTPSocket  # noqa: PLC0415

        sent, key = asked(request, upgrade)
        answer = await self._ask(session, sent)
        if answer.status != _SWITCHED:
            request.call.phase = "body"
            return _response(answer, request, await whole_body(answer, request, self._max_body, raw=self._raw), None)
        try:
            socket = AioHTTPSocket(answer, key, upgrade, self._clock)
        except BaseException:
            answer.close()
            raise
        body = OpenBody(_not_read, socket.release)
        body.socket = socket
        self._hold(body, request)
        return _response(answer, request, b"", body)

    def _hold(self, body: OpenBody, request: Request) -> None:
        """Keep an open body until it is closed, so that it ends with the client and its call is sure to close it."""
        self._bodies[body] = None
        body.hold(lambda _: self._bodies.pop(body))
        request.call.open_bodies.append(body)  # type: ignore[union-attr]  # only called for streamed calls, where the list exists

    async def _dress(self, url: URL, headers: CIMultiDict[str]) -> tuple[URL, CIMultiDict[str], Mapping[str, Any]]:
        """Add what a session itself would: user-info, cookies, the environment (`transports/outgoing.py`)."""
        proxy_settings = self._proxy_settings
        if outgoing.is_special(url) and (self._owned or not outgoing.has_plain_login(url)):
            url, headers = outgoing.addressed(url, headers)
            if url.scheme == "https" and "%" in (url.raw_host or ""):
                proxy_settings = {**proxy_settings, "server_hostname": (url.raw_host or "").partition("%")[0]}
        if not self._owned:
            headers = outgoing.without_bytes(headers)
        if self._jar is not None:
            headers = self._jar.onto(headers, url)
        if self._environment is not None:
            headers, proxy = await self._environment.onto(headers, url)
            proxy_settings = proxy_settings if proxy is None else {**proxy_settings, **outgoing.through(proxy)}
        return url, headers, proxy_settings

    @property
    def cookies_of(self) -> Callable[[URL], str] | None:
        """The function that returns the cookies to send to a URL; None where no cookies are kept."""
        return self._jar.header if self._jar is not None else None if self._owned else self._cookies_of

    def _cookies_of(self, url: URL) -> str:
        session = self._session
        return "" if session is None else session.cookie_jar.filter_cookies(url).output([], "", ";")

    async def aclose(self) -> None:
        """Close every connection, and the session if it is ours."""
        self._closed = True
        # each body removes itself from the dict as it closes
        for body in list(self._bodies):
            body.close(ProtocolError("the client was closed while its body was open"))
        self._watchdog.close()
        if self._owned and self._session is not None:
            if self.unclosed is not None:
                self.unclosed.detach()
            await self._session.close()

    def _begin(self, request: Request) -> aiohttp.ClientSession:
        session = self._open()
        self.unclosed = watch_over(self, SessionConnections(session), request.target.host)
        return session

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigError("this client is closed: make a new one")
        connector: TCPConnector | UnixConnector
        if self._unix_socket is not None:
            connector = UnixConnector(path=self._unix_socket, limit=0, keepalive_timeout=self._keepalive)
        else:
            connector = TCPConnector(limit=0, ttl_dns_cache=10, keepalive_timeout=self._keepalive)
            connector.guard = self._guard
        self._idle_connections = adopt(connector, self._connecting, self._tls, self._max_headers)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),  # cookies and the environment are `outgoing`'s
            timeout=_timeout(None),
            request_class=ByteExactRequest,
            headers=_ACCEPTED,
            max_line_size=self._max_headers,
            max_field_size=self._max_headers,
            max_headers=headers_of(self._max_headers),
        )
        # rule 2: aiohttp would resend idempotent requests unseen and uncounted; the retry layer replays them instead
        self._session._retry_connection = False  # noqa: SLF001
        return self._session

    def _leave_open(self, answer: aiohttp.ClientResponse, request: Request) -> OpenBody:
        """Leave the body unread: the reader pulls it, and `max_body` doesn't bound it (rule 3)."""
        decoded = decoded_body(answer, request, raw=self._raw)
        source = answer.content.readany if decoded is None else decoded.read

        async def read() -> bytes:
            try:
                return await source()
            except _RAISED as error:
                failed, cause = self._translate(error, request), cause_of(error)
            raise failed from cause

        body = OpenBody(read, answer.close)
        self._hold(body, request)
        return body

    def _middlewares(self) -> tuple[Any, ...]:
        """The session's middlewares, and ours for a request with `Expect: 100-continue`."""
        return (*getattr(self._session, "_middlewares", ()), hurried)

    def _translate(self, error: Exception, request: Request) -> Exception:
        """Return our error for one of aiohttp's or the system's."""
        if isinstance(error, TransportError | EgressDenied | ConfigError):
            error.request = error.request or request.redacted()
            return error
        if self._closed:
            return final_error("the client was closed while the request was under way", request)
        return translate(error, request)


async def _not_read() -> bytes:
    raise ConfigError("the connection has changed to WebSocket: it is read by client.websocket(...)")


def _response(answer: aiohttp.ClientResponse, request: Request, content: bytes, body: OpenBody | None) -> Response:
    response = Response(
        answer.status, answer.headers, content, url=request.target, request=request,
        http_version=_VERSIONS.get(answer.version, "") if answer.version is not None else "",
    )  # fmt: skip
    response.open_body = body
    return response


def _check_shared(session: aiohttp.ClientSession, *, taken: bool, guarded: bool) -> None:
    if guarded:
        raise ConfigError(
            "egress= doesn't work with session=: the session makes the connections; leave one of them out"
        )
    if not callable(getattr(session, "request", None)):
        raise ConfigError(f"session={type(session).__name__}: give an aiohttp.ClientSession")
    if taken:
        raise ConfigError("session= brings its own TLS, cookies, socket and environment: set those on the session")


@lru_cache(maxsize=128)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    """The one limit that is left to aiohttp: the connect timer, not rounded up to whole seconds (rule 2)."""
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=None, sock_connect=None, ceil_threshold=1e9)


def _data(request: Request) -> Any:
    """The request body in a form that aiohttp takes."""
    content = request.content
    if content is None or (type(content) is bytes and len(content) <= upload.LARGE):
        return content
    request.call.phase = "send"
    return upload.pieces(request)
