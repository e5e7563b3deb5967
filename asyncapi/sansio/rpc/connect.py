"""Connect: what it writes of a call, and how it reads a response (connectrpc.com/docs/protocol).

Rules:
1. A unary call is a plain POST with the message as its body, or a GET with the message in its query where the method
   has no side effects and the URL stays short. The response is a 200 with the message, or another status with an error.
2. Any other call is a POST of envelopes. So is the response to it: a 200, whose last envelope has the flag 0x02 and
   says how the call has ended. A body without it was cut off.
3. Trailing metadata of a unary response has the prefix `trailer-` among its headers.
4. HTTP compresses unary bodies; of a stream each message is compressed by itself, so that none waits for the next.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from asyncapi.errors import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc import codings, metadata, statuses
from asyncapi.sansio.rpc.connect_errors import bare, end_of_stream, error_of, is_error
from asyncapi.sansio.rpc.envelopes import COMPRESSED, Envelopes, envelope, too_large
from asyncapi.sansio.rpc.protocol import Answer, Ending, Opening, the_one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import CIMultiDict

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.metadata import Metadata
    from asyncapi.sansio.rpc.protocol import Fields, Messages, Method

CODECS: Final = ("proto", "json")
TIMEOUT: Final = "Connect-Timeout-Ms"
END: Final = 0x02

_VERSION = ("Connect-Protocol-Version", "1")
_STREAM = "application/connect+"
_TRAILER = "trailer-"
_OK_STATUS = 200
_ERRORS_FROM = 400
_LONGEST_QUERY = 6000  # characters: servers and proxies take 8,000 for the whole line
_MOST_TIMEOUT = 10**10 - 1  # ten digits


class Connect:
    """Connect, over any version of HTTP.

    Args:
        max_message: Most bytes of a message; None for no bound.
        codec: "proto" or "json".

    Attributes:
        name: As in `Client.grpc(protocol=...)`.
        needs_http2: As in `RPCProtocol`.

    Raises:
        ConfigError: There is no such codec.
    """

    def __init__(self, max_message: int | None, codec: str = "proto") -> None:
        if codec not in CODECS:
            raise ConfigError(f"codec={codec!r}: give 'proto' or 'json'")
        self.name: str = "connect"
        self.needs_http2: bool = False
        self._max = max_message
        self._codec = codec

    def open(self, method: Method, message: bytes | None, metadata: Fields, compression: str | None) -> Opening:
        """As of an `RPCProtocol`."""
        if compression not in {None, "gzip"}:
            raise ConfigError(f"compression={compression!r}: servers of Connect know 'gzip'")
        if not method.unary:
            return self._open_stream(method, message, metadata, compression)
        if method.safe and message is not None:
            asked = self._query(message)
            if len(asked) <= _LONGEST_QUERY:
                return Opening("GET", f"{method.path}?{asked}", [_VERSION, *metadata], None)
        kind = f"application/{self._codec}"
        headers = [("Content-Type", kind), ("Accept", kind), _VERSION, *metadata]
        if compression is not None and message is not None:
            headers.append(("Content-Encoding", compression))
            message = codings.compress(compression, message)
        return Opening("POST", method.path, headers, message)

    def _open_stream(self, method: Method, message: bytes | None, metadata: Fields, compression: str | None) -> Opening:
        headers = [
            ("Content-Type", _STREAM + self._codec), ("Accept", _STREAM + self._codec), ("Accept-Encoding", "identity"),
            ("Connect-Accept-Encoding", "gzip"), _VERSION, *metadata,
        ]  # fmt: skip
        if compression is not None:
            headers.append(("Connect-Content-Encoding", compression))
        return Opening("POST", method.path, headers, None if message is None else self.frame(message, compression))

    def _query(self, message: bytes) -> str:
        """Write the query of a GET: the same message gives the same URL, so that caches find it."""
        if self._codec == "json":
            return f"connect=v1&encoding=json&message={quote(message.decode(), safe='')}"
        coded = urlsafe_b64encode(message).rstrip(b"=").decode()
        return f"connect=v1&base64=1&encoding={self._codec}&message={coded}"

    def frame(self, message: bytes, compression: str | None) -> bytes:
        """As of an `RPCProtocol`."""
        if compression is None:
            return envelope(message)
        return envelope(codings.compress(compression, message), COMPRESSED)

    def dress(self, headers: CIMultiDict[str], left: float | None, attempts: int) -> None:
        """As of an `RPCProtocol`; Connect has no header for the attempts."""
        del attempts
        if left is not None:
            headers[TIMEOUT] = str(max(1, min(int(left * 1000), _MOST_TIMEOUT)))

    def meaning(self, response: Response, *, late: bool) -> Meaning | None:
        """As of an `RPCProtocol`."""
        kind, found = response.headers.get("content-type", ""), None
        if response.status >= _ERRORS_FROM:
            if not is_error(kind, response.content):
                return None  # as a proxy says it
            found = error_of(response.status, kind, response.content, metadata.NONE)
        elif "grpc-status" in response.trailers:  # the end of a stream, which was looked for in its open body
            return statuses.read_ending(response.trailers, late=late)
        elif response.status == _OK_STATUS and response.open_body is None:
            found = self._end_of(response, kind)
        if found is None or found.code is Code.OK:
            return None
        return statuses.meaning_of(found.code, found.details, late=late, packed=found.packed)

    def _end_of(self, response: Response, kind: str) -> Ending:
        """How a whole response ends the call, as far as it can be told without the method."""
        if not bare(kind).startswith(_STREAM):
            wrong = _wrong_type(kind, f"application/{self._codec}")
            return Ending() if wrong is None else Ending(wrong.code, wrong.details)
        try:
            reader = _Messages(response, self._max, self._codec)
            reader.feed(response.content)
            return reader.end(())
        except RPCError as error:
            return Ending(error.code, error.details)

    def read(self, response: Response, method: Method) -> Answer:
        """As of an `RPCProtocol`."""
        if not method.unary:
            return self._read_stream(response, method)
        initial, trailing = _parted(response)
        kind = response.headers.get("content-type", "")
        if response.status != _OK_STATUS:
            return Answer(None, error_of(response.status, kind, response.content, trailing), initial)
        wrong = _wrong_type(kind, f"application/{self._codec}")
        if wrong is not None:
            raise wrong
        if self._max is not None and len(response.content) > self._max:
            raise too_large(len(response.content), self._max)
        return Answer(response.content, Ending(trailing=trailing), initial)

    def _read_stream(self, response: Response, method: Method) -> Answer:
        """Read the response to a stream of requests, which has one message."""
        reader = _Messages(response, self._max, self._codec)
        messages = reader.feed(response.content) if response.status == _OK_STATUS else []
        ending = reader.end(())
        return the_one(messages, ending, reader.initial, method)

    def messages(self, response: Response, method: Method) -> Messages:
        """As of an `RPCProtocol`."""
        del method
        return _Messages(response, self._max, self._codec)


class _Messages:
    """The messages of one response that streams (rule 2)."""

    __slots__ = ("_coding", "_envelopes", "_is_error", "_max", "ending", "initial")

    def __init__(self, response: Response, max_message: int | None, codec: str) -> None:
        kind = response.headers.get("content-type", "")
        self.initial: Metadata = metadata.read(response.headers.items())
        self.ending: Ending | None = None
        self._is_error = response.status != _OK_STATUS
        if self._is_error:
            self.ending = error_of(response.status, kind, response.content, metadata.NONE)
        elif (wrong := _wrong_type(kind, _STREAM + codec)) is not None:
            raise wrong
        self._coding = response.headers.get("connect-content-encoding", "")
        self._envelopes = Envelopes(max_message)
        self._max = max_message

    def feed(self, piece: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self._is_error:  # which was read from the whole body
            return messages
        for flags, payload in self._envelopes.feed(piece):
            if flags & ~(COMPRESSED | END):
                raise RPCError(Code.INTERNAL, f"a message has the flags {flags:#04x}: the response is no Connect")
            if self.ending is not None:
                raise RPCError(Code.INTERNAL, "the response goes on after the end of its stream")
            if flags & COMPRESSED:
                payload = codings.decompress(self._coding, payload, self._max)
            if flags & END:
                self.ending = end_of_stream(payload)
            else:
                messages.append(payload)
        return messages

    def end(self, trailers: Iterable[tuple[str, str]]) -> Ending:
        del trailers
        if self.ending is None or self.ending.code is Code.OK:
            self._envelopes.end()
        if self.ending is None:
            raise RPCError(Code.INTERNAL, "the response broke off: the end of its stream is missing")
        return self.ending


def _parted(response: Response) -> tuple[Metadata, Metadata]:
    """Part the headers of a unary response into initial and trailing metadata (rule 3)."""
    initial: Any = []
    trailing: Any = []
    for name, value in response.headers.items():
        low = name.lower()
        if low.startswith(_TRAILER):
            trailing.append((low[len(_TRAILER) :], value))
        else:
            initial.append((low, value))
    return metadata.read(initial), metadata.read(trailing)


def _wrong_type(kind: str, expected: str) -> RPCError | None:
    """Make the error of a response that is another thing than was asked for."""
    found = bare(kind)
    if found == expected:
        return None
    # another codec than ours, or no RPC server at all
    code = Code.INTERNAL if found.startswith("application/") else Code.UNKNOWN
    return RPCError(code, f"the response has the content-type {found[:120]!r}, not {expected!r}")
