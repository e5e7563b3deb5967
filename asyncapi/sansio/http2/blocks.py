"""Put header blocks together from their frames (RFC 9113 sections 4.3, 6.2 and 6.10)."""

from __future__ import annotations

from asyncapi.sansio.http2.events import FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault
from asyncapi.sansio.http2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITIZED, unpadded

_PRIORITY = 5  # bytes, before the block: section 6.2


class Blocks:
    """The header blocks of one connection: one at a time.

    Attributes:
        stream: The stream of the block that is not whole yet; 0 between blocks.
        end: Whether the last block's stream ends with it.
    """

    stream: int
    end: bool

    def __init__(self) -> None:
        self.stream = 0
        self.end = False
        self._block = bytearray()

    def begin(self, flags: int, stream: int, payload: bytes) -> bytes | None:
        """Take in a HEADERS frame.

        Returns:
            The block, if it is whole.

        Raises:
            ConnectionFault: The frame is too short for its flags.
        """
        if flags & PADDED:
            payload = unpadded(payload)
        if flags & PRIORITIZED:
            if len(payload) < _PRIORITY:
                raise ConnectionFault(FRAME_SIZE_ERROR, "a HEADERS frame is too short for its flags")
            payload = payload[_PRIORITY:]
        self.end = flags & END_STREAM != 0
        if flags & END_HEADERS:
            return payload
        self.stream = stream
        self._block = bytearray(payload)
        return None

    def go_on(self, flags: int, payload: bytes) -> bytes | None:
        """Take in a CONTINUATION frame.

        Returns:
            The block, if it is whole.

        Raises:
            ConnectionFault: There is no block to continue.
        """
        if not self.stream:
            raise ConnectionFault(PROTOCOL_ERROR, "a CONTINUATION frame continues nothing")
        self._block += payload
        if not flags & END_HEADERS:
            return None
        self.stream = 0
        return bytes(self._block)
