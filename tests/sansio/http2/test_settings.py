"""Settings of both sides are kept as RFC 9113 section 6.5 says."""

from __future__ import annotations

import pytest

pytest.importorskip("hpack")

from asyncapi.sansio.http2.events import ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault
from asyncapi.sansio.http2.packing import Packer
from asyncapi.sansio.http2.settings import ANY_STREAMS, Settings
from asyncapi.sansio.http2.streams import Stream
from asyncapi.sansio.http2.windows import Windows
from http2_peer import frames_in, settings


def made(window: int = 1_000) -> tuple[Settings, Windows]:
    windows = Windows(window, 0, [])
    return Settings(32, windows, Packer()), windows


def taken(sides: Settings, **values: int) -> bytes:
    return sides.receive(0, settings(**values)[9:], [])


def test_the_first_settings_lift_the_careful_limit_unless_they_name_one():
    sides, _ = made()
    assert (sides.limit, sides.begun) == (100, False)
    assert taken(sides) == b"\0\0\0\x04\x01\0\0\0\0"
    assert (sides.limit, sides.begun) == (ANY_STREAMS, True)
    taken(sides, streams=3)
    taken(sides, window=5)
    assert sides.limit == 3


def test_values_count_in_their_order():
    sides, windows = made()
    sides.receive(0, b"\0\3\0\0\0\1\0\4\0\0\0\1\0\3\0\0\0\2\0\4\0\0\0\2\x12\x34\0\0\0\0", [])
    assert (sides.limit, windows.first_room) == (2, 2)


def test_ours_forbid_pushes_and_count_once_they_are_acknowledged():
    sides, windows = made()
    ((kind, _, _, payload),) = frames_in(sides.ours(1_000, 5_000))
    assert (kind, payload) == (4, b"\0\2\0\0\0\0\0\4\0\0\x03\xe8\0\6\0\0\x13\x88")
    stream = Stream("GET", 0, windows.first_left, sending=True)
    assert sides.receive(1, b"", [stream]) == b""
    assert stream.left == 1_000
    with pytest.raises(ConnectionFault):
        sides.receive(1, b"", [])


@pytest.mark.parametrize(
    ("flags", "payload", "code"),
    [
        (0, b"\0\3\0\0\0", FRAME_SIZE_ERROR),
        (0, b"\0\3\0\0\0\0" * 33, ENHANCE_YOUR_CALM),
        (0, b"\0\2\0\0\0\1", PROTOCOL_ERROR),
        (0, b"\0\5\0\0\x3f\xff", PROTOCOL_ERROR),
        (0, b"\0\5\1\0\0\0", PROTOCOL_ERROR),
        (1, b"\0\3\0\0\0\0", FRAME_SIZE_ERROR),
        (1, b"", PROTOCOL_ERROR),
    ],
)
def test_what_settings_may_not_say(flags, payload, code):
    sides, _ = made()
    with pytest.raises(ConnectionFault) as raised:
        sides.receive(flags, payload, [])
    assert raised.value.code == code
