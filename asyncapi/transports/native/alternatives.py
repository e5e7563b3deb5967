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
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError, ConnectError
from asyncapi.sansio.http.altsvc import Alternative, AltServices

try:
    import qh3  # noqa: F401
except ImportError as missing:
    raise ConfigError(f"http3= needs the package qh3: pip install 'asyncapi-sdk[http3]' ({missing})") from missing

from asyncapi.transports.native.http3_dialing import Unreachable, dial
from asyncapi.transports.native.http3_trust import Trust

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.origin import Origin
    from asyncapi.transports.native.exchange import Carrier
    from asyncapi.transports.native.http3_connection import HTTP3Connection
    from asyncapi.transports.native.origins import Pool
    from asyncapi.transports.native.place import Place
    from asyncapi.transports.tls import Handshakes

log: logging.Logger = logging.getLogger("asyncapi")

HEAD_START = 0.25  # seconds (rule 2)
LIMIT = 5.0  # seconds after which an attempt has failed, whatever became of TCP


class _Attempt:
    """One new connection that is being made.

    Attributes:
        began: When it began, on the loop's clock.
        made: Whether there is a connection.
        task: Makes the connection.
        why: Why there is none.
    """

    __slots__ = ("began", "made", "task", "why")

    task: asyncio.Task[None]

    def __init__(self, began: float) -> None:
        self.began: float = began
        self.made: bool = False
        self.why: str = ""


