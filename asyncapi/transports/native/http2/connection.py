"""One HTTP/2 connection: an asyncio protocol that carries many exchanges, each on a stream of its own (RFC 9113).

Rules:
1. Nothing is written before `begin`: the keys of the server have to be checked first. From then on, all that one turn
   of the loop has to say is written at its end, at once.
2. One timer a connection asks a silent server whether it is still there (PING, section 6.7) while requests are under
   way, and closes the connection where nothing was under way for a while.
3. A body that nobody reads holds back its own stream, and no other: the window of the connection is that of many
   streams.
4. What a server asks of us is bounded by the engine; while it doesn't read our answers, we don't read its frames.
5. After a GOAWAY, once it is retired, and when the identifiers of streams are used up (section 5.1.1), a connection
   takes no new streams, and closes after the last.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ProtocolError, TLSError, final_error
from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2.engine import Name, engine
from asyncapi.sansio.http2.limits import Limits
from asyncapi.transports import failures
from asyncapi.transports.native.http2 import incoming as http2_incoming
from asyncapi.transports.native.http2.failures import NEVER_WRITTEN, not_begun, silent
from asyncapi.transports.wire import heard

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.http2.engine import Engine
    from asyncapi.transports.native.http2.stream import Stream
    from asyncapi.transports.native.http2.streams import Streams

ENGINE: Name = "auto"  # tests choose

_PING = b"asyncapi"
_WINDOWS = 64  # of streams that nobody reads, in that of the connection (rule 3)
_MOST = 2**30
_IDENTIFIERS = 2**30  # of a client's streams: odd numbers below 2**31


class HTTP2Connection(asyncio.Protocol):
    """One connection of an origin.

    Args:
        streams: What it belongs to.

    Attributes:
        transport: asyncio's transport.
        engine: Reads and makes the frames.
        streams: The open streams, by their identifiers.
        reserved: How many free streams are promised to requests whose tasks are about to run.
        opened: How many streams were opened.
        heard: How often something was received.
        drained: There while asyncio's write buffer is full.
        owner: What it belongs to.
        begun: Whether it may be written to (rule 1).
        gone: Whether it is closed, or being closed.
        leaving: Whether it takes no new streams (rule 5).
    """

    def __init__(self, streams: Streams) -> None:
        settings, pool = streams.settings, streams.origin.pool
        self.transport: Any = None
        limits = Limits(head=pool.max_headers)
        self.engine: Engine = engine(ENGINE, window=settings.window, whole=_whole(settings.window), limits=limits)
        self.streams: dict[int, Stream] = {}
        self.reserved: int = 0
        self.opened: int = 0
        self.heard: int = 0
        self.drained: asyncio.Future[None] | None = None
        self.begun: bool = False
        self.gone: bool = False
        self.leaving: bool = False
        self.owner: Streams = streams
        self._origin, self._loop = streams.origin, pool.loop
        self._most = settings.streams
        self._ping = settings.ping
        self._unwritten: list[Stream] = []
        self._writes = False  # whether they will be written at the end of this turn
        self._last_heard = self._idle_since = self._loop.time()
        self._asked: float | None = None  # when the last PING was sent
        self._heard_before = 0  # how often something had been received then: clocks of loops can be coarse
        self._timer: asyncio.TimerHandle | None = None
        self._poll: Callable[[int], Any] | None = None

    # --- what the loop calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Take in asyncio's transport."""
        self.transport = transport
        self.engine.open()

    def begin(self) -> None:
        """Say hello: the connection may be used (rule 1)."""
        self.begun = True
        self._last_heard = self._idle_since = self._loop.time()
        self._write()
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        self.heard += 1
        self._last_heard = self._loop.time()
        http2_incoming.take(self, data)
        self.write_soon()
        if self.leaving and not self.streams:
            self.close()
        self.owner.advance()

    def connection_lost(self, error: Exception | None) -> None:
        """Take in that the connection is closed."""
        self._end(lambda stream: self._cut(stream, error))
        self._origin.pool.lost(self)

    def pause_writing(self) -> None:
        """Take in that asyncio's write buffer is full (rule 4)."""
        self.drained = self._loop.create_future()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Take in that the write buffer has room again."""
        if self.drained is not None:
            self.drained.set_result(None)
            self.drained = None
            self.transport.resume_reading()

    # --- what its streams call ---------------------------------------------------------------------------------------

    def open_stream(self, stream: Stream, *, end: bool) -> None:
        """Open a stream for its exchange.

        Raises:
            ValueError: A header can't be sent.
        """
        if stream.reserved:
            self.reserved -= 1
            stream.reserved = False
        exchange = stream.exchange
        request = exchange.request
        if self.gone or self.engine.going:  # in the turn in which the stream was promised
            exchange.fail(not_begun(NEVER_WRITTEN, request))
            return
        fields = self._origin.pool.fields.of(request, exchange.headers)
        authority = exchange.headers.get("Host") or self._origin.place.authority
        scheme = "https" if self._origin.place.secure else "http"
        stream.id = self.engine.request(request.method, scheme, authority, request.target.path, fields, end=end)
        stream.heard = self.heard
        if not self.streams:
            self._last_heard = self._loop.time()
        self.streams[stream.id] = stream
        self._unwritten.append(stream)
        self.opened += 1
        self.write_soon()
        if self.opened == _IDENTIFIERS:
            self.leave()

    def write_soon(self) -> None:
        """Write what there is to say at the end of this turn of the loop (rule 1)."""
        if not self._writes:
            self._writes = True
            self._loop.call_soon(self._write)

    def abandon(self, stream: Stream) -> None:
        """Reset a stream that nobody waits for any more; its neighbours don't notice."""
        if stream.reserved:
            stream.reserved = False
            self.reserved -= 1
        if self.streams.pop(stream.id, None) is not None:
            self.engine.reset(stream.id)
            self._released()
        self.owner.advance()

    # --- what the origin and the pool call ---------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many streams may be opened now, beside those that are promised."""
        if self.gone or self.leaving:
            return 0
        free = self.engine.free
        if self._most is not None:
            free = min(free, self._most - len(self.streams))
        return free - self.reserved

    def quiet(self) -> bool:
        """Whether the loop has seen all that came: the last of it may be a GOAWAY, or the end."""
        if self._poll is None:
            self._poll = heard(self.transport)
        return not self._poll(0)

    def retire(self) -> None:
        """Take no new streams, and close after the last (rule 5)."""
        self.leave()
        if not self.streams:
            self.close()

    def leave(self) -> None:
        """Take no new streams."""
        self.leaving = True
        self.owner.left(self)

    def shut(self) -> None:
        """End every exchange, because the client is closed."""
        self.engine.close()
        self.fail(lambda stream: final_error(failures.CLOSED, stream.exchange.request))

    def fail(self, why: Callable[[Stream], Exception]) -> None:
        """End every exchange, and hang up, after what is still to be said."""
        self._write()
        self._end(why)
        self.transport.abort()

    def close(self) -> None:
        """Say goodbye, and hang up; nothing is under way."""
        if not self.gone:
            self.engine.close()
            self.fail(lambda stream: self._cut(stream, None))

    # --- ends ------------------------------------------------------------------------------------------------------

    def finish(self, stream: Stream) -> None:
        """Forget a stream whose response is whole; the rest of its request is not wanted."""
        if self.streams.pop(stream.id, None) is not None:
            if not stream.sent:
                self.engine.reset(stream.id, ev.NO_ERROR)
                stream.wake()
            self._released()

    def end_stream(self, stream: Stream, error: Exception) -> None:
        """End the exchange of one stream."""
        if self.streams.pop(stream.id, None) is not None:
            self._released()
        stream.exchange.fail(error)
        stream.wake()

    def _released(self) -> None:
        self.write_soon()
        if not self.streams:
            self._idle_since = self._loop.time()
            if self.leaving:
                self._loop.call_soon(self._close_if_done)

    def _close_if_done(self) -> None:
        if self.leaving and not self.streams:
            self.close()

    def _end(self, why: Callable[[Stream], Exception]) -> None:
        """End every exchange, and leave the origin."""
        self.gone = self.leaving = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
            self.drained = None
        ended, self.streams = list(self.streams.values()), {}
        for stream in ended:
            stream.exchange.fail(why(stream))
            stream.wake()
        self.owner.left(self)
        self._origin.forget(self)

    def _cut(self, stream: Stream, error: Exception | None) -> Exception:
        """Make the error of a connection that was lost under an exchange."""
        exchange = stream.exchange
        request = exchange.request
        if self._origin.pool.closed:
            return final_error(failures.CLOSED, request)
        if isinstance(error, ssl.SSLError | ssl.CertificateError):
            broke = failures.tls_broke(error, request)
            if stream.written or isinstance(broke, TLSError):
                return broke
        if not stream.written:
            return not_begun(NEVER_WRITTEN, request)
        if exchange.headed and not isinstance(error, OSError):
            return ProtocolError("the body broke off: the connection was closed before its end", request=request)
        failure = failures.cut(error, request)
        # the server may have been there still when the request came
        failure.stale = failure.stale and stream.heard == self.heard
        return failure

    # --- writing, and the timer ------------------------------------------------------------------------------------

    def _write(self) -> None:
        self._writes = False
        if not self.begun or self.gone:
            return
        data = self.engine.outgoing()
        if data:
            self.transport.write(data)
        for stream in self._unwritten:
            stream.written = True
        self._unwritten.clear()

    def _tick(self) -> None:
        """Look after a silent or an idle connection (rule 2)."""
        now, keepalive = self._loop.time(), self._origin.pool.keepalive
        wait = keepalive
        if not self.streams:
            self._asked = None
            wait = self._idle_since + keepalive - now
            if wait <= 0:
                self.close()
                return
            wait = min(wait, self._ping or wait)  # so that no silence begins unseen
        elif self._ping is not None:
            if self.heard != self._heard_before:
                self._asked = None
            wait = (self._asked or self._last_heard) + self._ping - now
            if wait <= 0 and self._asked is not None:
                self.fail(lambda stream: silent(stream.exchange, self._ping or 0.0))
                return
            if wait <= 0:
                self._asked, self._heard_before, wait = now, self.heard, self._ping
                self.engine.ping(_PING)
                self.write_soon()
            wait = min(wait, keepalive)
        self._timer = self._loop.call_later(wait, self._tick)


def _whole(window: int) -> int:
    """Return how many unread bytes the server may send on a connection (rule 3)."""
    return max(window, min(_MOST, _WINDOWS * window))
