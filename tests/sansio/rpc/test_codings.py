"""Messages are compressed and decompressed, and never grow without bound."""

import zlib

import grpc
import pytest

from asyncapi import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.codings import coding_of, compress, decompress


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("message", [b"", b"x", b"hello " * 10_000])
def test_a_message_survives_compression(coding, message):
    assert decompress(coding, compress(coding, message), len(message)) == message


@pytest.mark.parametrize(
    ("given", "coding"),
    [
        (None, None), ("identity", None), ("gzip", "gzip"), ("GZIP", "gzip"), ("deflate", "deflate"),
        (grpc.Compression.NoCompression, None), (grpc.Compression.Gzip, "gzip"), (grpc.Compression.Deflate, "deflate"),
    ],
)  # fmt: skip
def test_a_compression_is_given_by_name_or_as_grpcs(given, coding):
    assert coding_of(given) == coding


@pytest.mark.parametrize("given", ["br", 7, object()])
def test_what_is_no_compression_is_refused(given):
    with pytest.raises(ConfigError, match="give 'gzip'"):
        coding_of(given)


def test_a_bomb_is_refused_within_the_bound():
    bomb = zlib.compress(bytes(64 << 20), 9)
    with pytest.raises(RPCError, match="max_message=1,000") as caught:
        decompress("deflate", bomb, 1000)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("coding", "message", "text"),
    [
        ("gzip", b"no gzip", "can't be decompressed"),
        ("gzip", compress("gzip", b"hello")[:-3], "not one whole"),
        ("gzip", compress("gzip", b"hello") + b"more", "not one whole"),
        ("br", b"", "not offered"),
        ("", b"", "not said"),
        ("identity", b"", "not said"),
    ],
)
def test_a_message_that_is_not_in_its_coding_is_an_error(coding, message, text):
    with pytest.raises(RPCError, match=text) as caught:
        decompress(coding, message, None)
    assert caught.value.code is Code.INTERNAL
