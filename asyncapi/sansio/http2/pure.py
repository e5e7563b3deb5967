"""Speak HTTP/2 in Python: the engine `pure`, over `hpack` (RFC 9113).

Cases that the sections leave open, or that decide what a caller sees:
1. Frames for streams that are no more: DATA and HEADERS count for the connection's window and the header table, then
   are forgotten (section 5.1). For streams that never were: a connection error.
2. A stream that has ended in both directions is forgotten at once. A response that ends while the request's body is
   still being sent leaves the stream half open: the caller goes on, or resets it (section 8.1).
3. A malformed response is refused (RST_STREAM), and the connection goes on (section 8.1.1).
4. Wrong use of a stream's window is a connection error, as section 5.4.1 allows: a WINDOW_UPDATE of 0 or beyond the
   largest window, and DATA beyond what the window allows.
5. DATA on a stream that has seen no head at all is a connection error, too.
6. Padding is given back at once: the reader never sees it.
7. Our frames have at most 16 KiB, whatever the server allows: no upload holds up the others for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.blocks import Blocks
from asyncapi.sansio.http2.events import PROTOCOL_ERROR, ConnectionFault, Data, Head
from asyncapi.sansio.http2.frames import END_STREAM, PADDED
from asyncapi.sansio.http2.limits import PART, Meter
from asyncapi.sansio.http2.packing import Packer
from asyncapi.sansio.http2.responses import TOO_LARGE
from asyncapi.sansio.http2.settings import Settings
from asyncapi.sansio.http2.streams import Stream
from asyncapi.sansio.http2.unpacking import Unpacker
from asyncapi.sansio.http2.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.sansio.http2.events import Event, Fault
    from asyncapi.sansio.http2.limits import Limits

_DEBUG = 256  # bytes kept of a GOAWAY's debug data


class PureEngine:
    """An `Engine` in Python."""

    def __init__(self, *, window: int, whole: int, limits: Limits) -> None:
        self.going: bool = False
        self.last: int = frames.LARGEST_STREAM
        self.fault: Fault | None = None
        self._head_limit = limits.head
        self._meter = Meter(limits)
        self._packer = Packer()
        self._unpacker = Unpacker(limits)
        self._out: list[bytes] = []
        self._rest = b""
        self._events: list[Event] = []
        self._next = 1
        self._open: dict[int, Stream] = {}
        self._stalled: dict[int, None] = {}
        self._window = window
        self._windows = Windows(window, whole, self._out)
        self._sides = Settings(limits.settings, self._windows, self._packer)
        self._blocks = Blocks()
        self._kinds: dict[int, Callable[[int, int, bytes], None]] = {
            frames.DATA: self._data, frames.HEADERS: self._headers, frames.PRIORITY: self._priority,
            frames.RST_STREAM: self._reset, frames.SETTINGS: self._settings, frames.PUSH_PROMISE: self._push,
            frames.PING: self._ping, frames.GOAWAY: self._goaway, frames.WINDOW_UPDATE: self._window_update,
            frames.CONTINUATION: self._continuation,
        }  # fmt: skip

    @property
    def limit(self) -> int:
        """As of an `Engine`."""
        return self._sides.limit

    @property
    def streams(self) -> int:
        """As of an `Engine`."""
        return len(self._open)

    @property
    def free(self) -> int:
        """As of an `Engine`."""
        if self.going or self._next > frames.LARGEST_STREAM:
            return 0
        return max(0, self._sides.limit - len(self._open))

    def open(self) -> None:
        """As of an `Engine`."""
        self._out += (frames.PREFACE, self._sides.ours(self._window, self._head_limit))
        if more := self._windows.whole - frames.FIRST_WINDOW:
            self._out.append(frames.number(frames.WINDOW_UPDATE, 0, more))

    def request(
        self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]], *, end: bool
    ) -> int:
        """As of an `Engine`."""
        if not self.free:
            raise RuntimeError("no stream is free on this connection")
        block = self._packer.pack(method, scheme, authority, path, fields)
        windows, stream = self._windows, self._next
        self._next = stream + 2
        self._open[stream] = Stream(method, windows.first_room, windows.first_left, sending=not end)
        self._out.append(frames.head(stream, block, end=end))
        self._meter.requested()
        return stream

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> int:
        """As of an `Engine`."""
        found = self._open.get(stream)
        if found is None or not found.sending:
            return 0
        size = len(data)
        taken = max(0, min(size, self._windows.room, found.room))
        whole = taken == size
        end = end and whole
        for at in range(0, taken, frames.LEAST_FRAME) if taken else range(end):
            stop = min(at + frames.LEAST_FRAME, taken)
            flags = END_STREAM if end and stop == taken else 0
            self._out.append(frames.frame(frames.DATA, flags, stream, bytes(data[at:stop])))
            self._meter.sent()
        self._windows.room -= taken
        found.room -= taken
        if not whole:
            self._stalled[stream] = None
            return taken
        self._stalled.pop(stream, None)
        if end:
            found.sending = False
            if found.ended:
                del self._open[stream]
        return taken

    def reset(self, stream: int, code: int = ev.CANCEL) -> None:
        """As of an `Engine`."""
        if stream in self._open:
            self._forget(stream)
            self._out.append(frames.number(frames.RST_STREAM, stream, code))

    def _forget(self, stream: int) -> None:
        del self._open[stream]
        self._stalled.pop(stream, None)

    def acknowledge(self, stream: int, size: int) -> None:
        """As of an `Engine`."""
        self._windows.give_back(size)
        found = self._open.get(stream)
        if found is not None and not found.ended:
            self._windows.give_back_to(stream, found, size)

    def ping(self, payload: bytes) -> None:
        """As of an `Engine`."""
        if self._open or not self.going:
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
        meter, blocks, sides = self._meter, self._blocks, self._sides
        at, end, unpack, count = 0, len(buffer), frames.HEADER.unpack_from, meter.frame
        while end - at >= 9:  # noqa: PLR2004  # a frame's header: section 4.1
            upper, lower, kind, flags, stream = unpack(buffer, at)
            size = upper << 8 | lower
            stream &= frames.LARGEST_STREAM  # the first bit is reserved
            if blocks.stream and (kind != frames.CONTINUATION or stream != blocks.stream):  # section 6.10
                raise ConnectionFault(PROTOCOL_ERROR, "another frame comes where the rest of a head must")
            if not sides.begun and (kind != frames.SETTINGS or flags & frames.ACK):  # section 3.4
                raise ConnectionFault(PROTOCOL_ERROR, "the server begins without SETTINGS: it may not speak HTTP/2")
            if size > frames.LEAST_FRAME:
                raise ConnectionFault(ev.FRAME_SIZE_ERROR, "a frame is longer than 16,384 bytes")
            stop = at + 9 + size
            if stop > end:
                break
            if kind or not size:
                count(kind, flags, size)
            else:
                meter.earned += PART
            handler = self._kinds.get(kind)
            if handler is not None:  # unknown types are ignored: section 5.5
                handler(flags, stream, buffer[at + 9 : stop])
                if self.going and not self._open:
                    return
            at = stop
        self._rest = buffer[at:]

    def _wake(self) -> None:
        for stream in list(self._stalled) if self._windows.room > 0 else ():
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
        self._windows.receive(size)
        if found is None:
            self._windows.give_back(size)
            return
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if found.ended:
            raise ConnectionFault(ev.STREAM_CLOSED, "the server sent DATA after the end of a response")
        if not found.begun:
            raise ConnectionFault(PROTOCOL_ERROR, "the server sent DATA where a response begins")
        end = flags & END_STREAM != 0
        found.take(size)
        why = found.data(len(payload)) or (found.complete() if end else "")
        if why:
            self._windows.give_back(size)
            self._refuse(stream, PROTOCOL_ERROR, why)
            return
        if size != len(payload):  # case 6
            self._windows.give_back(size - len(payload))
            self._windows.give_back_to(stream, found, size - len(payload))
        if payload or end:
            self._events.append(Data(stream, payload, end))
        if end:
            self._end(stream, found)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        self._find(stream, "HEADERS")
        block = self._blocks.begin(flags, stream, payload)
        if block is not None:
            self._head(stream, block)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        block = self._blocks.go_on(flags, payload)
        if block is not None:
            self._head(stream, block)

    def _head(self, stream: int, block: bytes) -> None:
        end = self._blocks.end
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

    def _priority(self, _: int, stream: int, payload: bytes) -> None:
        frames.sized("PRIORITY", payload, 5)
        if not stream:
            raise ConnectionFault(PROTOCOL_ERROR, "a PRIORITY frame names no stream")

    def _reset(self, _: int, stream: int, payload: bytes) -> None:
        frames.sized("RST_STREAM", payload, 4)
        if self._find(stream, "RST_STREAM") is None:
            return
        self._forget(stream)
        self._events.append(ev.Reset(stream, frames.UINT32.unpack(payload)[0]))

    def _push(self, *_: object) -> None:
        raise ConnectionFault(PROTOCOL_ERROR, "the server pushes, though our settings forbid it")  # section 8.4

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        frames.for_connection("PING", stream)
        frames.sized("PING", payload, 8)
        if flags & frames.ACK:
            self._events.append(ev.Pong(payload))
        else:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, _: int, stream: int, payload: bytes) -> None:
        frames.for_connection("GOAWAY", stream)
        last, code = frames.going(payload)
        if last > self.last or (last and not last & 1):
            raise ConnectionFault(PROTOCOL_ERROR, "a GOAWAY frame names a stream that it may not")
        self.going, self.last = True, last
        unprocessed = tuple(each for each in self._open if each > last)
        for each in unprocessed:
            self._forget(each)
        self._events.append(ev.GoAway(last, code, unprocessed, payload[8 : 8 + _DEBUG]))

    def _window_update(self, _: int, stream: int, payload: bytes) -> None:
        frames.sized("WINDOW_UPDATE", payload, 4)
        more = frames.UINT32.unpack(payload)[0] & frames.LARGEST_WINDOW
        if not stream:
            self._windows.widen(more)
            return
        found = self._find(stream, "WINDOW_UPDATE")
        if found is not None:
            found.room = frames.grown(found.room, more)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        frames.for_connection("SETTINGS", stream)
        if answer := self._sides.receive(flags, payload, self._open.values()):
            self._out.append(answer)
            self._events.append(ev.Settings())
