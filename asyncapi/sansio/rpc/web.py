"""Read what grpc-web adds to gRPC's messages (grpc/grpc, doc/PROTOCOL-WEB.md).

Rules:
1. A body is envelopes as in gRPC. The trailers are the last of them: its flags have 0x80, and its payload is a block of
   `name: value` lines, each ended by CRLF.
2. A response without a message may have the trailers among its headers, and then no body.
3. `application/grpc-web-text` is the same in base64, in which several texts, each with its own padding, may follow each
   other: a proxy encodes each piece that it passes on.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from asyncapi.errors import RPCError
from asyncapi.messages.code import Code

COMPRESSED: Final = 0x01
TRAILERS: Final = 0x80
_TEXT = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BLANKS = bytes(range(33))
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def is_text(kind: str) -> bool:
    """Whether a Content-Type says that the body is base64 (rule 3)."""
    return kind.partition(";")[0].strip().lower().startswith("application/grpc-web-text")


def is_web(kind: str) -> bool:
    """Whether a Content-Type says that the body is grpc-web at all."""
    bare = kind.partition(";")[0].strip().lower()
    return bare == "application/grpc-web" or bare.startswith(("application/grpc-web+", "application/grpc-web-text"))


def trailers(payload: bytes) -> list[tuple[str, str]]:
    """Read the block of trailers (rule 1).

    Raises:
        RPCError: A line is no field.
    """
    fields = []
    for line in payload.decode("latin-1").split("\n"):
        text = line.removesuffix("\r")
        if not text:
            continue
        name, colon, value = text.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise RPCError(Code.INTERNAL, f"a line of the trailers is no field: {text[:80]!r}")
        fields.append((name.lower(), value.strip(" \t")))
    return fields


class TextReader:
    """Decodes the base64 of `application/grpc-web-text`, however it is cut into pieces (rule 3)."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = b""

    def feed(self, piece: bytes) -> bytes:
        """Return the bytes that are complete.

        Raises:
            RPCError: It is not base64.
        """
        text = self._left + piece.translate(None, _BLANKS)
        whole = len(text) - len(text) % 4
        self._left = text[whole:]
        return _decoded(text[:whole])

    def end(self) -> None:
        """Take in that no more comes.

        Raises:
            RPCError: The text is cut off.
        """
        if self._left:
            raise RPCError(Code.INTERNAL, "the base64 of the body is cut off")


def _decoded(text: bytes) -> bytes:
    parts, place = [], 0
    while place < len(text):
        found = _TEXT.match(text, place)
        end = place if found is None else found.end()
        if end == place or (end - place) % 4:
            raise RPCError(Code.INTERNAL, f"the body is not base64: {text[place : place + 20]!r}")
        try:
            parts.append(b64decode(text[place:end], validate=True))
        except Base64Error as error:
            raise RPCError(Code.INTERNAL, f"the body is not base64: {error}") from error
        place = end
    return b"".join(parts)
