"""HTTP/3 beside TCP: which origins offer it, the connections to them, and the race of a new one with TCP.

Rules:
1. HTTP/3 is tried only where an origin has offered it (Alt-Svc), or from the start where the user says so ("prior").
   It is never tried through a proxy, nor for http://.
2. A new connection has a head start of 250 ms. Then TCP takes over: with an idle connection at once, or by a new one
   that is dialed beside. The loser of two new ones is closed.
3. An alternative that could not be reached, or that fell silent, is broken for a while (`sansio/http/altsvc.py`): calls
   go over TCP without waiting.
4. Calls that want the same new connection wait for one attempt.
5. Errors are TCP's. What became of HTTP/3 is told only where nothing but it was tried from the start, and TCP failed.
6. A call that streams takes a connection that nothing else is on, and has it for itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from asyncapi.errors import ConfigError, ConnectError
from asyncapi.sansio.http.altsvc import Alternative, AltServices

try:
    import qh3  # noqa: F401
except ImportError as missing:
    raise ConfigError(f"http3= needs the package qh3: pip install 'asyncapi-sdk[http3]' ({missing})") from missing

from asyncapi.transports.native.http3.dialing import Unreachable, dial
from asyncapi.transports.native.http3.trust import Trust

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.origin import Origin
    from asyncapi.transports.native.dialing.place import Place
    from asyncapi.transports.native.exchange import Carrier
    from asyncapi.transports.native.http3.connection import HTTP3Connection
    from asyncapi.transports.native.origins import Pool
    from asyncapi.transports.tls import Handshakes

log: logging.Logger = logging.getLogger("asyncapi")

HEAD_START = 0.25  # seconds (rule 2)
_MISDIRECTED = 421
_RACES = 3  # new HTTP/3 connections that are gone before a request takes them, until it goes over TCP
LIMIT = 5.0  # seconds after which an attempt has failed, whatever became of TCP


class TCP(Protocol):
    """The TCP connections of an origin (`origins.Origin`)."""

    @property
    def place(self) -> Place:
        """Where they lead to."""

    def take(self) -> Carrier | None:
        """Return an idle one, or None."""

    async def connect(self, request: Request) -> Carrier:
        """Make a new one."""

    def forget_if_unused(self) -> None:
        """Leave the pool where nothing is left."""


class _Attempt:
    """One new connection that is being made.

    Attributes:
        began: When it began, on the loop's clock.
        own: Whether it is made for one call that streams (rule 6).
        made: The connection, once there is one.
        task: Makes the connection.
        why: Why there is none.
    """

    __slots__ = ("began", "made", "own", "task", "why")

    task: asyncio.Task[None]

    def __init__(self, began: float, *, own: bool) -> None:
        self.began: float = began
        self.own: bool = own
        self.made: HTTP3Connection | None = None
        self.why: str = ""

    def taken(self) -> HTTP3Connection | None:
        """Return the connection of the call that it was made for; None where all may take it, or it has ended."""
        if not self.own or self.made is None or self.made.places.free <= 0:
            return None
        self.own = False
        return self.made

    def share(self) -> None:
        """Leave the connection to all, where the call that it was made for has not taken it."""
        if self.own:
            self.own = False
            if self.made is not None:
                self.made.exclusive = False


class Alternatives:
    """The HTTP/3 side of a pool.

    Args:
        pool: The pool.
        tls: The client's TLS settings.
        trust: The same, as HTTP/3's library takes them.
        prior: Whether HTTP/3 is tried without an offer (rule 1).
    """

    def __init__(self, pool: Pool, tls: Handshakes, trust: Trust | None, *, prior: bool) -> None:
        self._pool = pool
        self._tls = tls
        self._trust = trust or Trust(tls)
        self._prior = prior
        self._known = AltServices()
        self._connections: dict[Place, list[HTTP3Connection]] = {}
        self._attempts: dict[Place, _Attempt] = {}  # those that all who come may wait for
        self._tasks: set[asyncio.Task[None]] = set()  # of all attempts

    def learn(self, place: Place, response: Response) -> None:
        """Take over what a response of an origin says in its Alt-Svc field."""
        if _can(place) and response.status != _MISDIRECTED:  # RFC 7838 section 6
            age = response.headers.get("Age", "")
            seconds = float(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0.0  # noqa: PLR2004
            values = response.headers.getall("Alt-Svc")
            origin = _origin(place)
            self._known.learn(origin, values, self._pool.loop.time(), age=seconds)
            if not self._prior and not self._known.knows(origin):  # taken back: RFC 7838 section 3, `clear`
                for connection in list(self._connections.get(place, ())):
                    connection.retire()

    def ready(self, place: Place, request: Request) -> HTTP3Connection | None:
        """Return a connection that takes a request now, or None."""
        streams = request.call.open_bodies is not None
        for connection in tuple(self._connections.get(place, ())):
            if connection.free:
                connection.wire.catch_up()
            if connection.life.silent or connection.exclusive or connection.places.free <= 0:
                continue
            if not streams:
                return connection
            if connection.free:
                connection.exclusive = True  # rule 6
                return connection
        return None

    async def connection(self, request: Request, tcp: TCP) -> Carrier:
        """Return a connection for a request, over HTTP/3 or TCP; `start` or `upload` has to follow in the same turn.

        Args:
            request: The request.
            tcp: The TCP connections of its origin.

        Raises:
            TransportError: There is none (rule 5).
        """
        place, races = tcp.place, 0
        while True:
            if (found := self.ready(place, request)) is not None:
                return found
            if request.call.open_bodies is None and (full := self._full(place)) is not None:
                if await full.places.wait(request.call):
                    request.call.reused = True
                    return full
                continue
            alternative = self._offered(place)
            if alternative is None or races == _RACES:
                break
            races += 1
            carrier = await self._race(alternative, request, tcp)
            if carrier is not None:
                return carrier
        if (idle := tcp.take()) is not None:
            request.call.reused = True
            return idle
        return await tcp.connect(request)

    def counts(self) -> dict[str, int]:
        """Return what is open, as `Stats.http3` shows it."""
        counts = {"connections": 0, "streams": 0, "waiting": 0}
        for connections in self._connections.values():
            for connection in connections:
                counts["connections"] += 1
                counts["streams"] += connection.streams
                counts["waiting"] += connection.places.waiting
        return {**counts, "broken": self._known.broken(self._pool.loop.time())}

    def retire(self) -> None:
        """Let go of all connections after what is under way: new TLS files are in use."""
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.retire()

    def close(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.close()

    async def wait_closed(self) -> None:
        """Wait for the attempts to end, after `close`."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- the race ----------------------------------------------------------------------------------------------------

    async def _race(self, alternative: Alternative, request: Request, tcp: TCP) -> Carrier | None:
        """Return TCP's connection, or one of the call's own, or None where there is a new connection to take."""
        own = request.call.open_bodies is not None  # rule 6
        attempt = (None if own else self._attempts.get(tcp.place)) or self._begin(alternative, tcp, own=own)
        call = request.call
        call.phase, call.reused = "connect", False
        limit = call.settings.connect
        given = HEAD_START if limit is None else min(HEAD_START, limit / 2)
        try:
            if (head_start := attempt.began + given - self._pool.loop.time()) > 0:
                await asyncio.wait((attempt.task,), timeout=head_start)
            if attempt.made is not None:
                return attempt.taken()
            if (idle := tcp.take()) is not None:  # rule 2; the attempt may go on, for later calls
                call.reused = True
                return idle
            return await self._beside(attempt, request, tcp)
        finally:
            attempt.share()

    async def _beside(self, attempt: _Attempt, request: Request, tcp: TCP) -> Carrier | None:
        """Dial TCP beside an attempt; returns as `_race` does."""
        dialing, won = asyncio.ensure_future(tcp.connect(request)), False
        try:
            await asyncio.wait((attempt.task, dialing), return_when=asyncio.FIRST_COMPLETED)
            if not _succeeded(dialing):  # TCP has failed, or HTTP/3 has ended already
                await asyncio.wait((attempt.task,))
                if attempt.made is not None:
                    return attempt.taken()
                await asyncio.wait((dialing,))
            attempt.task.cancel()  # rule 2
            won = True
            return self._told(attempt, dialing)
        finally:
            if not won:
                dialing.cancel()
                await asyncio.wait((dialing,))
                if _succeeded(dialing):
                    dialing.result().abandon(None)  # type: ignore[arg-type]  # it carries nothing yet

    def _told(self, attempt: _Attempt, dialing: asyncio.Future[Carrier]) -> Carrier:
        """Return the result of TCP; where it has failed, too, say what became of HTTP/3 (rule 5).

        Raises:
            TransportError: TCP's error.
        """
        try:
            return dialing.result()
        except ConnectError as error:
            if self._prior and attempt.why:
                error.message = f"{error.message}; HTTP/3 failed, too: {attempt.why}"
                error.args = (error.message,)
            raise

    def _begin(self, alternative: Alternative, tcp: TCP, *, own: bool) -> _Attempt:
        attempt = _Attempt(self._pool.loop.time(), own=own)
        if not own:
            self._attempts[tcp.place] = attempt
        attempt.task = self._pool.loop.create_task(self._make(alternative, attempt, tcp))
        self._tasks.add(attempt.task)
        attempt.task.add_done_callback(self._tasks.discard)
        return attempt

    async def _make(self, alternative: Alternative, attempt: _Attempt, tcp: TCP) -> None:
        """Make a connection, for all who wait for it (rule 4), or for one call (rule 6)."""
        place = tcp.place
        origin, renewals = _origin(place), self._tls.renewals
        attempt.why = "TCP was faster"
        try:
            async with asyncio.timeout(LIMIT):
                made = await dial(self._pool, place, alternative, self._trust, named=not self._prior)
        except TimeoutError:
            attempt.why = f"no reply within {LIMIT:g} s"
        except (Unreachable, ConfigError) as error:
            attempt.why = str(error)
        else:
            attempt.why = ""
            if self._tls.renewals != renewals:
                self.retire()
            self._adopt(alternative, made, tcp)
            made.exclusive, attempt.made = attempt.own, made
        finally:
            if self._attempts.get(place) is attempt:
                del self._attempts[place]
            if attempt.why and not self._pool.closed:
                self._known.failed(origin, alternative, self._pool.loop.time())
                log.debug("HTTP/3 to %s is not used for a while: %s", place.authority, attempt.why)

    def _adopt(self, alternative: Alternative, connection: HTTP3Connection, tcp: TCP) -> None:
        """Take a new connection among those that are used."""
        place, known = tcp.place, self._known
        origin = _origin(place)
        connections = self._connections.setdefault(place, [])
        connections.append(connection)

        def ended(failed: bool) -> None:
            connections.remove(connection)
            if not connections and self._connections.get(place) is connections:
                del self._connections[place]
                tcp.forget_if_unused()
            if failed and not self._pool.closed:  # rule 3
                known.failed(origin, alternative, self._pool.loop.time())

        def misdirected() -> None:
            known.forget(origin)
            known.failed(origin, alternative, self._pool.loop.time())

        connection.on_end = ended
        connection.on_misdirected = misdirected
        connection.on_works = lambda: known.worked(origin, alternative)
        if connection.going:  # it was lost in the turn in which it was made
            ended(failed=False)

    # --- what is known -----------------------------------------------------------------------------------------------

    def _offered(self, place: Place) -> Alternative | None:
        """Return the alternative to try, or None (rules 1 and 3)."""
        if not _can(place):
            return None
        origin, now = _origin(place), self._pool.loop.time()
        if not self._prior:
            return self._known.of(origin, now)
        own = Alternative("", place.port)
        return None if self._known.is_broken(origin, own, now) else own

    def _full(self, place: Place) -> HTTP3Connection | None:
        """Return a connection that a request can wait for."""
        usable = (each for each in self._connections.get(place, ()) if not each.life.silent and not each.exclusive)
        return next(usable, None)


def trust(tls: Handshakes) -> Trust:
    """Hand TLS settings to HTTP/3's library.

    Raises:
        ConfigError: It can't use the client certificate.
    """
    return Trust(tls)


def _succeeded(dialing: asyncio.Future[Carrier]) -> bool:
    return dialing.done() and not dialing.cancelled() and dialing.exception() is None


def _can(place: Place) -> bool:
    """Whether HTTP/3 may lead to a place (rule 1)."""
    return place.secure and place.proxy is None


def _origin(place: Place) -> Origin:
    return "https", place.host, place.port
