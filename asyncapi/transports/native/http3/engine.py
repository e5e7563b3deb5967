"""One HTTP/3 connection without its socket: bytes in, bytes out, times passed in.

The library qh3 lacks some of what a client must have. It is added here:

1. Back-pressure. qh3 takes every byte out of QUIC's receive window at once, and so opens the window again. While
   `paused`, nothing is taken out: the server may send what the window holds and then waits. That stops all streams of
   the connection, since QUIC's own queue of events is one.
2. A stream that was cancelled is never looked at again: what still arrives for it is thrown away unread.
3. A stream that ends without a whole response, or in the middle of a frame, is a failure (RFC 9114 sections 4.1 and
   7.1). qh3 says nothing of the first, and takes a truncated DATA frame for a whole one.
4. What qh3 collects until a frame is whole is bounded: frames of unknown types may have any length.
5. No pushes: we allow none (RFC 9114 section 7.2.7), and a server that promises one anyway ends the connection.
6. Whatever goes wrong within qh3 ends the connection with a reason. No traceback reaches the loop, and no call waits
   for a connection that no longer works.
7. It may trip over what is left of a stream that was reset while it waited to be sent ("reserved stream is missing",
   2.1.0), or that ended. Asked again, it goes on, but what it had taken out by then may wait for ever. So such a
   connection takes no more requests, and once nothing else is under way, the requests that still wait are given up.
8. It may say a wrong final size where a stream is reset while some of it waits to be sent, and the server then ends the
   connection (FINAL_SIZE_ERROR, 2.1.0). So what has been written of a cancelled request is sent first, which is at most
   what the connection lets wait, and the stream is reset after that, or after some seconds.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from qh3.h3 import events as h3
from qh3.h3.connection import ErrorCode
from qh3.quic import events as quic
from qh3.quic.connection import QuicConnectionError

from asyncapi.transports.native.http3.quic import CANCELLED, HTTP3, NO_ERROR, Ended, Quic, ended_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from qh3.h3.connection import H3Stream
    from qh3.quic.configuration import QuicConfiguration

    from asyncapi.sansio.http.field_sections import Section


_COLLECTED = 64 * 1024  # bytes that may be collected beside a header section (rule 4)
_TRIES = 8  # rule 7
_SETTLES = 1.0  # seconds after which what still waits is looked at (rule 7)
_LINGERS = 5.0  # seconds (rule 8)
_PANIC = "PanicException"  # what Rust raises where it would crash: a BaseException, so that nobody catches it
_KIND, _SERVERS = 3, 1  # the low bits of a stream's id (RFC 9000 section 2.1)


class Listener(Protocol):
    """What hears of a connection's events."""

    def connected(self) -> None:
        """The handshake is done."""

    def interim(self, stream: int, section: Section) -> None:
        """A 1xx response has come."""

    def section(self, stream: int, section: Section, *, last: bool) -> None:
        """The fields of a response or its trailers have come."""

    def data(self, stream: int, data: bytes, *, last: bool) -> None:
        """Bytes of a body have come."""

    def cut(self, stream: int) -> None:
        """A stream has ended before its response was whole."""

    def reset(self, stream: int, code: int) -> None:
        """The server has ended a stream."""

    def unwanted(self, stream: int) -> None:
        """The server takes no more of a request's body."""

    def going_away(self, stream: int) -> None:
        """The server serves no stream from this one on."""

    def retire(self) -> None:
        """The connection had better take no more requests (rule 7)."""

    def stuck(self, stream: int, unsent: int) -> None:
        """So many bytes of a request will not be sent any more (rule 7)."""

    def ended(self, why: Ended) -> None:
        """The connection has ended; nothing follows."""


