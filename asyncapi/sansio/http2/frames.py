"""Write HTTP/2 frames, and name their types, flags and settings (RFC 9113 sections 4, 6 and 6.5.2)."""

from __future__ import annotations

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6

FIRST_WINDOW = 65_535  # of the connection, and of streams until settings say otherwise: section 6.9.2
LARGEST_WINDOW = LARGEST_STREAM = 2**31 - 1
LEAST_FRAME, LARGEST_FRAME = 2**14, 2**24 - 1  # section 4.2

HEADER = Struct(">HBBBI")  # the length's upper 16 bits and lower 8, type, flags, stream
UINT32 = Struct(">I")
SETTING = Struct(">HI")
GOING = Struct(">II")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame.

    Args:
        kind: The type of the frame.
        flags: Its flags.
        stream: The stream's identifier; 0 for the connection.
        payload: At most `LARGEST_FRAME` bytes.
    """
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """Write a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*item) for item in values.items()))


def number(kind: int, stream: int, value: int) -> bytes:
    """Write a frame whose payload is one number: RST_STREAM or WINDOW_UPDATE."""
    return frame(kind, 0, stream, UINT32.pack(value))


def goaway(last: int, code: int) -> bytes:
    """Write a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, GOING.pack(last, code))


def head(stream: int, block: bytes, largest: int, *, end: bool) -> bytes:
    """Write a header block: a HEADERS frame, and CONTINUATION frames for what doesn't fit."""
    flags = END_STREAM if end else 0
    if len(block) <= largest:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    parts = [frame(HEADERS, flags, stream, block[:largest])]
    for at in range(largest, len(block), largest):
        last = at + largest >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if last else 0, stream, block[at : at + largest]))
    return b"".join(parts)
