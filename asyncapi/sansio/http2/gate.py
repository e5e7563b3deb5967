"""Count the frames of a connection before libnghttp2 sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.events import PROTOCOL_ERROR, ConnectionFault
from asyncapi.sansio.http2.limits import PART

if TYPE_CHECKING:
    from collections.abc import Container

    from asyncapi.sansio.http2.limits import Meter

_CHECKED = frozenset({frames.PRIORITY, frames.PUSH_PROMISE})


class Gate:
    """Follow the frames of one connection by their headers.

    Args:
        meter: Counts them.
        streams: The streams that are open.

    Attributes:
        ends: The size of the last part of a body, by stream, until somebody takes it out.
    """

    def __init__(self, meter: Meter, streams: Container[int]) -> None:
        self._meter = meter
        self._open = streams
        self._begun = b""  # a part of a frame's header
        self._left = 0  # bytes to come of the last frame's payload
        self._first = True
        self._padded = 0  # the stream of a last part whose padding isn't known yet
        self.ends: dict[int, int] = {}

    def walk(self, data: bytes) -> tuple[int, ConnectionFault | None]:
        """Count the frames that begin in the data.

        Returns:
            Up to where libnghttp2 may read, and what is wrong with the next frame, if anything.
        """
        before = len(self._begun)
        if before:
            data = self._begun + data
        elif self._padded and data:
            self._unpad(data[0])
        meter = self._meter
        at, end, unpack, count = self._left, len(data), frames.HEADER.unpack_from, meter.frame
        while end - at >= 9:  # noqa: PLR2004  # a frame's header: section 4.1
            upper, lower, kind, flags, stream = unpack(data, at)
            size = upper << 8 | lower
            if kind or not size or self._first:
                try:
                    if self._first or kind in _CHECKED:
                        self._check(kind, flags, stream)
                    count(kind, flags, size)
                except ConnectionFault as fault:
                    return max(0, at - before), fault
            else:
                meter.earned += PART
                if flags & frames.END_STREAM:
                    self._last(stream & frames.LARGEST_STREAM, size, flags)
                    if self._padded and at + 9 < end:
                        self._unpad(data[at + 9])
            at += 9 + size
        self._begun = data[at:] if at < end else b""
        self._left = max(0, at - end)
        return end - before, None

    def _last(self, stream: int, size: int, flags: int) -> None:
        if stream in self._open and stream not in self.ends:
            self.ends[stream] = size
            if flags & frames.PADDED:
                self._padded = stream

    def _unpad(self, padding: int) -> None:
        if self._padded in self.ends:
            self.ends[self._padded] -= 1 + padding
        self._padded = 0

    def _check(self, kind: int, flags: int, stream: int) -> None:
        if self._first and (kind != frames.SETTINGS or flags & frames.ACK):
            raise ConnectionFault(PROTOCOL_ERROR, "the server begins without SETTINGS: it may not speak HTTP/2")
        self._first = False
        if kind == frames.PUSH_PROMISE:
            raise ConnectionFault(PROTOCOL_ERROR, "the server pushes, though our settings forbid it")
        if kind == frames.PRIORITY and not stream & frames.LARGEST_STREAM:
            raise ConnectionFault(PROTOCOL_ERROR, "a PRIORITY frame names no stream")
