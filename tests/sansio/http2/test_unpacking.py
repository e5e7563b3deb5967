"""Response heads unpack to what the server packed, also those that are remembered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hpack")

import hpack

from asyncapi.sansio.http2.events import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFault
from asyncapi.sansio.http2.limits import Limits
from asyncapi.sansio.http2.unpacking import Unpacker

LINES = st.lists(
    st.tuples(st.sampled_from(["a", "date", "x-id", "server"]), st.text("ab1\u00e9", max_size=80), st.booleans()),
    max_size=5,
)
STEPS = st.lists(st.tuples(LINES, st.booleans(), st.sampled_from([None, None, None, 0, 100, 4_096])), max_size=25)


@given(STEPS)
def test_any_heads_unpack_to_what_was_packed(steps):
    encoder, unpacker = hpack.Encoder(), Unpacker(Limits())
    for lines, huffman, size in steps:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode([(":status", "200"), *lines], huffman=huffman)
        section = unpacker.unpack(block)
        assert (section.status, section.why) == (200, "")
        assert section.fields == tuple((name, value) for name, value, _ in lines)


def test_a_block_that_comes_again_is_read_once():
    unpacker = Unpacker(Limits())
    block = b"\x88\x00\x01a\x01b"
    assert unpacker.unpack(block) is unpacker.unpack(bytes(bytearray(block)))


def test_a_block_means_something_else_when_the_table_has_changed():
    unpacker = Unpacker(Limits())
    unpacker.unpack(b"\x88\x40\x01a\x01b")
    assert unpacker.unpack(b"\x88\xbe").fields == (("a", "b"),)
    assert unpacker.unpack(b"\x88\xbe").fields == (("a", "b"),)
    unpacker.unpack(b"\x88\x40\x01a\x01c")
    assert unpacker.unpack(b"\x88\xbe").fields == (("a", "c"),)
    assert unpacker.unpack(b"\x88\xbf").fields == (("a", "b"),)
    unpacker.unpack(b"\x20\x88")  # the table is emptied
    with pytest.raises(ConnectionFault):
        unpacker.unpack(b"\x88\xbe")


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # index 0
        b"\xbe",  # not in the table
        b"\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x00\x05a",
        b"\x00\x01a\x05b",
        b"\x00",
        b"\x40\x01a",
        b"\x88\x20",  # a new size that is not at the start
        b"\x3f\xe2\x1f\x88",  # a size above the one that we allow
        b"\x00\x01a\x81\x00",  # Huffman: padding that is not all ones
        b"\x00\x01a\x84\xff\xff\xff\xff",  # Huffman: the end-of-string code
        b"\x00\x01a\x82\xff\xff",  # Huffman: padding of more than 7 bits
    ],
)
def test_what_is_not_hpack_is_a_compression_error(block):
    with pytest.raises(ConnectionFault) as raised:
        Unpacker(Limits()).unpack(block)
    assert raised.value.code == COMPRESSION_ERROR


def test_a_bomb_is_given_up_on_the_way():
    unpacker = Unpacker(Limits(head=1_000))
    field = b"\x40\x01x\x7f\x81\x03" + b"a" * 512
    assert unpacker.unpack(b"\x88" + field + b"\xbe" * 5).why == "its headers are too large"
    with pytest.raises(ConnectionFault) as raised:
        unpacker.unpack(b"\x88" + b"\xbe" * 8)
    assert raised.value.code == ENHANCE_YOUR_CALM


def test_few_blocks_are_remembered_and_no_long_ones():
    unpacker = Unpacker(Limits())
    for at in range(2_000):
        unpacker.unpack(b"\x88\x00\x01a\x04%04d" % at)
    long = b"\x88" + b"\x00\x01a\x64" + b"x" * 100 + b"\x00\x01a\x64" * 0
    assert len(unpacker._known) <= 256
    assert unpacker.unpack(long * 1) == unpacker.unpack(long)
    block = b"\x88" + (b"\x00\x01a\x64" + b"x" * 100) * 20
    unpacker.unpack(block)
    assert block not in unpacker._known
