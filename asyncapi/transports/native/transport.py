"""Send attempts over connections of our own: the transport of the native lane.

The rules of `transports/aiohttp.py` hold here, too: no redirect is followed, nothing is resent, a body is read to its
end inside the attempt or left open for a call that streams, and no error holds what a server echoes of a request.

1. A request costs no task, timer or context manager: the time limits of all attempts share one timer (`Watchdog`).
2. What only some requests need (user-info in the URL, cookies, the environment's proxies) is added on a way of their
   own, so that the usual request pays one look at its URL.
3. WebSocket handshakes go over aiohttp, with the same settings, and over HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.errors import AsyncAPIError, ConfigError, ProtocolError
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.response import Response
from asyncapi.sansio.http2.engine import engine
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.transports import attempt_limit, interception, outgoing, upload
from asyncapi.transports.decoded import DecodedBody
from asyncapi.transports.native.dialing.dialer import Dialer
from asyncapi.transports.native.dialing.place import Place
from asyncapi.transports.native.dialing.tunnels import check_socks
from asyncapi.transports.native.exchange import Exchange, oversized
from asyncapi.transports.native.origins import Origin, Pool
from asyncapi.transports.tls import EITHER, HTTP_2, Handshakes
from asyncapi.transports.unclosed import watch_over

if TYPE_CHECKING:
    import weakref
    from collections.abc import Awaitable, Callable

    from multidict import CIMultiDict
    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.egress import Guard
    from asyncapi.settings import HTTP2
    from asyncapi.transports.native.http2.streams import Streams
    from asyncapi.transports.native.http3.trust import Trust
    from asyncapi.transports.native.incoming import IncomingBody

MAX_HEADERS = 256 * 1024  # bytes of a header section, by default
_SPEAKS_HTTP1 = "say Client(http2=True), or http2='prior' for http:// (h2c)"


class NativeTransport:
    """Sends attempts over connections of our own.

    Args:
        clock: Times the attempts.
        max_body: Most bytes of a decoded body; None for no bound.
        tls: How TLS connections are made; by default they trust what the system trusts.
        guard: Refuses hosts and addresses at the moment of the connection.
        cookies: Keep cookies between requests.
        proxy: Proxy URL for every request.
        unix_socket: Path of a Unix socket to connect to instead of the URL's host.
        trust_env: Take proxies from the environment, and passwords from ~/.netrc; "proxies" for the proxies alone.
        keepalive: Seconds an idle connection is kept.
        max_headers: Most bytes of a response's status line and headers; None for 256 KiB.
        http2: How HTTP/2 connections are kept; None for HTTP/1.1 alone.
        prior: Whether HTTP/2 is spoken without asking, over http:// too; never HTTP/1.1 then.
        http3: Whether HTTP/3 is spoken where an origin offers it (Alt-Svc); "prior" tries it without an offer.

    Attributes:
        unclosed: Warns where the connections are never closed; None until there is one.

    Raises:
        ConfigError: A setting makes no sense.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        max_body: int | None,
        tls: Handshakes | None = None,
        guard: Guard | None = None,
        cookies: bool = False,
        proxy: str | None = None,
        unix_socket: str | None = None,
        trust_env: bool | Literal["proxies"] = False,
        keepalive: float = 15.0,
        max_headers: int | None = None,
        http2: HTTP2 | None = None,
        prior: bool = False,
        http3: Literal[False, True, "prior"] = False,
    ) -> None:
        outgoing.check(proxy, unix_socket, socks=True)
        if proxy is not None:
            check_socks(proxy)
        if guard is not None:
            outgoing.check_guarded(proxy, unix_socket, trust_env=trust_env)
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self._max_body = max_body
        self._max_headers = max_headers or MAX_HEADERS
        self._tls = tls or Handshakes()
        self._guard = guard
        self._jar = outgoing.Cookies(clock) if cookies else None
        fixed = proxy is not None or unix_socket is not None
        self._environment = outgoing.environment(trust_env, fixed=fixed, socks=True)
        self._dresses = cookies or bool(trust_env)
        self._proxy = proxy
        self._unix_socket = unix_socket
        self._keepalive = keepalive
        self._http2, self._prior = http2, prior
        self._http3, self._trust = http3, None if http3 is False else _trust(self._tls)
        if http2 is not None:
            _check_http2(self._tls, http2, HTTP_2 if prior else EITHER)
        self._trust_env = trust_env
        self._sibling: Any = None
        self._pool: Pool | None = None
        self.unclosed: weakref.finalize[..., object] | None = None
        self._bodies: dict[OpenBody, None] = {}  # those that are left open
        self._closed = False

    async def send(self, request: Request) -> Response:
        """Send one attempt.

        Raises:
            TransportError: The subclass says what failed.
            ConfigError: Such a request can't be sent; nothing was sent.
        """
        if interception.active and (carried := await interception.carry(request, self, self._jar)) is not None:
            return carried
        if request.call.upgrade is not None:
            handshake: Response = await self._for_upgrades().send(request)
            return handshake
        guard = attempt_limit.enter(self._watchdog, self._clock, request)
        try:
            return await self._attempt(request)
        except asyncio.CancelledError:
            if guard is not None and guard.fired():
                raise attempt_limit.timed_out(request) from None
            raise
        except AsyncAPIError as error:
            error.request = error.request or request.redacted()
            raise
        finally:
            if guard is not None:
                self._watchdog.leave(guard)

    def _for_upgrades(self) -> Any:
        """Return the transport of WebSocket handshakes: aiohttp's, with the same settings (rule 3)."""
        if self._sibling is None:
            from asyncapi.transports.aiohttp import AioHTTPTransport  # noqa: PLC0415 - where it is needed

            if self._closed:
                raise ConfigError("this client is closed: make a new one")
            self._sibling = AioHTTPTransport(
                clock=self._clock, max_body=self._max_body, tls=self._tls, guard=self._guard,
                cookies=self._jar or False, proxy=self._proxy, unix_socket=self._unix_socket, trust_env=self._trust_env,
                keepalive=self._keepalive, max_headers=self._max_headers,
            )  # fmt: skip
        return self._sibling

    async def _attempt(self, request: Request) -> Response:
        target, headers, proxy = request.target, request.headers, self._proxy
        if self._dresses or "@" in target.text or "%" in target.host:
            headers, proxy = await self._dress(request)
        pool = self._pool or self._begin(request)
        key = (target.secure, target.host, proxy)
        origin = pool.origins.get(key) or self._origin(pool, key, request, proxy)
        call = request.call
        beside = pool.alternatives
        carrier = origin.take() if beside is None else beside.ready(origin.place, request)
        if carrier is not None:
            call.reused = True
        else:
            carrier = await (origin.connect(request) if beside is None else beside.connection(request, origin))
        call.phase = "headers"
        waiter = pool.loop.create_future()
        exchange = Exchange(request, headers, waiter, self._max_body, carrier)
        content = request.content
        try:
            if content is None or (type(content) is bytes and len(content) <= upload.LARGE and "Expect" not in headers):
                carrier.start(exchange)
            else:
                await carrier.upload(exchange)
            result = await waiter
            response: Response = result if type(result) is Response else await self._finished(exchange, result)
        except BaseException:
            carrier.abandon(exchange)
            raise
        if self._jar is not None:
            self._jar.keep(response.headers, request.url)
        if beside is not None and "Alt-Svc" in response.headers:
            beside.learn(origin.place, response)
        return response

    async def _finished(self, exchange: Exchange, result: Any) -> Response:
        """Make the response of an exchange that has ended, or whose body is left open; raise what failed instead."""
        if isinstance(result, Exception):
            raise result
        if exchange.body is not None:
            return self._leave_open(exchange, exchange.body)
        content = exchange.raw()
        if exchange.coding is None:
            return exchange.response(content)
        decoded = DecodedBody(_once(content), exchange.coding, framed=exchange.framed)
        pieces, size = [], 0
        while piece := await decoded.read():
            pieces.append(piece)
            size += len(piece)
            if self._max_body is not None and size > self._max_body:
                raise oversized(exchange.request, self._max_body, "decoded")
        return exchange.response(b"".join(pieces))

    def _leave_open(self, exchange: Exchange, incoming: IncomingBody) -> Response:
        """Leave the body unread: the reader pulls it, and `max_body` doesn't bound it."""
        source = incoming.read
        if exchange.coding is not None:
            source = DecodedBody(source, exchange.coding, framed=exchange.framed).read
        request = exchange.request

        async def read() -> bytes:
            try:
                piece = await source()
            except AsyncAPIError as error:
                error.request = error.request or request.redacted()
                raise
            if not piece:
                body.trailers = exchange.trailers
            return piece

        body = OpenBody(read, incoming.stop)
        self._bodies[body] = None
        body.hold(lambda _: self._bodies.pop(body))
        request.call.open_bodies.append(body)  # type: ignore[union-attr]  # only streamed calls come here: the list exists
        response = exchange.response(b"")
        response.open_body = body
        return response

    async def _dress(self, request: Request) -> tuple[CIMultiDict[str], str | None]:
        """Add user-info, cookies and what the environment says (`transports/outgoing.py`); return headers and proxy."""
        url, headers, proxy = request.url, request.headers, self._proxy
        if outgoing.is_special(url):
            url, headers = outgoing.addressed(url, headers)
        if self._jar is not None:
            headers = self._jar.onto(headers, url)
        if self._environment is not None:
            headers, named = await self._environment.onto(headers, url)
            proxy = proxy if named is None else named
        return headers, proxy

    def _origin(self, pool: Pool, key: Any, request: Request, proxy: str | None) -> Origin:
        pool.check_open()
        target = request.target
        place = Place.of(target.host, secure=target.secure, proxy=proxy)
        if place.secure and not self._tls.verify:
            self._tls.warn(target.host, place.host)
        made = Origin(pool, key, place)
        if self._http2 is not None and key not in pool.http1 and (place.secure or self._prior):
            made.streams = self._streams(made, self._http2)
        pool.origins[key] = made
        return made

    def _streams(self, origin: Origin, settings: HTTP2) -> Streams:
        from asyncapi.transports.native.http2.streams import Streams  # noqa: PLC0415 - where it is spoken

        if origin.proxied:
            raise ConfigError(
                "http2='prior' doesn't work for http:// through an HTTP proxy, which forwards HTTP/1.1: use https://"
            )
        return Streams(origin, settings, prior=self._prior)

    def _begin(self, request: Request) -> Pool:
        if self._closed:
            raise ConfigError("this client is closed: make a new one")
        self._pool = pool = Pool(keepalive=self._keepalive, max_headers=self._max_headers)
        pool.dialer = Dialer(
            clock=self._clock, tls=self._tls, guard=self._guard, unix_socket=self._unix_socket, on_renewal=pool.retire
        )
        if self._http3 is not False:
            from asyncapi.transports.native.http3.alternatives import Alternatives  # noqa: PLC0415 - where it is spoken

            pool.alternatives = Alternatives(pool, self._tls, self._trust, prior=self._http3 == "prior")
        self.unclosed = watch_over(self, pool, request.target.host)
        return pool

    @property
    def cookies_of(self) -> Callable[[URL], str] | None:
        """The function that returns the cookies to send to a URL; None where no cookies are kept."""
        return None if self._jar is None else self._jar.header

    def no_http2(self, base: str) -> str | None:
        """Why HTTP/2 can't be spoken to a base URL, and what to change; None where it can."""
        if self._http2 is None:
            return _SPEAKS_HTTP1
        if base.lower().startswith("http://") and not self._prior:
            return "over http:// it is spoken without asking: Client(http2='prior')"
        return None

    @property
    def http2_counts(self) -> dict[str, int]:
        """What is open over HTTP/2, as `Stats.http2` shows it; empty where it isn't spoken."""
        if self._http2 is None:
            return {}
        counts = {"connections": 0, "streams": 0, "waiting": 0, "refused": 0}
        if self._pool is not None:
            counts["refused"] = self._pool.refused
            for origin in self._pool.origins.values():
                if origin.streams is not None:
                    origin.streams.count(counts)
        return counts

    @property
    def http3_counts(self) -> dict[str, int]:
        """What is open over HTTP/3, as `Stats.http3` shows it; empty where it isn't spoken."""
        beside = None if self._pool is None else self._pool.alternatives
        return {} if beside is None else beside.counts()

    @property
    def described(self) -> str:
        """What `explain()` adds to its name."""
        settings, counts = self._http2, self.http2_counts
        if settings is None:
            return ""
        which = "HTTP/2 alone" if self._prior else "HTTP/2 where the server offers it"
        ping = "no PING" if settings.ping is None else f"PING after {settings.ping:g} s of silence"
        now = ", ".join(f"{count} {name}" for name, count in counts.items())
        if self._http3 is False:
            return f", {which}; {ping}; {now}"
        also = "HTTP/3 tried first" if self._http3 == "prior" else "HTTP/3 where an origin offers it"
        then = ", ".join(f"{count} {name}" for name, count in self.http3_counts.items())
        return f", {which}; {ping}; {now}; {also}; {then or '0 connections'}"

    async def aclose(self) -> None:
        """Close every connection; attempts under way fail."""
        self._closed = True
        if self._pool is not None:
            if self.unclosed is not None:
                self.unclosed.detach()
            self._pool.close()
        # each body removes itself from the dict as it closes
        for body in list(self._bodies):
            body.close(ProtocolError("the client was closed while its body was open"))
        self._watchdog.close()
        if self._sibling is not None:
            await self._sibling.aclose()
        if self._pool is not None:
            await self._pool.wait_closed()


def _check_http2(tls: Handshakes, settings: HTTP2, offer: tuple[str, ...]) -> None:
    """Find out now which file can't be used, or which package is missing, and not in a call."""
    tls.context(offer)
    engine(window=settings.window)


def _trust(tls: Handshakes) -> Trust:
    """Hand the TLS settings to HTTP/3's library, which may refuse them: as the transport is made, not in a call."""
    from asyncapi.transports.native.http3.alternatives import trust  # noqa: PLC0415 - where it is spoken

    return trust(tls)


def _once(content: bytes) -> Callable[[], Awaitable[bytes]]:
    """Return what reads a body that is there, and then its end."""
    pieces = iter((content,))

    async def read() -> bytes:
        return next(pieces, b"")

    return read
