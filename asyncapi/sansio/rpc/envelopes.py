"""Write and read the envelopes that messages travel in: one byte of flags, four of length, then the message.

gRPC ("gRPC over HTTP/2", Length-Prefixed-Message), grpc-web and Connect's streams have the same envelope; what the
flags mean is theirs.
"""

from __future__ import annotations

from struct import Struct

from asyncapi.errors import RPCError
from asyncapi.messages.code import Code

COMPRESSED = 0x01

_PREFIX = Struct(">BI")
PREFIX: int = _PREFIX.size
_LARGEST = 0xFFFF_FFFF


def envelope(payload: bytes, flags: int = 0) -> bytes:
    """Put a message into its envelope.

    Raises:
        RPCError: It is longer than the four bytes of its length can say.
    """
    if len(payload) > _LARGEST:
        raise RPCError(Code.RESOURCE_EXHAUSTED, f"a message of {len(payload):,} bytes is longer than an envelope takes")
    return _PREFIX.pack(flags, len(payload)) + payload


class Envelopes:
    """Takes the messages out of a body that arrives in pieces, cut anywhere.

    Args:
        max_message: Most bytes of a message, as it travels; None for no bound.
    """

    __slots__ = ("_have", "_max", "_pieces", "_want")

    def __init__(self, max_message: int | None = None) -> None:
        self._max = max_message
        self._pieces: list[bytes] = []
        self._have = 0  # bytes in the pieces
        self._want = PREFIX  # bytes that complete what is there: a prefix, or an envelope

    def feed(self, piece: bytes) -> list[tuple[int, bytes]]:
        """Take in a piece of the body.

        Returns:
            The flags and the message of each envelope that is now whole.

        Raises:
            RPCError: A message is larger than `max_message`: its length is judged before its bytes come.
        """
        self._pieces.append(piece)
        self._have += len(piece)
        if self._have < self._want:
            return []  # joined once all of it is there: a message that comes byte by byte costs no more than its bytes
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        found: list[tuple[int, bytes]] = []
        at, end, self._want = 0, len(data), PREFIX
        while end - at >= PREFIX:
            flags, length = _PREFIX.unpack_from(data, at)
            if self._max is not None and length > self._max:
                raise too_large(length, self._max)
            stop = at + PREFIX + length
            if stop > end:
                self._want = PREFIX + length
                break
            found.append((flags, data[at + PREFIX : stop]))
            at = stop
        self._pieces = [data[at:] if at else data] if at < end else []
        self._have = end - at
        return found

    def end(self) -> None:
        """Take in the end of the body.

        Raises:
            RPCError: It has come in the middle of an envelope.
        """
        if self._have:
            raise RPCError(
                Code.INTERNAL, f"the response broke off in a message: {self._have} of {self._want} bytes have come"
            )


def too_large(length: int, most: int) -> RPCError:
    """Make the error of a message that is larger than is accepted."""
    return RPCError(
        Code.RESOURCE_EXHAUSTED,
        f"a message has {length:,} bytes, more than max_message={most:,}: raise it if you expect that",
    )
