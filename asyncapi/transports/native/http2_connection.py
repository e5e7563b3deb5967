"""One HTTP/2 connection: an asyncio protocol that carries many exchanges, each on a stream of its own (RFC 9113).

Rules:
1. Nothing is written before `begin`: the keys of the server have to be checked first. From then on, all that one turn
   of the loop has to say is written at its end, at once.
2. A failure says whether the server may have begun the request. It has not where it says so (REFUSED_STREAM, a GOAWAY
   that leaves the stream out: section 8.7), and where the head was never written.
3. One timer a connection asks a silent server whether it is still there (PING, section 6.7) while requests are under
   way, and closes the connection where nothing was under way for a while.
4. What a server asks of us is bounded by the engine; while it doesn't read our answers, we don't read its frames.
5. After a GOAWAY, and once it is retired, a connection takes no new streams, and closes after the last.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ProtocolError, final_error
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2.engine import Name, engine
from asyncapi.sansio.http2.limits import Limits
from asyncapi.transports import failures
from asyncapi.transports.native.connection import heard
from asyncapi.transports.native.http2_stream import not_begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.http2.engine import Engine
    from asyncapi.transports.native.http2_stream import Stream
    from asyncapi.transports.native.http2_streams import Streams

ENGINE: Name = "auto"  # tests choose

_MISDIRECTED = 421
_CONTINUE = 100  # RFC 9110 section 15.2.1
_PING = b"asyncapi"


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
        begun: Whether it may be written to (rule 1).
        gone: Whether it is closed, or being closed.
        leaving: Whether it takes no new streams (rule 5).
    """

    def __init__(self, streams: Streams) -> None:
        settings, pool = streams.settings, streams.origin.pool
        self.transport: Any = None
        self.engine: Engine = engine(ENGINE, window=settings.window, limits=Limits(head=pool.max_headers))
        self.streams: dict[int, Stream] = {}
        self.reserved: int = 0
        self.opened: int = 0
        self.heard: int = 0
        self.drained: asyncio.Future[None] | None = None
        self.begun: bool = False
        self.gone: bool = False
        self.leaving: bool = False
        self._origin, self._owner, self._loop = streams.origin, streams, pool.loop
        self._most = settings.streams
        self._ping = settings.ping
        self._headed: list[Stream] = []  # whose head has come in this turn, and nothing of the body
        self._unwritten: list[Stream] = []
        self._writes = False  # whether they will be written at the end of this turn
        self._last_heard = self._idle_since = self._loop.time()
        self._asked: float | None = None  # when the PING was sent that nothing has come after
        self._timer: asyncio.TimerHandle | None = None
        self._poll: Callable[[int], Any] | None = None

    # --- what the loop calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Take in asyncio's transport."""
        self.transport = transport
        self._origin.pool.alive += 1
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
        for event in self.engine.receive(data):
            _TAKE[type(event)](self, event)
        for stream in self._headed:
            if stream.head is not None and stream.open:
                self._take_head(stream)
        self._headed.clear()
        self.write_soon()
        if self.leaving and not self.streams:
            self.close()
        self._owner.advance()

    def connection_lost(self, error: Exception | None) -> None:
        """Take in that the connection is closed."""
        self._end(lambda stream: self._cut(stream, error))
        self._origin.pool.lost()

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
            exchange.fail(not_begun("the connection was closed before it was sent", request))
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
        self._owner.advance()

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
        self.leaving = True
        self._owner.left(self)
        if not self.streams:
            self.close()

    def shut(self) -> None:
        """End every exchange, because the client is closed."""
        self._part()
        self.fail(lambda stream: final_error(failures.CLOSED, stream.exchange.request))

    def fail(self, why: Callable[[Stream], Exception]) -> None:
        """End every exchange, and hang up."""
        self._end(why)
        self.transport.abort()

    def close(self) -> None:
        """Say goodbye, and hang up; nothing is under way."""
        if not self.gone:
            self._part()
            self.fail(lambda stream: self._cut(stream, None))

    # --- events ----------------------------------------------------------------------------------------------------

    def _on_head(self, event: ev.Head) -> None:
        stream = self.streams.get(event.stream)
        if stream is None:
            return
        if event.status == _MISDIRECTED and not self._owner.prior and rewindable(stream.exchange.request):
            self._owner.require_http1()
            self.engine.reset(event.stream)
            self._fail(stream, not_begun("it wants HTTP/1.1 for this host (421)", stream.exchange.request))
            return
        stream.head = event
        if not event.end:
            self._headed.append(stream)
        elif not self._is_whole(stream, b"") and self._take_head(stream):
            self._finish(stream)
            stream.exchange.end()

    def _on_interim(self, event: ev.Interim) -> None:
        stream = self.streams.get(event.stream)
        if stream is not None and event.status == _CONTINUE:
            stream.proceed()

    def _on_data(self, event: ev.Data) -> None:
        stream, data = self.streams.get(event.stream), event.data
        if stream is None:
            self.engine.acknowledge(event.stream, len(data))
            return
        if stream.head is not None:
            if event.end and self._is_whole(stream, data):
                self.engine.acknowledge(event.stream, len(data))
                return
            if not self._take_head(stream):
                self.engine.acknowledge(event.stream, len(data))
                return
        failure = stream.take(data) if data else None
        if failure is not None:
            self.engine.reset(event.stream)
            self._fail(stream, failure)
        elif event.end:
            self._finish(stream)
            stream.exchange.end()

    def _on_trailers(self, event: ev.Trailers) -> None:
        stream = self.streams.get(event.stream)
        if stream is not None and (stream.head is None or self._take_head(stream)):
            self._finish(stream)
            stream.exchange.end(event.fields)

    def _on_reset(self, event: ev.Reset) -> None:
        stream = self.streams.get(event.stream)
        if stream is None:
            return
        required = event.code == ev.HTTP_1_1_REQUIRED and not event.ours
        if required and not self._owner.prior:
            self._owner.require_http1()
        if event.code == ev.REFUSED_STREAM and not event.ours:
            self._origin.pool.refused += 1
        error = _reset(stream, event)
        error.final = error.final or (required and self._owner.prior)
        self._fail(stream, error)

    def _on_goaway(self, event: ev.GoAway) -> None:
        self.leaving = True
        self._owner.left(self)
        for number in event.unprocessed:
            stream = self.streams.get(number)
            if stream is not None:
                self._origin.pool.refused += 1
                self._fail(stream, not_begun(_went_away(event.code), stream.exchange.request))

    def _on_settings(self, event: ev.Settings) -> None:
        """Take in that the limit may be another: `data_received` lets the queue look."""

    def _on_window(self, event: ev.Window) -> None:
        stream = self.streams.get(event.stream)
        if stream is not None:
            stream.go_on()

    def _on_pong(self, event: ev.Pong) -> None:
        """Take in that the server is there, as any bytes say."""

    def _on_fault(self, event: ev.Fault) -> None:
        self._write()
        self.fail(lambda stream: _broken(stream, event))

    # --- heads -----------------------------------------------------------------------------------------------------

    def _is_whole(self, stream: Stream, content: bytes) -> bool:
        """Settle the exchange if its response came in one turn, uncoded: the usual one."""
        head, exchange = stream.head, stream.exchange
        if head is None or exchange.request.call.open_bodies is not None:
            return False
        fields = CIMultiDict(head.fields)
        if "Content-Encoding" in fields:
            return False
        stream.head = None
        self._finish(stream)
        exchange.whole(head.status, "2", fields, content)
        return True

    def _take_head(self, stream: Stream) -> bool:
        """Begin the response of an exchange; returns whether its body is wanted."""
        head, stream.head = stream.head, None
        assert head is not None  # noqa: S101 - the callers look
        fields = CIMultiDict(head.fields)
        length = fields.get("Content-Length")
        failure = stream.exchange.begin(
            head.status, "2", fields, length=None if length is None or head.end else int(length), framed=True
        )
        if failure is not None:
            self.engine.reset(stream.id)
            self._fail(stream, failure)
        return failure is None

    # --- ends ------------------------------------------------------------------------------------------------------

    def _finish(self, stream: Stream) -> None:
        """Forget a stream whose response is whole; the rest of its request is not wanted."""
        if self.streams.pop(stream.id, None) is not None:
            if not stream.sent:
                self.engine.reset(stream.id, ev.NO_ERROR)
                stream.wake()
            self._released()

    def _fail(self, stream: Stream, error: Exception) -> None:
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
        self._owner.left(self)
        self._origin.forget(self)

    def _cut(self, stream: Stream, error: Exception | None) -> Exception:
        """Make the error of a connection that was lost under an exchange (rule 2)."""
        exchange = stream.exchange
        request = exchange.request
        if self._origin.pool.closed:
            return final_error(failures.CLOSED, request)
        if not stream.written:
            return not_begun("the connection was closed before it was sent", request)
        if isinstance(error, ssl.SSLError | ssl.CertificateError):
            return failures.tls_broke(error, request)
        if exchange.headed and not isinstance(error, OSError):
            return ProtocolError("the body broke off: the connection was closed before its end", request=request)
        failure = failures.cut(error, request)
        # the server may have been there still when the request came
        failure.stale = failure.stale and stream.heard == self.heard
        return failure

    def _part(self) -> None:
        """Say goodbye."""
        self.engine.close()
        self._write()

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
        """Look after a silent or an idle connection (rule 3)."""
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
            if self._asked is not None and self._last_heard > self._asked:
                self._asked = None
            wait = (self._asked or self._last_heard) + self._ping - now
            if wait <= 0 and self._asked is not None:
                self.fail(self._silent)
                return
            if wait <= 0:
                self._asked, wait = now, self._ping
                self.engine.ping(_PING)
                self.write_soon()
            wait = min(wait, keepalive)
        self._timer = self._loop.call_later(wait, self._tick)

    def _silent(self, stream: Stream) -> Exception:
        return ProtocolError(
            f"the server has not responded to a PING for {self._ping:g} s: the connection is taken for broken",
            request=stream.exchange.request,
        )


