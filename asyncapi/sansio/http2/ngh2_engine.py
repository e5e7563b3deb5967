"""Speak HTTP/2 by libnghttp2: the engine `ngh2`.

libnghttp2 keeps the rules of RFC 9113. What it leaves to its user, or does in another way than `pure`, is made equal
here:
1. Frames are counted before it sees them (`limits`): its own limits count by the clock, and one of them counts reads.
2. A push, or a PRIORITY frame without a stream, breaks the connection; libnghttp2 would refuse or ignore it.
3. An error that ends the connection takes libnghttp2's session away. The GOAWAY is then written here.
4. libnghttp2 refuses a malformed response without a word but the RST_STREAM. If the body is shorter than it should be,
   its last part is neither handed out nor given back to the connection's window: the window is made larger by as much.
5. Once no more streams can come and none is open, it takes no more bytes, and `pure` neither.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ngh2

from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.events import PROTOCOL_ERROR, ConnectionFault, Data, Head
from asyncapi.sansio.http2.gate import Gate
from asyncapi.sansio.http2.limits import BOMB, Meter
from asyncapi.sansio.http2.requests import Heads
from asyncapi.sansio.http2.responses import TOO_LARGE, CheckedSections
from asyncapi.sansio.http2.settings import ANY_STREAMS, FEW_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.sansio.http2.events import Event, Fault, Fields
    from asyncapi.sansio.http2.limits import Limits

_DEBUG = 256  # bytes kept of a GOAWAY's debug data
_NEVER = 2**31 - 1  # a limit that isn't reached: rule 1
_LARGEST_HEAD = 2**24


class _Stream:
    """One open stream.

    Attributes:
        sending: The request's body has not ended.
        ended: The response has ended.
        fields: The fields of the final head.
        got: How many bytes of the body have come.
    """

    __slots__ = ("ended", "fields", "got", "sending")

    def __init__(self, *, sending: bool) -> None:
        self.sending = sending
        self.ended = False
        self.fields: Fields = ()
        self.got = 0


class Ngh2Engine:
    """An `Engine` over libnghttp2."""

    def __init__(self, *, window: int, whole: int, limits: Limits) -> None:
        self.limit: int = FEW_STREAMS
        self.going: bool = False
        self.last: int = frames.LARGEST_STREAM
        self.fault: Fault | None = None
        self._window = window
        self._limits = limits
        self._meter = Meter(limits)
        self._session = ngh2.Connection(ngh2.Role.CLIENT, _configuration(limits))
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._open: dict[int, _Stream] = {}
        self._gate = Gate(self._meter, self._open)
        self._stalled: dict[int, None] = {}
        self._settled = False
        self._whole = max(whole, window, frames.FIRST_WINDOW)
        self._said = False  # libnghttp2 has written a GOAWAY itself
        self._sections = CheckedSections(limits.head)
        self._heads = Heads(ngh2.NeverIndexedHeader)
        self._kinds: dict[type, Callable[[Any], None]] = {
            ngh2.DataReceived: self._data, ngh2.ResponseReceived: self._head,
            ngh2.InformationalResponseReceived: self._head, ngh2.TrailersReceived: self._trailers,
            ngh2.StreamReset: self._reset, ngh2.StreamClosed: self._closed, ngh2.SettingsReceived: self._settings,
            ngh2.GoAwayReceived: self._goaway, ngh2.PingAcknowledged: self._pong, ngh2.ConnectionClosed: self._broken,
        }  # fmt: skip

    @property
    def streams(self) -> int:
        """As of an `Engine`."""
        return len(self._open)

    @property
    def free(self) -> int:
        """As of an `Engine`."""
        if self.going or not self._session.can_send_request:
            return 0
        return max(0, self.limit - len(self._open))

    @property
    def _over(self) -> bool:
        return self.going and not self._open

    def open(self) -> None:
        """As of an `Engine`."""
        self._session.initiate_connection(
            {
                frames.ENABLE_PUSH: 0,
                frames.INITIAL_WINDOW_SIZE: self._window,
                frames.MAX_HEADER_LIST_SIZE: self._limits.head,
            }
        )
        self._session.set_local_window_size(self._whole)

    def request(
        self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]], *, end: bool
    ) -> int:
        """As of an `Engine`."""
        if not self.free:
            raise RuntimeError("no stream is free on this connection")
        lines = self._heads.lines(method, scheme, authority, path, fields)
        stream = self._session.send_request(lines, end_stream=end)
        self._open[stream] = _Stream(sending=not end)
        self._meter.requested()
        return stream

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> int:
        """As of an `Engine`."""
        found = self._open.get(stream)
        if found is None or not found.sending:
            return 0
        self._drain()  # the head opens the stream
        size = len(data)
        taken = min(size, self._room(stream)) if size else 0
        end = end and taken == size
        if taken or end:
            self._session.send_data(stream, data if taken == size else data[:taken], end_stream=end)
            for _ in range(0, taken, frames.LEAST_FRAME):
                self._meter.sent()
            found.sending = not end
            self._drain()
        if taken < size:
            self._stalled[stream] = None
            return taken
        self._stalled.pop(stream, None)
        if end and found.ended:
            self._open.pop(stream, None)
        return taken

    def _room(self, stream: int) -> int:
        return min(self._session.remote_window_size, self._session.stream_remote_window_size(stream))

    def reset(self, stream: int, code: int = ev.CANCEL) -> None:
        """As of an `Engine`."""
        if self._open.pop(stream, None) is not None:
            self._stalled.pop(stream, None)
            self._session.reset_stream(stream, code)

    def acknowledge(self, stream: int, size: int) -> None:
        """As of an `Engine`."""
        if not self._over:
            self._session.acknowledge_received_data(size, stream)

    def ping(self, payload: bytes) -> None:
        """As of an `Engine`."""
        if not self._over:
            self._session.ping(payload)
            self._meter.requested()

    def close(self, code: int = ev.NO_ERROR) -> None:
        """As of an `Engine`."""
        if self.fault is None:
            self._drain()
            self._out.append(frames.goaway(0, code))
            self.going = True

    def outgoing(self) -> bytes:
        """As of an `Engine`."""
        self._drain()
        self._meter.written()
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def _drain(self) -> None:
        if self.fault is None:
            data = self._session.data_to_send()
            if data:
                self._out.append(data)

    def receive(self, data: bytes) -> list[Event]:
        """As of an `Engine`."""
        if self._over:
            return []
        events: list[Event] = []
        self._events = events
        self._drain()  # what has not been written yet opens no stream
        passed, fault = self._gate.walk(data)
        try:
            self._feed(data if fault is None else data[:passed])
            if fault is not None and not self._over:
                raise fault
        except ConnectionFault as broken:
            self._fail(broken)
        if self._stalled:
            self._wake()
        return events

    def _feed(self, data: bytes) -> None:
        fatal = None
        try:
            self._session.receive_data(data)
        except ngh2.DenialOfServiceError:
            fatal = ConnectionFault(ev.ENHANCE_YOUR_CALM, "the headers of a response are much too large")
        except ngh2.NGH2Error:
            fatal = ConnectionFault(PROTOCOL_ERROR, "the server breaks the rules of HTTP/2")
        self._report()
        if self._over:
            return
        if fatal is not None:
            raise fatal
        self._drain()  # libnghttp2's refusals are reported when they are written
        self._report()

    def _report(self) -> None:
        kinds = self._kinds
        for event in self._session.events():
            kind = kinds.get(type(event))
            if kind is not None:
                kind(event)
                if self.going and not self._open:
                    return

    def _fail(self, broken: ConnectionFault) -> None:
        self._open.clear()
        self._stalled.clear()
        self.going = True
        self.fault = ev.Fault(broken.code, broken.why)
        if not self._said:
            self._out.append(frames.goaway(0, broken.code))
        self._events.append(self.fault)

    def _wake(self) -> None:
        for stream in list(self._stalled):
            if self._room(stream):
                del self._stalled[stream]
                self._events.append(ev.Window(stream))

    def _data(self, event: ngh2.DataReceived) -> None:
        stream, end = event.stream_id, event.end_stream
        found = self._open.get(stream)
        if found is None:
            if event.data:
                self._session.acknowledge_received_data(len(event.data), stream)
            return
        if event.data or end:
            found.got += len(event.data)
            self._events.append(Data(stream, event.data, end))
        if end:
            self._end(stream, found)

    def _head(self, event: Any) -> None:
        found = self._open.get(event.stream_id)
        if found is None:
            return
        section = self._sections.read(event.headers)
        if section.why:
            self._refuse(event.stream_id, section.why)
        elif type(event) is ngh2.ResponseReceived:
            found.fields = section.fields
            self._events.append(Head(event.stream_id, section.status, section.fields, event.end_stream))
            if event.end_stream:
                self._end(event.stream_id, found)
        else:
            self._events.append(ev.Interim(event.stream_id, section.status, section.fields))

    def _trailers(self, event: ngh2.TrailersReceived) -> None:
        found = self._open.get(event.stream_id)
        if found is None:
            return
        section = self._sections.read(event.headers)
        if section.why or any(name == "content-length" for name, _ in section.fields):
            self._refuse(event.stream_id, section.why or "its trailers have what only a head may have")
            return
        self._events.append(ev.Trailers(event.stream_id, section.fields))
        self._end(event.stream_id, found)

    def _end(self, stream: int, found: _Stream) -> None:
        found.ended = True
        if not found.sending:
            del self._open[stream]

    def _refuse(self, stream: int, why: str) -> None:
        code = ev.ENHANCE_YOUR_CALM if why is TOO_LARGE else PROTOCOL_ERROR
        self.reset(stream, code)
        self._events.append(ev.Reset(stream, code, ours=True, why=why))

    def _reset(self, event: ngh2.StreamReset) -> None:
        if self._open.pop(event.stream_id, None) is not None:
            self._stalled.pop(event.stream_id, None)
            self._events.append(ev.Reset(event.stream_id, event.error_code))

    def _closed(self, event: ngh2.StreamClosed) -> None:
        """Take in that libnghttp2 has refused a response (rule 4); other ends are known already."""
        lost = self._gate.ends.pop(event.stream_id, 0)
        found = self._open.pop(event.stream_id, None)
        if found is None:
            return
        self._stalled.pop(event.stream_id, None)
        self._events.append(ev.Reset(event.stream_id, event.error_code, ours=True, why="it breaks the rules of HTTP/2"))
        if lost and found.got + lost < int(dict(found.fields).get("content-length", 0)):
            self._whole += lost
            with suppress(ngh2.ConnectionStateError):  # it may have ended since
                self._session.set_local_window_size(self._whole)

    def _settings(self, event: ngh2.SettingsReceived) -> None:
        self.limit = event.settings.get(frames.MAX_CONCURRENT_STREAMS, self.limit if self._settled else ANY_STREAMS)
        self._settled = True
        self._events.append(ev.Settings())

    def _goaway(self, event: ngh2.GoAwayReceived) -> None:
        self.going, self.last = True, event.last_stream_id
        unprocessed = tuple(each for each in self._open if each > self.last)
        for each in unprocessed:
            del self._open[each]
            self._stalled.pop(each, None)
        self._events.append(ev.GoAway(self.last, event.error_code, unprocessed, event.debug_data[:_DEBUG]))

    def _pong(self, event: ngh2.PingAcknowledged) -> None:
        self._events.append(ev.Pong(event.opaque_data))

    def _broken(self, event: ngh2.ConnectionClosed) -> None:
        """Take in that libnghttp2 has ended the connection; its own words say why."""
        self._said = True
        why = event.debug_data.decode("ascii", "replace") or ev.code_name(event.error_code)
        raise ConnectionFault(event.error_code, f"the server breaks the rules of HTTP/2: {why}")


def _configuration(limits: Limits) -> ngh2.Configuration:
    return ngh2.Configuration(
        auto_window_update=False,
        max_send_header_block_length=_LARGEST_HEAD,
        max_outbound_ack=_NEVER,
        max_settings=limits.settings,
        max_continuations=_NEVER,
        glitch_rate_limit=(_NEVER, _NEVER),
        max_inbound_header_list_size=limits.head * BOMB,
        max_inbound_header_count=limits.head * BOMB,
    )
