"""Header blocks are put together from their frames."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2.blocks import Blocks
from asyncapi.sansio.http2.events import FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault


@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        (0x4, b"block"),
        (0xC, b"\3block\0\0\0"),
        (0x24, b"\0\0\0\0\x10block"),
        (0x2C, b"\2\0\0\0\0\x10block\0\0"),
    ],
)
def test_padding_and_priority_are_no_part_of_a_block(flags, payload):
    blocks = Blocks()
    assert blocks.begin(flags, 1, payload) == b"block"
    assert (blocks.stream, blocks.end) == (0, False)
    assert blocks.begin(flags | 0x1, 1, payload) == b"block"
    assert blocks.end


def test_a_block_goes_on_until_its_end():
    blocks = Blocks()
    assert blocks.begin(0x1, 7, b"a") is None
    assert (blocks.stream, blocks.end) == (7, True)
    assert blocks.go_on(0, b"b") is None
    assert blocks.go_on(0, b"") is None
    assert blocks.go_on(0x4, b"c") == b"abc"
    assert (blocks.stream, blocks.end) == (0, True)


@pytest.mark.parametrize(
    ("flags", "payload", "code"),
    [
        (0x24, b"\0\0\0\0", FRAME_SIZE_ERROR),
        (0x2C, b"\4\0\0\0\0\x10\0\0\0", FRAME_SIZE_ERROR),
        (0xC, b"", FRAME_SIZE_ERROR),
        (0xC, b"\4abc", PROTOCOL_ERROR),
    ],
)
def test_a_frame_that_is_too_short_for_its_flags(flags, payload, code):
    with pytest.raises(ConnectionFault) as raised:
        Blocks().begin(flags, 1, payload)
    assert raised.value.code == code


def test_nothing_continues_nothing():
    with pytest.raises(ConnectionFault):
        Blocks().go_on(0x4, b"")
