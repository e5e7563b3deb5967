"""gRPC over HTTP/2: what it writes of a call, and how it reads a response (doc/PROTOCOL-HTTP2.md).

Rules:
1. The status is in the trailers, or, where nothing else was sent, in the head (Trailers-Only).
2. A response with a `grpc-status` means what that says; one without means what its HTTP status says.
3. A response that has no status at its end is not whole, whatever messages it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc import codings, metadata, statuses, timeouts
from asyncapi.sansio.rpc.envelopes import COMPRESSED, PREFIX, Envelopes, envelope, too_large
from asyncapi.sansio.rpc.metadata import Metadata
from asyncapi.sansio.rpc.protocol import Answer, Ending, Opening, the_one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.protocol import Fields, Messages, Method

STATUS, MESSAGE, DETAILS = "grpc-status", "grpc-message", "grpc-status-details-bin"
TIMEOUT, PREVIOUS = "grpc-timeout", "grpc-previous-rpc-attempts"

_CONTENT_TYPE = "application/grpc"
_HEAD = (
    ("content-type", _CONTENT_TYPE), ("te", "trailers"), ("accept", _CONTENT_TYPE), ("accept-encoding", "identity"),
    ("grpc-accept-encoding", codings.ACCEPTED),
)  # fmt: skip
_OK_STATUS = 200
_SHOWN = 120  # characters of a body that is none of gRPC's


class GRPC:
    """gRPC over HTTP/2.

    Args:
        max_message: Most bytes of a message; None for no bound.

    Attributes:
        name: As in `Client.grpc(protocol=...)`.
        needs_http2: As in `RPCProtocol`.
    """

    def __init__(self, max_message: int | None) -> None:
        self.name: str = "grpc"
        self.needs_http2: bool = True
        self._max = max_message

    def open(self, method: Method, message: bytes | None, metadata: Fields, compression: str | None) -> Opening:
        """As of an `RPCProtocol`."""
        headers = [*_HEAD, *metadata]
        if compression is not None:
            headers.append(("grpc-encoding", compression))
        return Opening("POST", method.path, headers, None if message is None else self.frame(message, compression))

    def body(self, message: bytes, compression: str | None) -> bytes:
        """As of an `RPCProtocol`."""
        return self.frame(message, compression)

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
            headers[PREVIOUS] = str(attempts)  # gRFC A6

    def meaning(self, response: Response, *, late: bool) -> Meaning | None:
        """As of an `RPCProtocol`."""
        fields: Any = response.trailers
        text = fields.get(STATUS)
        if text is None:
            fields = response.headers
            text = fields.get(STATUS)  # rule 1
        if text == "0":
            return None
        if text is None:
            if response.status != _OK_STATUS or response.open_body is not None:  # rule 2; the end is still to come
                return None
            code, details = Code.UNKNOWN, _without_status(response)
        else:
            code, details = statuses.code_of(text), metadata.message_of(fields.get(MESSAGE, ""))
        return statuses.meaning_of(
            code, details, pushback=statuses.pushback_of(fields), late=late, packed=statuses.packed_of(fields)
        )

    def read(self, response: Response, method: Method) -> Answer:
        """As of an `RPCProtocol`."""
        fields: Any = response.trailers
        if STATUS in fields:
            initial = Metadata.of(response.headers)
        else:
            fields, initial = response.headers, metadata.NONE
        if STATUS not in fields:
            raise _no_status(response)
        ending = ending_of(fields)
        if ending.code is not Code.OK:
            return Answer(None, ending, initial)
        content = response.content
        found = self._reader(response)
        if content[:1] == b"\0" and len(content) - PREFIX == int.from_bytes(content[1:PREFIX]):
            found.accept(len(content) - PREFIX)
            return Answer(content[PREFIX:], ending, initial)  # one message, as it is: the usual response
        messages = found.feed(content) if content else []
        found.end(fields.items())
        return the_one(messages, ending, initial, method)

    def messages(self, response: Response, method: Method) -> Messages:
        """As of an `RPCProtocol`."""
        del method
        if response.status != _OK_STATUS:
            raise _no_status(response)
        return self._reader(response)

    def _reader(self, response: Response) -> _Messages:
        kind = response.headers.get("content-type", "")
        if not kind.lower().startswith(_CONTENT_TYPE) and STATUS not in response.headers:
            raise _no_status(response)
        return _Messages(response, self._max)


class _Messages:
    """The messages of one response."""

    __slots__ = ("_coding", "_envelopes", "_head", "_max", "ending", "initial")

    def __init__(self, response: Response, max_message: int | None) -> None:
        self.ending: Ending | None = None  # the body says nothing of it
        self._head = response.headers
        self._coding = response.headers.get("grpc-encoding", "")
        self._max = max_message
        self._envelopes = Envelopes(max_message)
        self.initial: Metadata = metadata.NONE if STATUS in response.headers else Metadata.of(response.headers)

    def accept(self, length: int) -> None:
        """Refuse a message that is too large."""
        if self._max is not None and length > self._max:
            raise too_large(length, self._max)

    def feed(self, piece: bytes) -> list[bytes]:
        messages = []
        for flags, message in self._envelopes.feed(piece):
            if flags == COMPRESSED:
                messages.append(codings.decompress(self._coding, message, self._max))
            elif flags:
                raise RPCError(Code.INTERNAL, f"a message has the flags {flags:#04x}: the response is not gRPC's")
            else:
                messages.append(message)
        return messages

    def end(self, trailers: Iterable[tuple[str, str]]) -> Ending:
        fields: Any = CIMultiDict(trailers)
        if STATUS not in fields:
            fields = self._head  # rule 1
        if STATUS not in fields:
            self._envelopes.end()
            raise RPCError(Code.UNKNOWN, _NO_END)  # rule 3
        ending = ending_of(fields)
        if ending.code is Code.OK:
            self._envelopes.end()
        return ending


_NO_END = "the response has no status at its end: it broke off, or a proxy has removed its trailers"


def ending_of(fields: Any) -> Ending:
    """Read how a call has ended from the fields that say so."""
    trailing = Metadata.of(fields)
    if fields[STATUS] == "0":
        return Ending(Code.OK, "", trailing) if MESSAGE not in fields else Ending(Code.OK, fields[MESSAGE], trailing)
    packed = trailing.get(DETAILS, b"")
    return Ending(
        statuses.code_of(fields[STATUS]),
        metadata.message_of(fields.get(MESSAGE, "")),
        trailing,
        packed if isinstance(packed, bytes) else b"",
    )


def _no_status(response: Response) -> RPCError:
    """Make the error of a response that has no `grpc-status` (doc/http-grpc-status-mapping.md)."""
    if response.status == _OK_STATUS:
        return RPCError(Code.UNKNOWN, _without_status(response), metadata=metadata.read(response.headers.items()))
    shown = response.content[:_SHOWN].decode("utf-8", "replace").strip()
    body = f": {shown}" if shown and shown.isprintable() else ""
    return RPCError(
        statuses.code_of_http(response.status),
        f"the response is no gRPC: HTTP status {response.status}{body}",
        metadata=metadata.read(response.headers.items()),
    )


def _without_status(response: Response) -> str:
    kind = response.headers.get("content-type", "")
    if response.http_version.startswith("1"):
        return f"the server has chosen HTTP/{response.http_version}, which can't carry gRPC: is it a gRPC server?"
    if kind.lower().startswith(_CONTENT_TYPE):
        return _NO_END
    return f"the response is no gRPC: its content-type is {kind[:_SHOWN]!r}"
