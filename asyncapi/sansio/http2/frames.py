"""Write and check HTTP/2 frames, and name their types, flags and settings (RFC 9113 sections 4, 6 and 6.5.2)."""

from __future__ import annotations

from struct import Struct

from asyncapi.sansio.http2.events import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault

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


def going(payload: bytes) -> tuple[int, int]:
    """Read a GOAWAY frame: the last stream, and the error code."""
    if len(payload) < GOING.size:
        raise ConnectionFault(FRAME_SIZE_ERROR, "a GOAWAY frame is too short")
    last, code = GOING.unpack_from(payload)
    return last & LARGEST_STREAM, code


def head(stream: int, block: bytes, *, end: bool) -> bytes:
    """Write a header block: a HEADERS frame, and CONTINUATION frames for what doesn't fit."""
    flags = END_STREAM if end else 0
    if len(block) <= LEAST_FRAME:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    parts = [frame(HEADERS, flags, stream, block[:LEAST_FRAME])]
    for at in range(LEAST_FRAME, len(block), LEAST_FRAME):
        last = at + LEAST_FRAME >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if last else 0, stream, block[at : at + LEAST_FRAME]))
    return b"".join(parts)


def unpadded(payload: bytes) -> bytes:
    """Take the padding off (section 6.1)."""
    if not payload:
        raise ConnectionFault(FRAME_SIZE_ERROR, "a frame is too short for its flags")
    if payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "a frame's padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def sized(kind: str, payload: bytes, size: int) -> None:
    """Hold the payload of a frame to its only size."""
    if len(payload) != size:
        raise ConnectionFault(FRAME_SIZE_ERROR, f"a {kind} frame has a wrong size")


def for_connection(kind: str, stream: int) -> None:
    """Hold a frame to stream 0: it is for the connection."""
    if stream:
        raise ConnectionFault(PROTOCOL_ERROR, f"a {kind} frame is for a stream, not for the connection")


def grown(room: int, more: int) -> int:
    """Make a window larger by what WINDOW_UPDATE says."""
    if not more:
        raise ConnectionFault(PROTOCOL_ERROR, "a WINDOW_UPDATE frame adds nothing")
    return moved(room, more)


def moved(room: int, more: int) -> int:
    """Make a window larger, or smaller."""
    room += more
    if room > LARGEST_WINDOW:  # section 6.9.1
        raise ConnectionFault(FLOW_CONTROL_ERROR, "the server makes a window too large")
    return room
