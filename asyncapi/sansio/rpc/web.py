"""grpc-web: what it writes of a call, and how it reads a response (grpc/grpc, doc/PROTOCOL-WEB.md).

Rules:
1. A body is envelopes as in gRPC. The trailers are the last of them: its flags have 0x80, and its payload is a block of
   `name: value` lines. A body without them was cut off.
2. A response without a message may have the status among its headers, and then no body.
3. `application/grpc-web-text` is the same in base64, in which several texts, each with its own padding, may follow each
   other: a proxy encodes each piece that it passes on.
4. A call takes one message: grpc-web has no streams of requests.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any, Final

from asyncapi.errors import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc import codings, metadata, statuses, timeouts
from asyncapi.sansio.rpc.envelopes import COMPRESSED, Envelopes, envelope
from asyncapi.sansio.rpc.grpc import PREVIOUS, STATUS, TIMEOUT, ending_of
from asyncapi.sansio.rpc.protocol import Answer, Ending, Opening, the_one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import CIMultiDict

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.metadata import Metadata
    from asyncapi.sansio.rpc.protocol import Fields, Messages, Method

TRAILERS: Final = 0x80

_KIND = "application/grpc-web"
_TEXT = "application/grpc-web-text"
_HEAD = (
    ("content-type", f"{_KIND}+proto"), ("accept", f"{_KIND}+proto, {_TEXT}"), ("accept-encoding", "identity"),
    ("grpc-accept-encoding", codings.ACCEPTED), ("x-grpc-web", "1"),
)  # fmt: skip
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BLANKS = bytes(range(33))
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OK_STATUS = 200
_SHOWN = 120  # characters of a body that is no grpc-web


class GRPCWeb:
    """grpc-web, over any version of HTTP.

    Args:
        max_message: Most bytes of a message; None for no bound.

    Attributes:
        name: As in `Client.grpc(protocol=...)`.
        needs_http2: As in `RPCProtocol`.
    """

    def __init__(self, max_message: int | None) -> None:
        self.name: str = "grpc-web"
        self.needs_http2: bool = False
        self._max = max_message

    def open(self, method: Method, message: bytes | None, metadata: Fields, compression: str | None) -> Opening:
        """As of an `RPCProtocol`."""
        if message is None:  # rule 4
            raise ConfigError(f"{method.path} takes a stream, which grpc-web can't carry: use 'grpc' or 'connect'")
        headers = [*_HEAD, *metadata]
        if compression is not None:
            headers.append(("grpc-encoding", compression))
        return Opening("POST", method.path, headers, self.frame(message, compression))

    def frame(self, message: bytes, compression: str | None) -> bytes:
        """As of an `RPCProtocol`."""
        if compression is None:
            return envelope(message)
        return envelope(codings.compress(compression, message), COMPRESSED)

    def dress(self, headers: CIMultiDict[str], left: float | None, attempts: int) -> None:
        """As of an `RPCProtocol`."""
        if left is not None:
            headers[TIMEOUT] = timeouts.write(left)
        if attempts:
            headers[PREVIOUS] = str(attempts)

    def meaning(self, response: Response, *, late: bool) -> Meaning | None:
        """As of an `RPCProtocol`."""
        for fields in (response.trailers, response.headers):  # trailers: found by a look into the open body
            if STATUS in fields:
                return statuses.read_ending(fields, late=late)
        if response.status != _OK_STATUS or response.open_body is not None:
            return None
        ending = self._end_of(response)
        if ending.code is Code.OK:
            return None
        pushback = ending.trailing.get(statuses.PUSHBACK)
        return statuses.meaning_of(ending.code, ending.details, pushback=pushback, late=late, packed=ending.packed)

    def _end_of(self, response: Response) -> Ending:
        try:
            reader = _Messages(response, self._max)
            reader.feed(response.content)
            return reader.end(())
        except RPCError as error:
            return Ending(error.code, error.details)

    def read(self, response: Response, method: Method) -> Answer:
        """As of an `RPCProtocol`."""
        reader = _Messages(response, self._max)
        messages = reader.feed(response.content) if response.content else []
        ending = reader.end(())
        return the_one(messages, ending, reader.initial, method)

    def messages(self, response: Response, method: Method) -> Messages:
        """As of an `RPCProtocol`."""
        del method
        return _Messages(response, self._max)


class _Messages:
    """The messages of one response (rules 1 to 3)."""

    __slots__ = ("_coding", "_envelopes", "_max", "_stated", "_text", "ending", "initial")

    def __init__(self, response: Response, max_message: int | None) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._stated: Ending | None = None  # in the head
        self.ending: Ending | None = None
        self.initial: Metadata = metadata.NONE
        if STATUS in response.headers:  # rule 2
            self._stated = self.ending = ending_of(response.headers)
        elif response.status != _OK_STATUS or not kind.startswith(_KIND):
            raise _no_web(response, kind)
        else:
            self.initial = metadata.read(response.headers.items())
        self._text = Base64Reader() if kind.startswith(_TEXT) else None
        self._coding = response.headers.get("grpc-encoding", "")
        self._max = max_message
        self._envelopes = Envelopes(max_message)

    def feed(self, piece: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self._stated is not None and self._stated.code is not Code.OK:
            return messages
        for flags, payload in self._envelopes.feed(piece if self._text is None else self._text.feed(piece)):
            if flags & ~(COMPRESSED | TRAILERS):
                raise RPCError(Code.INTERNAL, f"a message has the flags {flags:#04x}: the response is no grpc-web")
            if self.ending is not self._stated:
                raise RPCError(Code.INTERNAL, "the response goes on after its trailers")
            if flags & COMPRESSED:
                payload = codings.decompress(self._coding, payload, self._max)
            if flags & TRAILERS:
                self.ending = _ending(payload)
            else:
                messages.append(payload)
        return messages

    def end(self, trailers: Iterable[tuple[str, str]]) -> Ending:
        del trailers
        if self.ending is None or self.ending.code is Code.OK:
            if self._text is not None:
                self._text.end()
            self._envelopes.end()
        if self.ending is None:
            raise RPCError(Code.UNKNOWN, "the response broke off: its trailers are missing")
        return self.ending


class Base64Reader:
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


def _ending(payload: bytes) -> Ending:
    fields: Any = trailers(payload)
    if STATUS not in dict(fields):
        return Ending(Code.UNKNOWN, "the trailers have no status", metadata.read(fields))
    return ending_of(metadata.Metadata(fields))


def _decoded(text: bytes) -> bytes:
    parts, place = [], 0
    while place < len(text):
        found = _BASE64.match(text, place)
        end = place if found is None else found.end()
        if end == place or (end - place) % 4:
            raise RPCError(Code.INTERNAL, f"the body is not base64: {text[place : place + 20]!r}")
        try:
            parts.append(b64decode(text[place:end], validate=True))
        except Base64Error as error:
            raise RPCError(Code.INTERNAL, f"the body is not base64: {error}") from None
        place = end
    return b"".join(parts)


def _no_web(response: Response, kind: str) -> RPCError:
    """Make the error of a response that is none of grpc-web's (doc/http-grpc-status-mapping.md)."""
    if response.status == _OK_STATUS:
        return RPCError(Code.UNKNOWN, f"the response is no grpc-web: its content-type is {kind[:_SHOWN]!r}")
    shown = response.content[:_SHOWN].decode("utf-8", "replace").strip()
    body = f": {shown}" if shown and shown.isprintable() else ""
    details = f"the response is no grpc-web: HTTP status {response.status}{body}"
    return RPCError(statuses.code_of_http(response.status), details)