class Alternatives:
    """The HTTP/3 side of a pool.

    Args:
        pool: The pool.
        tls: Whom to trust.
        prior: Whether HTTP/3 is tried without an offer (rule 1).

    Raises:
        ConfigError: The client certificate can't be used for HTTP/3.
    """

    def __init__(self, pool: Pool, tls: Handshakes, *, prior: bool) -> None:
        self._pool = pool
        self._tls = tls
        self._trust = Trust(tls)
        self._prior = prior
        self._known = AltServices()
        self._connections: dict[Place, list[HTTP3Connection]] = {}
        self._attempts: dict[Place, _Attempt] = {}

    def learn(self, place: Place, values: Sequence[str], age: str) -> None:
        """Take over what a response of an origin says in its Alt-Svc field.

        Args:
            place: The origin.
            values: The lines of the field.
            age: The Age field, or "".
        """
        if _can(place):
            seconds = float(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0.0  # noqa: PLR2004
            self._known.learn(_origin(place), values, self._pool.loop.time(), age=seconds)

    def ready(self, place: Place, request: Request) -> HTTP3Connection | None:
        """Return a connection that takes a request now, or None."""
        streams = request.call.open_bodies is not None
        for connection in self._connections.get(place, ()):
            if connection.silent or connection.exclusive or connection.room <= 0:
                continue
            if not streams:
                if not connection.waited_for:
                    return connection
            elif connection.free:
                connection.exclusive = True  # rule 6
                return connection
        return None

    async def connection(
        self,
        place: Place,
        request: Request,
        take: Callable[[], Carrier | None],
        connect: Callable[[], Awaitable[Carrier]],
        unused: Callable[[Carrier], object],
    ) -> Carrier:
        """Return a connection for a request, over HTTP/3 or TCP; `start` or `upload` has to follow in the same turn.

        Args:
            place: The origin.
            request: The request.
            take: Returns an idle TCP connection, or None.
            connect: Makes a new TCP connection.
            unused: Takes back a TCP connection that came too late.

        Raises:
            TransportError: There is none (rule 5).
        """
        while True:
            if (found := self.ready(place, request)) is not None:
                request.call.reused = True
                return found
            if request.call.open_bodies is None and (full := self._full(place)) is not None:
                if await full.reserve(request):
                    return full
                continue
            alternative = self._offered(place)
            if alternative is None:
                return take() or await connect()
            carrier = await self._race(place, alternative, request, take, connect, unused)
            if carrier is not None:
                return carrier

    def retire(self) -> None:
        """Let go of all connections after what is under way: new TLS files are in use."""
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.retire()

    def close(self) -> None:
        """Close every connection."""
        for attempt in list(self._attempts.values()):
            attempt.task.cancel()
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.close()

    async def wait_closed(self) -> None:
        """Wait for the attempts to end, after `close`."""
        tasks = [attempt.task for attempt in self._attempts.values()]
        if tasks:
            await asyncio.wait(tasks)

    # --- the race ----------------------------------------------------------------------------------------------------

    async def _race(
        self,
        place: Place,
        alternative: Alternative,
        request: Request,
        take: Callable[[], Carrier | None],
        connect: Callable[[], Awaitable[Carrier]],
        unused: Callable[[Carrier], object],
    ) -> Carrier | None:
        """Return TCP's connection, or None where there is a new HTTP/3 connection to take."""
        attempt = self._attempts.get(place) or self._begin(place, alternative)
        call = request.call
        call.phase, call.reused = "connect", False
        limit = call.settings.connect
        given = HEAD_START if limit is None else min(HEAD_START, limit / 2)
        if (head_start := attempt.began + given - self._pool.loop.time()) > 0:
            await asyncio.wait((attempt.task,), timeout=head_start)
        if attempt.made:
            return None
        if (idle := take()) is not None:  # rule 2; the attempt may go on, for later calls
            call.reused = True
            return idle
        tcp = asyncio.ensure_future(connect())
        late = True
        try:
            await asyncio.wait((attempt.task, tcp), return_when=asyncio.FIRST_COMPLETED)
            if not tcp.done() or tcp.cancelled() or tcp.exception() is not None:
                await asyncio.wait((attempt.task,))  # TCP has failed, or HTTP/3 has ended already
                if attempt.made:
                    return None
                await asyncio.wait((tcp,))
            attempt.task.cancel()  # rule 2
            late = False
            return self._told(attempt, tcp)
        finally:
            if late:
                await _ended(tcp, unused)

    def _told(self, attempt: _Attempt, tcp: asyncio.Future[Carrier]) -> Carrier:
        """Return the result of TCP; where it has failed, too, say what became of HTTP/3 (rule 5).

        Raises:
            TransportError: TCP's error.
        """
        try:
            return tcp.result()
        except ConnectError as error:
            if self._prior and attempt.why:
                error.message = f"{error.message}; HTTP/3 failed, too: {attempt.why}"
                error.args = (error.message,)
            raise

    def _begin(self, place: Place, alternative: Alternative) -> _Attempt:
        attempt = self._attempts[place] = _Attempt(self._pool.loop.time())
        attempt.task = self._pool.loop.create_task(self._make(place, alternative, attempt))
        return attempt

    async def _make(self, place: Place, alternative: Alternative, attempt: _Attempt) -> None:
        """Make a connection, for all who wait for it (rule 4)."""
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
            self._adopt(place, alternative, made)
        finally:
            del self._attempts[place]
            if attempt.why and not self._pool.closed:
                self._known.failed(origin, alternative, self._pool.loop.time())
                log.debug("HTTP/3 to %s is not used for a while: %s", place.authority, attempt.why)
        attempt.made = not attempt.why

    def _adopt(self, place: Place, alternative: Alternative, connection: HTTP3Connection) -> None:
        """Take a new connection among those that are used."""
        origin, known = _origin(place), self._known
        connections = self._connections.setdefault(place, [])
        connections.append(connection)

        def ended(failed: bool) -> None:
            connections.remove(connection)
            if not connections and self._connections.get(place) is connections:
                del self._connections[place]
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
        usable = (each for each in self._connections.get(place, ()) if not each.silent and not each.exclusive)
        return next(usable, None)


async def _ended(tcp: asyncio.Future[Carrier], unused: Callable[[Carrier], object]) -> None:
    """End the dialing of a connection that is not needed any more."""
    tcp.cancel()
    await asyncio.wait((tcp,))
    if not tcp.cancelled() and tcp.exception() is None:
        unused(tcp.result())


def _can(place: Place) -> bool:
    """Whether HTTP/3 may lead to a place (rule 1)."""
    return place.secure and place.proxy is None


def _origin(place: Place) -> Origin:
    return "https", place.host, place.port
