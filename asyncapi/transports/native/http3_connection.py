"""One HTTP/3 connection, which carries many exchanges at a time.

Rules:
1. Nothing is sent before the handshake is done and the server's key is the right one.
2. A request that the server did not begin is marked so, and is sent again whatever its method: one that GOAWAY leaves
   out (RFC 9114 section 5.2), one that is rejected (section 4.1.1), one that was never written.
3. An exchange that nobody waits for any more is cancelled in both directions (section 4.1.1). The connection goes on.
4. A path may fall silent without a word. While exchanges are under way and something of ours needs a reply, a server
   that says nothing for a few seconds is lost; after ten quiet seconds it is asked for a sign of life.
5. A slow reader stops the whole connection (`http3_engine.py`, rule 1). So the response of a call that streams has a
   connection of its own while it is read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError, ProtocolError, QueueFull, final_error
from asyncapi.sansio.http.field_sections import request_section
from asyncapi.transports.failures import CLOSED, cut
from asyncapi.transports.native import sending
from asyncapi.transports.native.http3_engine import (
    ID_ERROR,
    NO_ERROR,
    REQUEST_REJECTED,
    VERSION_FALLBACK,
    Ended,
    Engine,
)
from asyncapi.transports.native.http3_stream import Broken, Stream
from asyncapi.transports.native.http3_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from qh3.quic.configuration import QuicConfiguration

    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.field_sections import Section
    from asyncapi.transports.native.exchange import Exchange
    from asyncapi.transports.native.origins import Pool

SILENCE = 3.0  # seconds without a reply after which a connection is lost (rule 4), at least
ROUND_TRIPS = 6  # of the handshake's, on a slow path
QUIET = 10.0  # seconds without a datagram after which the server is asked for a sign of life
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
        opened: Its result is "", or why the connection could not be made.
        exclusive: Whether it serves a call that streams, and nothing else (rule 5).
        going: Whether it takes no more requests.
        gone: Whether it has ended.
        silent: Whether an exchange was given up for which nothing had come: other calls need not try it.
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
        self._queue: deque[asyncio.Future[bool]] = deque()
        self._promised = 0  # places that were given to waiting requests, which they have yet to take
        self._began = self._idle_since = self._loop.time()
        self._asked: float | None = None  # when something was sent that needs a reply
        self._patience = SILENCE
        self._last = 1 << 62  # the first stream that the server does not serve
        self.opened: asyncio.Future[str] = self._loop.create_future()
        self.exclusive: bool = False
        self.going: bool = False
        self.gone: bool = False
        self.silent: bool = False
        self.on_works: Callable[[], object] = bool
        self.on_end: Callable[[bool], object] = bool
        self.on_misdirected: Callable[[], object] = bool

    # --- what alternatives call --------------------------------------------------------------------------------------

    def begin(self, wire: socket, address: tuple[str, int]) -> None:
        """Begin the handshake; `opened` says how it ends."""
        self.wire.start(wire, address)

    @property
    def room(self) -> int:
        """How many requests it takes now."""
        return 0 if self.going else self._engine.room - self._promised

    @property
    def free(self) -> bool:
        """Whether nothing is under way on it."""
        return not self._streams and not self._promised and not self._queue

    @property
    def waited_for(self) -> bool:
        """Whether requests wait for room."""
        return bool(self._queue)

    async def reserve(self, request: Request) -> bool:
        """Wait, in turn, until the server takes another request; False where it will take none.

        The place is that of the next `start` or `upload`, in the same turn of the loop.

        Raises:
            QueueFull: The call doesn't wait, or has waited for as long as it may.
        """
        if self.room > 0 and not self._queue:
            return True
        if self.going:
            return False
        call, began, before = request.call, self._loop.time(), len(self._queue)
        call.phase = "queue"
        if call.settings.max_wait == 0.0:
            raise self._no_room()
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._queue.append(waiter)
        try:
            async with asyncio.timeout(call.settings.max_wait):
                admitted = await waiter
        except (asyncio.CancelledError, TimeoutError) as error:
            if waiter.cancelled():
                self._queue.remove(waiter)
            else:
                self._promised -= waiter.result()
                self._admit()
            if isinstance(error, TimeoutError):
                raise self._no_room() from None
            raise
        finally:
            _note_wait(call, self._loop.time() - began, before)
        self._promised -= admitted
        return admitted

    def _no_room(self) -> QueueFull:
        return QueueFull(f"all {len(self._streams)} streams of the connection to {self._authority} are in use")

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
        stream = self._begin(exchange, last=False)
        if stream is None:
            return
        self.wire.flush()
        if "Expect" in exchange.headers:
            stream.proceed = self._loop.create_future()
            await sending.wait_to_proceed(stream.proceed, exchange)

        async def write(data: bytes) -> bool:
            return await self._write(stream, data)

        if await sending.send(exchange, write):
            self._engine.send(stream.id, b"", last=True)
            self.wire.flush_later()

    def abandon(self, exchange: Exchange) -> None:
        """Cancel an exchange (rule 3)."""
        number = self._ids.get(exchange)
        if number is None:
            return
        if self._streams[number].began > self.wire.heard:
            self.silent = True
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
        self._patience = max(SILENCE, ROUND_TRIPS * (self._loop.time() - self._began))
        self._engine.begin()
        self._idle_since = self._loop.time()
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
        if (found := self._streams.get(stream)) is not None:
            exchange = found.exchange
            self._drop(stream)
            exchange.fail(cut(None, exchange.request))

    def reset(self, stream: int, code: int) -> None:
        """Take in that the server has ended a stream (rule 2)."""
        if (found := self._streams.get(stream)) is None:
            return
        exchange = found.exchange
        self._drop(stream)
        fallback = code == VERSION_FALLBACK
        if fallback:
            self._misdirected()
        if code == REQUEST_REJECTED or fallback:
            exchange.fail(_unprocessed("the server rejected the request before it began to process it", exchange))
            return
        when = "in the middle of the response body" if exchange.headed else "before it sent a response"
        exchange.fail(ProtocolError(f"the server ended the stream {when} (code {code:#x})", request=exchange.request))

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
            exchange = self._streams[number].exchange
            self._drop(number)
            exchange.fail(_unprocessed("the server went away before it began to process the request", exchange))
        self._go(failed=False)

    def ended(self, why: Ended) -> None:
        """Take in that the connection has ended."""
        self._fail(lambda exchange: self._lost(exchange, why), failed=not why.remote and why.code != NO_ERROR)
        self._open(why.reason or f"code {why.code:#x}")
        self._hang_up()

    # --- exchanges ---------------------------------------------------------------------------------------------------

    def _begin(self, exchange: Exchange, *, last: bool) -> Stream | None:
        request, content = exchange.request, exchange.request.content
        length = len(content) if isinstance(content, bytes) else None
        try:
            section = request_section(
                request.method, self._authority, request.target.path, exchange.headers, length, body=content is not None
            )
        except ValueError as error:
            raise ConfigError(str(error), request=request) from None
        if self.gone or self._engine.room <= 0:
            exchange.fail(_unprocessed("the connection was closed before the request was written", exchange))
            return None
        number = self._engine.request(section + self._extra, last=last)
        now = self._loop.time()
        stream = self._streams[number] = Stream(number, exchange, now, self._pool.max_headers)
        self._ids[exchange] = number
        if self._asked is None:
            self._asked = now
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
            self._drop(number)
            self.on_works()
            exchange.end(stream.trailers)

    def _drop(self, number: int) -> None:
        """End what is left of a stream."""
        stream = self._streams.pop(number)
        del self._ids[stream.exchange]
        self._engine.cancel(number)
        stream.wake()
        if not self._streams:
            self.exclusive = False
            self._idle_since = self._loop.time()
            if self.going:
                self._loop.call_soon(self.close)
        if stream.exchange in self._slow:
            self._slow.discard(stream.exchange)
            self._go_on()

    async def _write(self, stream: Stream, data: bytes) -> bool:
        """Send a piece of a body, and wait while too much is unsent; returns False where nobody takes more."""
        if not self._engine.send(stream.id, data, last=False):
            return False
        if self._asked is None:
            self._asked = self._loop.time()
        self.wire.flush()
        while self._engine.unsent(stream.id) > UNSENT and stream.id in self._streams:
            stream.room = self._loop.create_future()
            await stream.room
        return stream.id in self._streams

    # --- its life ----------------------------------------------------------------------------------------------------

    def _open(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_result(why)

    def _go(self, *, failed: bool) -> None:
        """Take no more requests."""
        if not self.going:
            self.going = True
            self._admit()
            self.on_end(failed)
            if not self._streams and not self.gone:
                self._loop.call_soon(self.close)

    def _fail(self, error: Callable[[Exchange], Exception], *, failed: bool) -> None:
        """End all exchanges."""
        self._go(failed=failed)
        for number in list(self._streams):
            exchange = self._streams[number].exchange
            self._drop(number)
            exchange.fail(error(exchange))

    def _lost(self, exchange: Exchange, why: Ended) -> Exception:
        """Make the error of an exchange whose connection has ended."""
        if self._pool.closed:
            return final_error(CLOSED, exchange.request)
        if why.remote or why.code == NO_ERROR:
            return cut(None, exchange.request)
        return ProtocolError("the server broke HTTP/3, and the connection was closed", request=exchange.request)

    def _silence(self, exchange: Exchange) -> Exception:
        failure = ProtocolError(
            f"the HTTP/3 connection fell silent: no reply for {self._patience:.3g} s", request=exchange.request
        )
        failure.stale = exchange.request.call.reused and not exchange.headed
        return failure

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
        self._pool.alive += 1

    def lost(self) -> None:
        """Take in that the socket is closed."""
        self.ended(Ended(NO_ERROR, "", remote=False))
        self._pool.lost()

    def hinted(self, error: Exception) -> None:
        """Take in what the network says; a handshake is given up, as something else is tried beside it."""
        if not self.opened.done():
            self._open(f"{type(error).__name__}")
            self.close()
        elif self._asked is None and self._streams:
            self._ask()

    def moved(self) -> None:
        """Let those go on who wait for room."""
        if self.wire.heard > (self._asked or 0.0):
            self._asked, self.silent = None, False
        for stream in self._streams.values():
            if stream.room is not None and self._engine.unsent(stream.id) <= UNSENT:
                stream.wake()
        if self._queue:
            self._admit()

    def due(self) -> float | None:
        """Say when to look whether the connection is still of use."""
        if self._streams:
            return self.wire.heard + QUIET if self._asked is None else self._asked + self._patience
        return self._idle_since + self._pool.keepalive if self.opened.done() else None

    def look(self, now: float) -> None:
        """Look whether the connection is still of use (rule 4)."""
        if self.gone or not self.opened.done():
            return
        if not self._streams:
            if self.free:
                self.close()
            else:
                self._idle_since = now
        elif self._asked is not None:
            self._fail(self._silence, failed=True)
            self.close()
        else:
            self._ask()

    def _ask(self) -> None:
        """Ask the server for a sign of life."""
        self._asked = self._loop.time()
        self._engine.ping()
        self.wire.flush_later()

    def _admit(self) -> None:
        """Give places to those who wait for one, in turn; or the news that there will be none."""
        while self._queue and (self.going or self._engine.room > self._promised):
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(not self.going)
                self._promised += not self.going

    def _go_on(self) -> None:
        if not self._slow:
            self._engine.resume()
            self.moved()
            self.wire.flush_later()


def _unprocessed(message: str, exchange: Exchange) -> ProtocolError:
    failure = ProtocolError(message, request=exchange.request)
    failure.unprocessed = True
    return failure


def _note_wait(call: Call, waited: float, before: int) -> None:
    """Move the wait for a stream from the attempt's duration to its `queued`: it is time in a queue of ours."""
    if not call.attempts:
        return
    record = call.attempts[-1]
    record.started += waited
    record.queued += waited
    text = f"stream {waited:.3g} s behind {before}"
    record.held = f"{record.held}, {text}" if record.held else text
