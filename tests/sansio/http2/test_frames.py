"""Frames are written and checked as RFC 9113 section 4 and 6 say."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.events import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault


def test_a_frame_has_a_header_of_nine_bytes():
    assert frames.frame(0x6, 0x1, 0, b"12345678") == b"\0\0\x08\x06\x01\0\0\0\0" + b"12345678"
    assert frames.frame(0x0, 0x0, 2**31 - 1, bytes(70_000))[:9] == b"\x01\x11\x70\0\0\x7f\xff\xff\xff"


def test_frames_of_numbers():
    assert frames.number(frames.RST_STREAM, 3, 8) == b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08"
    assert frames.goaway(0, 11) == b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b"
    assert frames.settings({2: 0, 4: 65_535}) == b"\0\0\x0c\x04\0\0\0\0\0\0\x02\0\0\0\0\0\x04\0\0\xff\xff"


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (0, [(1, 0x5, 0)]),
        (16_384, [(1, 0x5, 16_384)]),
        (16_385, [(1, 0x1, 16_384), (9, 0x4, 1)]),
        (40_000, [(1, 0x1, 16_384), (9, 0x0, 16_384), (9, 0x4, 7_232)]),
    ],
)
def test_a_header_block_goes_in_frames_of_at_most_16_kib(size, parts):
    written, found = frames.head(1, b"x" * size, end=True), []
    while written:
        length = int.from_bytes(written[:3], "big")
        found.append((written[3], written[4], length))
        written = written[9 + length :]
    assert found == parts


def test_padding_is_taken_off():
    assert frames.unpadded(b"\0abc") == b"abc"
    assert frames.unpadded(b"\2ab\0\0") == b"ab"
    assert frames.unpadded(b"\2\0\0") == b""


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (lambda: frames.unpadded(b""), FRAME_SIZE_ERROR),
        (lambda: frames.unpadded(b"\3ab\0"[:3]), PROTOCOL_ERROR),
        (lambda: frames.sized("PING", b"1234567", 8), FRAME_SIZE_ERROR),
        (lambda: frames.for_connection("PING", 1), PROTOCOL_ERROR),
        (lambda: frames.going(b"1234567"), FRAME_SIZE_ERROR),
        (lambda: frames.grown(1, 0), PROTOCOL_ERROR),
        (lambda: frames.grown(1, 2**31 - 1), FLOW_CONTROL_ERROR),
        (lambda: frames.moved(2**31 - 1, 1), FLOW_CONTROL_ERROR),
    ],
)
def test_what_a_frame_may_not_say_is_a_fault(check, code):
    with pytest.raises(ConnectionFault) as raised:
        check()
    assert raised.value.code == code


def test_the_reserved_bit_of_a_goaway_is_not_looked_at():
    assert frames.going(b"\x80\0\0\5\0\0\0\2more") == (5, 2)


def test_windows_move_both_ways():
    assert frames.grown(-5, 2**31 - 1) == 2**31 - 6
    assert frames.moved(10, -70_000) == -69_990
    assert frames.moved(10, 0) == 10
