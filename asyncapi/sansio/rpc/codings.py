"""Compress and decompress single messages (gRPC, "Compression"); a small message can't grow without bound."""

from __future__ import annotations

import zlib

from asyncapi.errors import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.envelopes import too_large

IDENTITY = "identity"
_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}  # deflate is zlib's format: RFC 9110 section 8.4.1.2
ACCEPTED = "identity, deflate, gzip"
_NUMBERS = (None, "deflate", "gzip")  # of grpc.Compression
_UNBOUNDED = 1 << 62


def coding_of(compression: object) -> str | None:
    """Read what a user gives as the compression of what is sent; None for none.

    Raises:
        ConfigError: It is no compression.
    """
    if compression is None or compression is False or compression == IDENTITY:
        return None
    if isinstance(compression, str) and compression.lower() in _WINDOW:
        return compression.lower()
    number = getattr(compression, "value", compression)  # of grpc.Compression, an enumeration
    if type(number) is int and 0 <= number < len(_NUMBERS):
        return _NUMBERS[number]
    raise ConfigError(f"compression={compression!r}: give 'gzip', 'deflate', None, or a grpc.Compression")


def compress(coding: str, message: bytes) -> bytes:
    """Compress a message."""
    encoder = zlib.compressobj(wbits=_WINDOW[coding])
    return encoder.compress(message) + encoder.flush()


def decompress(coding: str, message: bytes, most: int | None) -> bytes:
    """Decompress a message.

    Args:
        coding: What the response says: gRPC's `grpc-encoding`.
        message: As it came.
        most: Most bytes of the decompressed message; None for no bound.

    Raises:
        RPCError: The coding is none that we accept, the bytes are not in it, or the message is too large.
    """
    window = _WINDOW.get(coding.strip().lower())
    if window is None:
        said = "not said" if coding in {"", IDENTITY} else f"{coding[:40]!r}, which was not offered"
        raise RPCError(Code.INTERNAL, f"a message is compressed, but its compression is {said}")
    decoder = zlib.decompressobj(wbits=window)
    bound = _UNBOUNDED if most is None else most
    try:
        data = decoder.decompress(message, min(bound + 1, _UNBOUNDED))
    except zlib.error as error:
        raise RPCError(Code.INTERNAL, f"a message can't be decompressed as {coding[:40]}: {error}") from None
    if len(data) > bound:
        raise too_large(len(data), bound)
    if not decoder.eof or decoder.unused_data:
        raise RPCError(Code.INTERNAL, f"a message is not one whole {coding[:40]} stream")
    return data
