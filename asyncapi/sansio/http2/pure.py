"""Speak HTTP/2 in Python: the engine `pure`, over `hpack` (RFC 9113).

Cases that the sections leave open, or that decide what a caller sees:
1. Frames for streams that are no more: DATA and HEADERS count for the connection's window and the header table, then
   are forgotten (section 5.1). For streams that never were: a connection error.
2. A stream that has ended in both directions is forgotten at once. A response that ends while the request's body is
   still being sent leaves the stream half open: the caller goes on, or resets it (section 8.1).
3. A malformed response is refused (RST_STREAM), and the connection goes on (section 8.1.1).
4. A WINDOW_UPDATE of 0 or beyond the largest window is a connection error, on a stream, too (section 5.4.1 allows it).
5. Padding is given back at once: the reader never sees it.
6. Our frames have at most 16 KiB, whatever the server allows: no upload holds up the others for long.
7. Our settings count once the server has acknowledged them; until then the larger window does (section 6.5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.events import PROTOCOL_ERROR, ConnectionFault, Data, Head
from asyncapi.sansio.http2.frames import END_HEADERS, END_STREAM, PADDED
from asyncapi.sansio.http2.limits import Meter
from asyncapi.sansio.http2.packing import Packer
from asyncapi.sansio.http2.responses import TOO_LARGE
from asyncapi.sansio.http2.streams import Stream
from asyncapi.sansio.http2.unpacking import Unpacker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.sansio.http2.events import Event, Fault
    from asyncapi.sansio.http2.limits import Limits

_FEW_STREAMS = 100  # until the server says how many: section 6.5.2 recommends no fewer
_ANY_STREAMS = 2**32 - 1
_DEBUG = 256  # bytes kept of a GOAWAY's debug data


class PureEngine:
    """An `Engine` in Python."""

    def __init__(self, *, window: int, limits: Limits) -> None:
        self.limit = _FEW_STREAMS
        self.going = False
        self.last = frames.LARGEST_STREAM
        self.fault: Fault | None = None
        self._limits = limits
        self._meter = Meter(limits)
        self._packer = Packer()
        self._unpacker = Unpacker(limits)
        self._out: list[bytes] = []
        self._rest = b""
        self._events: list[Event] = []
        self._next = 1
        self._open: dict[int, Stream] = {}
        self._stalled: dict[int, None] = {}
        # what we may send
        self._room = self._first_room = frames.FIRST_WINDOW
        # what the server may send
        self._window = window
        self._whole = self._left = max(window, frames.FIRST_WINDOW)
        self._first_left = self._whole  # case 7
        self._unread = 0
        self._unsettled = 0  # SETTINGS of ours that are not acknowledged
        # what must come next: the first frame is SETTINGS (section 3.4), CONTINUATION follows an unfinished head
        self._expected: int | None = frames.SETTINGS
        self._block = bytearray()
        self._block_of = self._block_flags = 0
        self._kinds: dict[int, Callable[[int, int, bytes], None]] = {
            frames.DATA: self._data, frames.HEADERS: self._headers, frames.PRIORITY: self._priority,
            frames.RST_STREAM: self._reset, frames.SETTINGS: self._settings, frames.PUSH_PROMISE: self._push,
            frames.PING: self._ping, frames.GOAWAY: self._goaway, frames.WINDOW_UPDATE: self._window_update,
            frames.CONTINUATION: self._continuation,
        }  # fmt: skip

    @property
    def streams(self) -> int:
        """As of an `Engine`."""
        return len(self._open)

    @property
    def free(self) -> int:
        """As of an `Engine`."""
        if self.going or self._next > frames.LARGEST_STREAM:
            return 0
        return max(0, self.limit - len(self._open))

    # --- out ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """As of an `Engine`."""
        ours = {
            frames.ENABLE_PUSH: 0,
            frames.INITIAL_WINDOW_SIZE: self._window,
            frames.MAX_HEADER_LIST_SIZE: self._limits.head,
        }
        self._out += (frames.PREFACE, frames.settings(ours))
        self._unsettled += 1
        if self._whole > frames.FIRST_WINDOW:
            self._out.append(frames.number(frames.WINDOW_UPDATE, 0, self._whole - frames.FIRST_WINDOW))

    def request(
        self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]], *, end: bool
    ) -> int:
        """As of an `Engine`."""
        if not self.free:
            raise RuntimeError("no stream is free on this connection")
        block = self._packer.pack(method, scheme, authority, path, fields)
        stream = self._next
        self._next = stream + 2
        self._open[stream] = Stream(method, self._first_room, self._first_left, sending=not end)
        self._out.append(frames.head(stream, block, end=end))
        self._meter.requested()
        return stream

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> int:
        """As of an `Engine`."""
        found = self._open.get(stream)
        if found is None or not found.sending:
            return 0
        size = len(data)
        taken = max(0, min(size, self._room, found.room))
        whole = taken == size
        end = end and whole
        for at in range(0, taken, frames.LEAST_FRAME) if taken else range(end):
            stop = min(at + frames.LEAST_FRAME, taken)
            flags = END_STREAM if end and stop == taken else 0
            self._out.append(frames.frame(frames.DATA, flags, stream, bytes(data[at:stop])))
            self._meter.sent()
        self._room -= taken
        found.room -= taken
        if end:
            found.sending = False
            if found.ended:
                del self._open[stream]
        elif not whole:
            self._stalled[stream] = None
        return taken

    def reset(self, stream: int, code: int = ev.CANCEL) -> None:
        """As of an `Engine`."""
        if self._open.pop(stream, None) is not None:
            self._stalled.pop(stream, None)
            self._out.append(frames.number(frames.RST_STREAM, stream, code))

    def acknowledge(self, stream: int, size: int) -> None:
        """As of an `Engine`."""
        self._give_back(size)
        found = self._open.get(stream)
        if found is not None and not found.ended:
            self._give_back_to(stream, found, size)

    def _give_back(self, size: int) -> None:
        """Give room back to the connection, half a window at a time."""
        self._unread += size
        if 2 * self._unread >= self._whole:
            self._left += self._unread
            self._out.append(frames.number(frames.WINDOW_UPDATE, 0, self._unread))
            self._unread = 0

    def _give_back_to(self, stream: int, found: Stream, size: int) -> None:
        found.unread += size
        if 2 * found.unread >= self._window:
            found.left += found.unread
            self._out.append(frames.number(frames.WINDOW_UPDATE, stream, found.unread))
            found.unread = 0

    def ping(self, payload: bytes) -> None:
        """As of an `Engine`."""
        self._out.append(frames.frame(frames.PING, 0, 0, payload))
        self._meter.requested()

    def close(self, code: int = ev.NO_ERROR) -> None:
        """As of an `Engine`."""
        if self.fault is None:
            self.going = True
            self._out.append(frames.goaway(0, code))

    def outgoing(self) -> bytes:
        """As of an `Engine`."""
        data = b"".join(self._out)
        self._out.clear()
        self._meter.written()
        return data

    # --- in ----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """As of an `Engine`."""
        if self.going and not self._open:
            return []  # nothing can come that anybody waits for
        events: list[Event] = []
        self._events = events
        try:
            self._read(self._rest + data if self._rest else data)
        except ConnectionFault as broken:
            self.fault = ev.Fault(broken.code, broken.why)
            self.going = True
            self._open.clear()
            self._stalled.clear()
            self._out.append(frames.goaway(0, broken.code))
            events.append(self.fault)
        if self._stalled:
            self._wake()
        return events

    def _read(self, buffer: bytes) -> None:
        at, end, unpack, count = 0, len(buffer), frames.HEADER.unpack_from, self._meter.frame
        while end - at >= 9:  # noqa: PLR2004  # a frame's header: section 4.1
            upper, lower, kind, flags, stream = unpack(buffer, at)
            size = upper << 8 | lower
            stream &= frames.LARGEST_STREAM  # the first bit is reserved
            if self._expected is not None:
                self._expect(kind, flags, stream)
            if size > frames.LEAST_FRAME:
                raise ConnectionFault(ev.FRAME_SIZE_ERROR, "a frame is longer than 16,384 bytes")
            stop = at + 9 + size
            if stop > end:
                break
            count(kind, flags, size)
            handler = self._kinds.get(kind)
            if handler is not None:  # unknown types are ignored: section 5.5
                handler(flags, stream, buffer[at + 9 : stop])
                if self.going and not self._open:
                    return
            at = stop
        self._rest = buffer[at:]

    def _expect(self, kind: int, flags: int, stream: int) -> None:
        if self._expected == frames.SETTINGS:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise ConnectionFault(PROTOCOL_ERROR, "the server begins without SETTINGS: it may not speak HTTP/2")
            return
        if kind != frames.CONTINUATION or stream != self._block_of:  # section 6.10
            raise ConnectionFault(PROTOCOL_ERROR, "another frame comes where the rest of a head must")

    def _wake(self) -> None:
        for stream in list(self._stalled) if self._room > 0 else ():
            if self._open[stream].room > 0:
                del self._stalled[stream]
                self._events.append(ev.Window(stream))

    def _find(self, stream: int, kind: str) -> Stream | None:
        """Find an open stream; None for one that is no more (case 1)."""
        found = self._open.get(stream)
        if found is None and (stream >= self._next or not stream & 1):
            raise ConnectionFault(PROTOCOL_ERROR, f"a {kind} frame names a stream that was never opened")
        return found

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        found = self._find(stream, "DATA")
        self._left -= size
        if self._left < 0:
            raise ConnectionFault(ev.FLOW_CONTROL_ERROR, "the server sent more than the connection's window allows")
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if found is None:
            self._give_back(size)
            return
        if found.ended:
            raise ConnectionFault(ev.STREAM_CLOSED, "the server sent DATA after the end of a response")
        end = flags & END_STREAM != 0
        found.left -= size
        why = found.data(len(payload)) or (found.complete() if end else "")
        if why or found.left < 0:
            self._give_back(size)
            code = PROTOCOL_ERROR if why else ev.FLOW_CONTROL_ERROR
            self._refuse(stream, code, why or "it is longer than its window allows")
            return
        if size != len(payload):  # case 5
            self._give_back(size - len(payload))
            self._give_back_to(stream, found, size - len(payload))
        if payload or end:
            self._events.append(Data(stream, payload, end))
        if end:
            self._end(stream, found)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        self._find(stream, "HEADERS")
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if flags & frames.PRIORITIZED:
            if len(payload) < 5:  # noqa: PLR2004  # section 6.2
                raise ConnectionFault(ev.FRAME_SIZE_ERROR, "a HEADERS frame is too short for its flags")
            payload = payload[5:]
        if flags & END_HEADERS:
            self._head(flags & END_STREAM != 0, stream, payload)
            return
        self._expected, self._block_of, self._block_flags = frames.CONTINUATION, stream, flags
        self._block = bytearray(payload)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._expected is None:
            raise ConnectionFault(PROTOCOL_ERROR, "a CONTINUATION frame continues nothing")
        self._block += payload
        if flags & END_HEADERS:
            self._expected = None
            self._head(self._block_flags & END_STREAM != 0, stream, bytes(self._block))

    def _head(self, end: bool, stream: int, block: bytes) -> None:
        section = self._unpacker.unpack(block)  # for every stream: the table must follow (case 1)
        found = self._open.get(stream)
        if found is None:
            return
        if found.ended:
            raise ConnectionFault(ev.STREAM_CLOSED, "the server sent a head after the end of a response")
        headed = found.headed
        why = found.trailers(section, end=end) if headed else found.head(section, end=end)
        if why:
            self._refuse(stream, ev.ENHANCE_YOUR_CALM if why is TOO_LARGE else PROTOCOL_ERROR, why)
            return
        if headed:
            self._events.append(ev.Trailers(stream, section.fields))
        elif found.headed:
            self._events.append(Head(stream, section.status, section.fields, end))
        else:
            self._events.append(ev.Interim(stream, section.status, section.fields))
        if end:
            self._end(stream, found)

    def _end(self, stream: int, found: Stream) -> None:
        found.ended = True
        if not found.sending:
            del self._open[stream]

    def _refuse(self, stream: int, code: int, why: str) -> None:
        """Refuse a malformed response (case 3)."""
        self.reset(stream, code)
        self._events.append(ev.Reset(stream, code, ours=True, why=why))

    def _priority(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        if not stream:
            raise ConnectionFault(PROTOCOL_ERROR, "a PRIORITY frame names no stream")
        frames.sized("PRIORITY", payload, 5)

    def _reset(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        frames.sized("RST_STREAM", payload, 4)
        if self._find(stream, "RST_STREAM") is None:
            return
        del self._open[stream]
        self._stalled.pop(stream, None)
        self._events.append(ev.Reset(stream, frames.UINT32.unpack(payload)[0]))

    def _push(self, flags: int, stream: int, payload: bytes) -> None:
        del flags, stream, payload
        raise ConnectionFault(PROTOCOL_ERROR, "the server pushes, though our settings forbid it")  # section 8.4

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        frames.whole("PING", stream)
        frames.sized("PING", payload, 8)
        if flags & frames.ACK:
            self._events.append(ev.Pong(payload))
        else:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        frames.whole("GOAWAY", stream)
        if len(payload) < 8:  # noqa: PLR2004  # section 6.8
            raise ConnectionFault(ev.FRAME_SIZE_ERROR, "a GOAWAY frame is too short")
        last, code = frames.GOING.unpack_from(payload)
        last &= frames.LARGEST_STREAM
        if last > self.last or (last and not last & 1):
            raise ConnectionFault(PROTOCOL_ERROR, "a GOAWAY frame names a stream that it may not")
        self.going, self.last = True, last
        unprocessed = tuple(each for each in self._open if each > last)
        for each in unprocessed:
            del self._open[each]
            self._stalled.pop(each, None)
        self._events.append(ev.GoAway(last, code, unprocessed, payload[8 : 8 + _DEBUG]))

    def _window_update(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        frames.sized("WINDOW_UPDATE", payload, 4)
        more = frames.UINT32.unpack(payload)[0] & frames.LARGEST_WINDOW
        if not more:
            raise ConnectionFault(PROTOCOL_ERROR, "a WINDOW_UPDATE frame adds nothing")  # case 4
        if not stream:
            self._room = frames.grown(self._room, more)
            return
        found = self._find(stream, "WINDOW_UPDATE")
        if found is not None:
            found.room = frames.grown(found.room, more)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        frames.whole("SETTINGS", stream)
        if flags & frames.ACK:
            self._settled(payload)
            return
        if len(payload) % 6:
            raise ConnectionFault(ev.FRAME_SIZE_ERROR, "a SETTINGS frame has a part of a setting")
        if len(payload) > 6 * self._limits.settings:
            raise ConnectionFault(ev.ENHANCE_YOUR_CALM, "a SETTINGS frame has too many settings")
        if self._expected is not None:
            self._expected, self.limit = None, _ANY_STREAMS
        for setting, value in frames.SETTING.iter_unpack(payload):
            self._set(setting, value)
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._events.append(ev.Settings())

    def _settled(self, payload: bytes) -> None:
        """Take in that the server keeps our settings from now on (case 7)."""
        frames.sized("SETTINGS", payload, 0)
        if not self._unsettled:
            raise ConnectionFault(PROTOCOL_ERROR, "the server acknowledges settings that were not sent")
        self._unsettled -= 1
        less = self._first_left - self._window
        self._first_left = self._window
        for found in self._open.values():
            found.left -= less

    def _set(self, setting: int, value: int) -> None:
        """Keep a setting of the server (section 6.5.2)."""
        if setting == frames.MAX_CONCURRENT_STREAMS:
            self.limit = value
        elif setting == frames.INITIAL_WINDOW_SIZE:
            if value > frames.LARGEST_WINDOW:
                raise ConnectionFault(ev.FLOW_CONTROL_ERROR, "a setting makes the windows too large")
            more, self._first_room = value - self._first_room, value
            for found in self._open.values():
                found.room = frames.grown(found.room, more)
        elif setting == frames.MAX_FRAME_SIZE:
            if not frames.LEAST_FRAME <= value <= frames.LARGEST_FRAME:
                raise ConnectionFault(PROTOCOL_ERROR, "a setting has a value that it may not")
        elif setting == frames.HEADER_TABLE_SIZE:
            self._packer.resize(value)
        elif setting == frames.ENABLE_PUSH and value:
            raise ConnectionFault(PROTOCOL_ERROR, "a setting has a value that it may not")