_TAKE: dict[type, Callable[[HTTP2Connection, Any], None]] = {
    ev.Head: HTTP2Connection._on_head,  # noqa: SLF001 - its own table
    ev.Data: HTTP2Connection._on_data,  # noqa: SLF001
    ev.Trailers: HTTP2Connection._on_trailers,  # noqa: SLF001
    ev.Interim: HTTP2Connection._on_interim,  # noqa: SLF001
    ev.Reset: HTTP2Connection._on_reset,  # noqa: SLF001
    ev.GoAway: HTTP2Connection._on_goaway,  # noqa: SLF001
    ev.Settings: HTTP2Connection._on_settings,  # noqa: SLF001
    ev.Window: HTTP2Connection._on_window,  # noqa: SLF001
    ev.Pong: HTTP2Connection._on_pong,  # noqa: SLF001
    ev.Fault: HTTP2Connection._on_fault,  # noqa: SLF001
}


def _went_away(code: int) -> str:
    reason = "" if code == ev.NO_ERROR else f", {ev.code_name(code)}"
    return f"it takes no more of them on this connection (GOAWAY{reason})"


def _reset(stream: Stream, event: ev.Reset) -> ProtocolError:
    """Make the error of a stream that was reset."""
    exchange = stream.exchange
    request = exchange.request
    if event.ours:
        if event.code == ev.ENHANCE_YOUR_CALM:
            return final_error(failures.TOO_MUCH, request)
        what = "the body broke off" if exchange.headed else "the response isn't valid HTTP"
        return ProtocolError(f"{what}: {event.why}", request=request)
    name = ev.code_name(event.code)
    if event.code in {ev.REFUSED_STREAM, ev.HTTP_1_1_REQUIRED} and not exchange.headed:
        return not_begun(f"it has refused the stream ({name})", request)
    what = "the body broke off" if exchange.headed else "there is no response"
    return ProtocolError(f"{what}: the server has reset the stream ({name})", request=request)


def _broken(stream: Stream, fault: ev.Fault) -> ProtocolError:
    exchange = stream.exchange
    what = "the body broke off" if exchange.headed else "the response isn't valid HTTP"
    return ProtocolError(f"{what}: {fault.why}", request=exchange.request)
