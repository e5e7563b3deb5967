"""One HTTP/3 connection, which carries many exchanges at a time.

Rules:
1. Nothing is sent before the handshake is done and the server's key is the right one.
2. A request that the server did not begin is marked so, and is sent again whatever its method: one that GOAWAY leaves
   out (RFC 9114 section 5.2), one that is rejected (section 4.1.1), one that was never written.
3. An exchange that nobody waits for any more is cancelled in both directions (section 4.1.1). The connection goes on.
4. A path may fall silent without a word: `life.py` decides when the server is lost.
5. A slow reader stops the whole connection (`engine.py`, rule 1). So the response of a call that streams has a
   connection of its own while it is read.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.transports.failures import cut
from asyncapi.transports.native import sending
from asyncapi.transports.native.http3.engine import Engine
from asyncapi.transports.native.http3.failures import lost, refused, silent, unprocessed, unwritten
from asyncapi.transports.native.http3.life import Life, Verdict
from asyncapi.transports.native.http3.places import Places
from asyncapi.transports.native.http3.quic import CANCELLED, FALLBACK, ID_ERROR, NO_ERROR, Ended
from asyncapi.transports.native.http3.stream import Broken, Stream, section_of
from asyncapi.transports.native.http3.wire import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from socket import socket

    from qh3.quic.configuration import QuicConfiguration

    from asyncapi.errors import ProtocolError
    from asyncapi.sansio.http.field_sections import Section
    from asyncapi.transports.native.exchange import Exchange
    from asyncapi.transports.native.origins import Pool

UNSENT = 64 * 1024  # bytes of a body that may wait in the connection


class HTTP3Connection:
    """One connection of an origin.

    Args:
        pool: The pool that it belongs to.
        authority: The origin's host and port, as requests name them.
        configuration: Of qh3: whom it trusts, and how much the server may send.
        proves: Whether the certificates that the server sent have a pinned key, where keys are pinned.
        extra: Fields that each request has beside its own.

    Attributes:
        wire: Its socket and timer.
        places: The requests that wait for room.
        life: Whether the server is still there.
        opened: Its result is "", or why the connection could not be made.
        exclusive: Whether it serves a call that streams, and nothing else (rule 5).
        going: Whether it takes no more requests.
        gone: Whether it has ended.
        on_works: Called when a response has come.
        on_end: Called once when it takes no more requests, with whether the path to the server failed.
        on_misdirected: Called when the server doesn't serve the origin (421), or not over HTTP/3.
    """

    def __init__(
        self,
        pool: Pool,
        authority: str,
        configuration: QuicConfiguration,
        proves: Callable[[list[bytes]], bool],
        extra: Section = [],  # noqa: B006 - never changed
    ) -> None:
        self._pool, self._loop = pool, pool.loop
        self._authority = authority
        self._proves = proves
        self._extra = extra
        self._engine = Engine(configuration, self, pool.max_headers)
        self.wire: Wire = Wire(self._engine, self, self._loop)
        self._streams: dict[int, Stream] = {}
        self._ids: dict[Exchange, int] = {}
        self._slow: set[Exchange] = set()  # whose readers are slow
        self.life: Life = Life(self._loop.time(), pool.keepalive)
        self.places: Places = Places(lambda: self._engine.room, authority)
        self._last = 1 << 62  # the first stream that the server does not serve
        self.opened: asyncio.Future[str] = self._loop.create_future()
        self.exclusive: bool = False
        self.going: bool = False
        self.gone: bool = False
        self.on_works: Callable[[], object] = bool
        self.on_end: Callable[[bool], object] = bool
        self.on_misdirected: Callable[[], object] = bool

    # --- what alternatives call --------------------------------------------------------------------------------------

    def begin(self, wire: socket, address: tuple[str, int]) -> None:
        """Begin the handshake; `opened` says how it ends."""
        self.wire.start(wire, address)

    @property
    def free(self) -> bool:
        """Whether nothing is under way on it."""
        return not self._streams and not self.places.waiting

    @property
    def streams(self) -> int:
        """How many requests are under way on it."""
        return len(self._streams)

    def close(self) -> None:
        """Say goodbye and hang up; exchanges under way fail."""
        self._engine.close()

    def retire(self) -> None:
        """Take no more requests, and hang up after the last response."""
        self._go(failed=False)

    # --- what the transport calls: it is a `Carrier` -----------------------------------------------------------------

    def start(self, exchange: Exchange) -> None:
        """Send a request that has no body, or a small one."""
        content = exchange.request.content
        stream = self._begin(exchange, last=content is None)
        if stream is not None and content is not None:
            self._engine.send(stream.id, content, last=True)  # type: ignore[arg-type]  # the transport knows that it is bytes
        self.wire.flush_later()

    async def upload(self, exchange: Exchange) -> None:
        """Send a request with a body that is large, streamed or waits for `100 Continue`."""
        if (stream := self._begin(exchange, last=False)) is None:
            return
        self.wire.flush()
        if "Expect" in exchange.headers:
            stream.proceed = self._loop.create_future()
            if not await sending.wait_to_proceed(stream.proceed, exchange):
                return

        def end() -> None:
            self._engine.send(stream.id, b"", last=True)
            self.wire.flush_later()

        await sending.send(exchange, partial(self._write, stream), end)

    def abandon(self, exchange: Exchange) -> None:
        """Cancel an exchange (rule 3)."""
        if (number := self._ids.get(exchange)) is None:
            return
        self.life.gives_up(self._streams[number].began, self._loop.time())
        self._drop(number)
        self.wire.flush_later()

    def pause(self, exchange: Exchange) -> None:
        """Read no more for now (rule 5)."""
        if exchange in self._ids:
            self._slow.add(exchange)
            self._engine.pause()

    def resume(self, exchange: Exchange, count: int) -> None:  # noqa: ARG002 - QUIC counts by itself
        """Read on."""
        if exchange in self._slow:
            self._slow.discard(exchange)
            self._go_on()

    # --- what the engine calls: it is a `Listener` -------------------------------------------------------------------

    def connected(self) -> None:
        """Check the server's key (rule 1)."""
        if not self._proves(self._engine.certificates()):
            self._open("its key is not pinned")
            self.close()
            return
        self.life.opened(self._loop.time())
        self._engine.begin()
        self._open("")

    def interim(self, stream: int, section: Section) -> None:
        """Take in a 1xx response."""
        self._take(stream, lambda each: each.interim(section), last=False)

    def section(self, stream: int, section: Section, *, last: bool) -> None:
        """Take in the fields of a response, or its trailers."""
        self._take(stream, lambda each: each.section(section, last=last), last=last)

    def data(self, stream: int, data: bytes, *, last: bool) -> None:
        """Take in bytes of a body."""
        self._take(stream, lambda each: each.data(data), last=last)

    def cut(self, stream: int) -> None:
        """Take in that a stream has ended before its response was whole."""
        self._give_up(stream, lambda exchange: cut(None, exchange.request))

    def reset(self, stream: int, code: int) -> None:
        """Take in that the server has ended a stream (rule 2)."""
        if (found := self._streams.get(stream)) is None:
            return
        exchange = found.exchange
        self._drop(stream)
        if code == FALLBACK:
            self._misdirected()
        exchange.fail(refused(exchange, code))

    def unwanted(self, stream: int) -> None:
        """Take in that the server takes no more of a body."""
        if (found := self._streams.get(stream)) is not None:
            found.wake()

    def going_away(self, stream: int) -> None:
        """Take in that the server serves no stream from this one on (rule 2)."""
        if stream > self._last:  # RFC 9114 section 5.2: it may only go down
            self._engine.close(ID_ERROR)
            return
        self._last = stream
        for number in [each for each in self._streams if each >= stream]:
            self._give_up(number, partial(unprocessed, "the server went away before it began to process the request"))
        self._go(failed=False)

    def stuck(self, stream: int, unsent: int) -> None:
        """Take in that bytes of a request will not be sent: where its fields are among them, it is sent elsewhere."""
        self._give_up(stream, lambda exchange: unwritten(exchange, unsent))

    def ended(self, why: Ended) -> None:
        """Take in that the connection has ended."""
        closed = self._pool.closed
        self._fail(lambda exchange: lost(exchange, why, closed=closed), failed=why.alert or why.broken)
        self._open(why.reason or f"code {why.code:#x}")
        self._hang_up()

    def _begin(self, exchange: Exchange, *, last: bool) -> Stream | None:
        try:
            section = section_of(exchange, self._authority)
        except ConfigError:
            self.exclusive = self.exclusive and bool(self._streams)
            raise
        if self.gone or self._engine.room <= 0:
            exchange.fail(unprocessed("the connection was closed before the request was written", exchange))
            return None
        exchange.look()
        number = self._engine.request(section + self._extra, last=last)
        now = self._loop.time()
        stream = self._streams[number] = Stream(number, exchange, now, self._pool.max_headers)
        self._ids[exchange] = number
        self.life.asks(now)
        return stream

    def _take(self, number: int, take: Callable[[Stream], ProtocolError | None], *, last: bool) -> None:
        """Have a stream take something in; end it where that fails, or where it was the last."""
        stream = self._streams.get(number)
        if stream is None:
            return
        exchange = stream.exchange
        try:
            failure = take(stream)
        except Broken as broken:
            failure = broken.failure
            if broken.misdirected:
                self._misdirected()
        if failure is None and last:
            failure = stream.incomplete()
        if failure is not None:
            self._drop(number)
            exchange.fail(failure)
        elif last:
            self._drop(number, NO_ERROR)  # of a request whose end nobody waits for
            self.on_works()
            exchange.end(stream.trailers)

    def _give_up(self, number: int, error: Callable[[Exchange], Exception | None]) -> None:
        """End an exchange with an error, where there is one."""
        if (found := self._streams.get(number)) is not None and (failure := error(found.exchange)) is not None:
            self._drop(number)
            found.exchange.fail(failure)

    def _drop(self, number: int, code: int = CANCELLED) -> None:
        """End what is left of a stream."""
        stream = self._streams.pop(number)
        del self._ids[stream.exchange]
        self._engine.cancel(number, code)
        stream.wake()
        if not self._streams:
            self.exclusive = False
            self.life.idles(self._loop.time())
            if self.going:
                self._loop.call_soon(self.close)
        if stream.exchange in self._slow:
            self._slow.discard(stream.exchange)
            self._go_on()

    async def _write(self, stream: Stream, data: bytes) -> bool:
        """Send a piece of a body, and wait while too much is unsent; returns False where nobody takes more."""
        if not self._engine.send(stream.id, data, last=False):
            return False
        self.life.asks(self._loop.time())
        self.wire.flush()
        while self._engine.unsent(stream.id) > UNSENT and stream.id in self._streams:
            stream.room = self._loop.create_future()
            await stream.room
        return stream.id in self._streams

    def _open(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_result(why)

    def _go(self, *, failed: bool) -> None:
        """Take no more requests."""
        if not self.going:
            self.going = True
            self.places.close()
            self.on_end(failed)
            if not self._streams and not self.gone:
                self._loop.call_soon(self.close)

    def _fail(self, error: Callable[[Exchange], Exception], *, failed: bool) -> None:
        """End all exchanges."""
        self._go(failed=failed)
        for number in list(self._streams):
            self._give_up(number, error)

    def _hang_up(self) -> None:
        if not self.gone:
            self.gone = True
            self.wire.flush()  # the goodbye
            self.wire.close()

    def _misdirected(self) -> None:
        self.on_misdirected()
        self._go(failed=False)

    # --- time: what the wire calls -----------------------------------------------------------------------------------

    def made(self) -> None:
        """Count the socket among the pool's."""
        self._pool.lives(self)

    def lost(self) -> None:
        """Take in that the socket is closed."""
        self.ended(Ended(NO_ERROR, "", remote=False))
        self._pool.lost(self)

    def hinted(self, error: Exception) -> None:
        """Take in what the network says; a handshake is given up, as something else is tried beside it."""
        if not self.opened.done():
            self._open(f"{type(error).__name__}")
            self.close()
        elif self._streams:
            self._ask()

    def heard(self, now: float) -> None:
        """Take in that datagrams have come."""
        self.life.hears(now)

    def moved(self) -> None:
        """Let those go on who wait for room."""
        for stream in self._streams.values():
            if stream.room is not None and self._engine.unsent(stream.id) <= UNSENT:
                stream.wake()
        self.places.admit()

    def due(self) -> float | None:
        """Say when to look whether the connection is still of use."""
        return self.life.due(busy=not self.free) if self.opened.done() else None

    def look(self, now: float) -> None:
        """Look whether the connection is still of use (rule 4)."""
        if self.gone or not self.opened.done():
            return
        match self.life.verdict(now, busy=not self.free):
            case Verdict.ASK:
                self._ask()
            case Verdict.IDLE:
                self.close()
            case Verdict.LOST:
                self._fail(lambda exchange: silent(exchange, self.life.patience), failed=True)
                self.close()

    def _ask(self) -> None:
        """Ask the server for a sign of life."""
        if self.life.asks(self._loop.time()):
            self._engine.ping()
            self.wire.flush_later()

    def _go_on(self) -> None:
        if not self._slow:
            self._engine.resume()
            self.moved()
            self.wire.flush_later()
