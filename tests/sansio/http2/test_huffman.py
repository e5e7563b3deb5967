"""Strings decode to what was encoded, and what is no code is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hpack")

from hpack import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman

from asyncapi.sansio.http2.huffman import decoded

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary())
def test_any_string_decodes_to_what_was_encoded(string):
    assert decoded(ENCODER.encode(string)) == string


def test_every_character_has_its_code():
    for character in range(256):
        assert decoded(ENCODER.encode(bytes([character]))) == bytes([character])
        assert decoded(ENCODER.encode(bytes([character, 97, character]))) == bytes([character, 97, character])


@given(
    st.one_of(st.binary(max_size=6), st.lists(st.sampled_from([0xFF, 0xFE, 0x1F, 0x00, 0x18]), max_size=8).map(bytes))
)
def test_any_bytes_decode_as_another_decoder_decodes_them(data):
    try:
        expected = decode_huffman(data)
    except HPACKDecodingError:
        expected = None
    assert decoded(data) == expected


@pytest.mark.parametrize("data", [b"\xff", b"\xff\xff\xff\xff", b"\x1f\xff", b"\x18\x00"])
def test_padding_is_fewer_than_eight_ones_and_the_end_of_string_is_no_character(data):
    assert decoded(data) is None


def test_a_short_padding_is_taken():
    assert decoded(b"\x1f") == b"a"
    assert decoded(b"") == b""