class Engine:
    """One connection.

    Args:
        configuration: Of qh3; whom it trusts is `trust.py`'s.
        listener: Hears of events, in the order in which they happen.
        max_section: Most bytes of a header section.

    Attributes:
        why: Why the connection has ended; None while it lives.
    """

    def __init__(self, configuration: QuicConfiguration, listener: Listener, max_section: int) -> None:
        self._quic = Quic(configuration=configuration)
        self._h3: HTTP3 | None = None
        self._listener = listener
        self._collect = max_section + _COLLECTED
        self._address: Any = None
        self._early: list[quic.StreamDataReceived] = []  # what came before `begin`: a server need not wait for us
        self._receiving: dict[int, H3Stream] = {}
        self._sending: set[int] = set()
        self._ending: dict[int, tuple[int, float]] = {}  # to be reset with this code, at the latest then (rule 8)
        self._look_at: float | None = None  # when to look for requests that wait for ever (rule 7)
        self.why: Ended | None = None

    # --- bytes and times ---------------------------------------------------------------------------------------------

    def start(self, address: tuple[str, int], now: float) -> None:
        """Begin the handshake with an address; the datagrams are `outgoing`'s."""
        self._address = address
        self._quic.connect(address, now)

    def receive(self, datagrams: list[bytes], now: float) -> None:
        """Take in datagrams."""
        try:
            self._quic.receive_many_datagrams(datagrams, self._address, now)
            self._deliver()
        except BaseException as error:
            self._fail(error)

    def tick(self, now: float) -> None:
        """Take in that `wake_at` has come."""
        try:
            self._quic.handle_timer(now)
            self._deliver()
            if self._look_at is not None and self._look_at <= now:
                self._look(now)
        except BaseException as error:
            self._fail(error)

    def outgoing(self, now: float) -> list[bytes]:
        """Return the datagrams to send now."""
        datagrams = self._datagrams(now)
        if self._ending and self._reset(now):
            datagrams += self._datagrams(now)
        return datagrams

    def _datagrams(self, now: float) -> list[bytes]:
        for left in reversed(range(_TRIES)):
            try:
                return [data for data, _ in self._quic.datagrams_to_send(now)]
            except ValueError as error:  # rule 7
                self._look_at = now + _SETTLES
                self._listener.retire()
                if not left:
                    self._fail(error)
            except BaseException as error:
                self._fail(error)
                break
        return []

    @property
    def wake_at(self) -> float | None:
        """When `tick` is to be called; None for never."""
        timer = self._quic.get_timer()
        if self._look_at is None or self.why is not None:
            return timer
        return self._look_at if timer is None else min(timer, self._look_at)

    def _look(self, now: float) -> None:
        """Give up the requests that wait for ever (rule 7)."""
        if self.why is not None:
            return
        if self._quic.should_wait_for_ack(now):
            self._look_at = now + _SETTLES
            return
        self._look_at = None
        for stream in list(self._receiving):
            if unsent := self.unsent(stream):
                self._listener.stuck(stream, unsent)

    # --- the connection ----------------------------------------------------------------------------------------------

    def certificates(self) -> list[bytes]:
        """Return the certificates that the server has sent, in DER, its own first."""
        own = self._quic.get_peercert()
        return [] if own is None else [each.public_bytes() for each in (own, *self._quic.get_issuercerts())]

    def begin(self) -> None:
        """Begin HTTP/3, once the handshake is done and the server is the right one: nothing is sent before."""
        self._h3 = HTTP3(self._quic)
        early, self._early = self._early, []
        for event in early:
            self._stream_data(event)
        self._notice()

    @property
    def room(self) -> int:
        """How many requests the server takes now (RFC 9000 section 4.6)."""
        if self.why is not None or self._h3 is None:
            return 0
        return self._quic.max_concurrent_bidi_streams - self._quic.get_next_available_stream_id() // 4

    def pause(self) -> None:
        """Take nothing more out of the receive window (rule 1)."""
        self._quic.paused = True

    def resume(self) -> None:
        """Take out what has come meanwhile, and go on."""
        self._quic.paused = False
        try:
            self._quic._drain_core()  # noqa: SLF001 - rule 1
            self._deliver()
        except BaseException as error:
            self._fail(error)

    def ping(self) -> None:
        """Ask the server for a sign of life."""
        with suppress(QuicConnectionError):
            self._quic.send_ping(0)

    def close(self, code: int = NO_ERROR) -> None:
        """End the connection; `outgoing` has the datagram that tells the server."""
        with suppress(Exception):
            self._quic.close(code)
        self._end(Ended(code, "", remote=False))

    # --- streams -----------------------------------------------------------------------------------------------------

    def request(self, section: Section, *, last: bool) -> int:
        """Open a stream with the fields of a request, where there is `room`; returns its id."""
        assert self._h3 is not None  # noqa: S101 - `begin` comes first
        stream = self._quic.get_next_available_stream_id()
        self._h3.send_headers(stream, section, end_stream=last)
        state = self._h3.state(stream)
        assert state is not None  # noqa: S101 - it has just been made
        self._receiving[stream] = state
        if not last:
            self._sending.add(stream)
        return stream

    def send(self, stream: int, data: bytes, *, last: bool) -> bool:
        """Send bytes of a body; returns False where the server takes no more."""
        if stream not in self._sending or self._h3 is None or self.why is not None:
            return False
        if data or last:
            self._h3.send_data(stream, data, end_stream=last)
        if last:
            self._sending.discard(stream)
        return True

    def unsent(self, stream: int) -> int:
        """Return how many bytes of a stream wait to be sent."""
        return self._quic.get_send_buffer_size(stream) if self.why is None else 0

    def cancel(self, stream: int, code: int = CANCELLED) -> None:
        """End what is left of a stream, in both directions (RFC 9114 section 4.1.1)."""
        if stream in self._sending:
            self._sending.discard(stream)
            self._ending[stream] = code, inf
        if self._receiving.pop(stream, None) is not None:
            self._stop(self._quic.stop_stream, stream, code)
        if self._h3 is not None:
            self._h3.forget(stream)

    def _reset(self, now: float) -> bool:
        """Reset the streams whose time has come (rule 8); returns whether there was one."""
        due: list[int] = []
        for stream, (code, until) in self._ending.items():
            if until == inf:
                self._ending[stream] = code, now + _LINGERS
            if not self.unsent(stream) or now >= until:
                due.append(stream)
        for stream in due:
            self._stop(self._quic.reset_stream, stream, self._ending.pop(stream)[0])
        return bool(due)

    def _stop(self, stop: Callable[[int, int], None], stream: int, code: int) -> None:
        if self.why is None:
            with suppress(QuicConnectionError, ValueError):  # it has ended by itself meanwhile
                stop(stream, code)

    # --- events ------------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        ours = self._quic
        while self.why is None and (event := ours.next_event()) is not None:
            match event:
                case quic.StreamDataReceived():
                    self._stream_data(event)
                case quic.StreamReset() | quic.StopSendingReceived():
                    self._dispatch(event)
                case quic.HandshakeCompleted():
                    self._listener.connected()
                case quic.ConnectionTerminated():
                    self._end(ours.closing or ended_by(event))
        self._notice()

    def _notice(self) -> None:
        """Take in that the connection was closed, by qh3 (HTTP/3 was broken, or the handshake) or by the server."""
        if self.why is not None:
            return
        if self._quic.closing is not None:
            self._end(self._quic.closing)
        elif (closed := self._quic._close_event) is not None:  # noqa: SLF001 - the event comes when draining is over
            self._end(ended_by(closed))

    def _stream_data(self, event: quic.StreamDataReceived) -> None:
        stream, h3_ = event.stream_id, self._h3
        if h3_ is None:
            self._early.append(event)
            return
        if stream & _KIND == _SERVERS:  # RFC 9114 section 6.1
            self._quic.close(ErrorCode.H3_STREAM_CREATION_ERROR)
            return
        ours = stream & _KIND == 0
        if ours and stream not in self._receiving:  # rule 2
            return
        self._dispatch(event)
        state = self._receiving.get(stream) if ours else h3_.state(stream)
        if state is None:
            return
        if len(state.buffer) > self._collect:  # rule 4
            self._quic.close(ErrorCode.H3_EXCESSIVE_LOAD)
        elif ours and event.end_stream and not state.blocked:  # rule 3
            self._cut(stream)

    def _dispatch(self, raw: quic.QuicEvent) -> None:
        if self._h3 is None:
            return
        listener, receiving = self._listener, self._receiving
        for event in self._h3.handle_event(raw):
            match event:
                case h3.DataReceived() if event.stream_id in receiving:
                    stream = event.stream_id
                    listener.data(stream, event.data, last=event.stream_ended and self._whole(stream))
                case h3.HeadersReceived() if event.stream_id in receiving:
                    stream = event.stream_id
                    listener.section(stream, event.headers, last=event.stream_ended and self._whole(stream))
                case h3.InformationalHeadersReceived() if event.stream_id in receiving:
                    listener.interim(event.stream_id, event.headers)
                case h3.StreamReset() if receiving.pop(event.stream_id, None) is not None:
                    listener.reset(event.stream_id, event.error_code)
                case h3.StopSending():
                    self._unwanted(event.stream_id)
                case h3.GoawayReceived():
                    listener.going_away(event.stream_id)
                case h3.PushPromiseReceived():  # rule 5
                    self._quic.close(ErrorCode.H3_ID_ERROR)

    def _unwanted(self, stream: int) -> None:
        self._ending.pop(stream, None)  # qh3 has reset it by itself
        if stream in self._sending:
            self._sending.discard(stream)
            self._listener.unwanted(stream)

    def _whole(self, stream: int) -> bool:
        """Whether a stream that has ended did so between two frames; then nothing follows."""
        state = self._receiving[stream]
        if state.frame_size or state.buffer:
            return False  # `_stream_data` goes on
        del self._receiving[stream]
        return True

    def _cut(self, stream: int) -> None:
        if self._receiving.pop(stream, None) is not None:
            self._listener.cut(stream)

    def _fail(self, error: BaseException) -> None:
        """End the connection with what went wrong in qh3; what is none of its errors is raised again (rule 6)."""
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise error
        with suppress(Exception):
            self._quic.close(ErrorCode.H3_INTERNAL_ERROR)
        self._end(Ended(int(ErrorCode.H3_INTERNAL_ERROR), f"{type(error).__name__}: {error}", remote=False))

    def _end(self, why: Ended) -> None:
        if self.why is None:
            self.why = why
            self._listener.ended(why)
