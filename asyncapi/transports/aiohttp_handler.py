"""Handle one connection of aiohttp's, so that no byte is taken for part of another response.

Each rule mends aiohttp (seen in 3.14.1 and 3.14.5), whose own handler passes every byte to a parser of any number of
responses, and every response to whichever request is next:

1. One request has one response: bytes after its end, bytes that come while no request is under way, and bytes that wait
   in the socket when an idle connection is to be used again, are no response to any request (RFC 9112 section 9.2). The
   connection is closed, and the response before them is valid: what follows a 204 or 304 or the response to HEAD is not
   its body (RFC 9112 section 6.3, RFC 9110 section 15.3.5), and no reason to send a request twice.
2. Equal lengths, on several lines or in one ("2, 2"), count as one (RFC 9110 section 8.6). Different ones are an error.
3. The header section, with the trailers, is limited in bytes.
4. The reader of a body that breaks off, or whose connection we close, gets an error; with aiohttp's handler it would
   wait for its timeout.

The usual response costs none of this: it is parsed as it comes. Only what the parser refuses is parsed once more, one
head at a time (`_again`).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from asyncapi.transports.wire import heard

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

Message = tuple[Any, StreamReader]

MAX_HEADERS = 256 * 1024  # bytes of a header section, by default
TOO_LARGE = "the headers are over"  # begins the message of the error
_PACKET = 256 * 1024  # most bytes that arrive at once
_BLANK = re.compile(rb"\n\r?\n")  # ends a header section, and the trailers after the last chunk
_LENGTH = re.compile(rb"(?im)^content-length:([^\n]*)\n")
_LENGTH_AT_FAULT = "Content-Length"  # in the parser's words
_INTERIM = frozenset(range(100, 200)) - {101}


class Handler(ResponseHandler):
    """One connection.

    Args:
        loop: The running one.
        max_headers: Most bytes of a header section.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_headers: int = MAX_HEADERS) -> None:
        super().__init__(loop=loop)
        self._max_headers = max_headers
        self._answer: Any = None  # the body of the response under way, once its head has come
        self._begun: bytes | bytearray = b""  # the part of its head that has come
        self._chunked = False
        self._body = 0  # bytes of the body, when last counted
        self._got = 0  # bytes that came after its head
        self._framing = 0  # bytes in a row that were not body: chunk extensions, trailers (rule 3)
        self._known: Any = None  # the parser that the values above are about: each request has a new one
        self._heard: Any = None

    def is_connected(self) -> bool:
        """Whether the connection can be used: no bytes may wait in its socket that the loop has not seen (rule 1)."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if self._heard is None:
            self._heard = heard(transport)
        return not self._heard(0)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Note a failure, and pass it to the body's reader (rule 4)."""
        body = self._payload
        super().set_exception(exc, *cause)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc, *cause)

    def close(self) -> None:
        """Close the connection now, and tell the body's reader (rule 4)."""
        body = self._payload
        super().close()
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientConnectionError("closed by ourselves"))

    def data_received(self, data: bytes) -> None:
        """Take in bytes; b"" where a body that was paused resumes."""
        parser = self._parser
        if parser is None or self._upgraded:
            self._beyond(data)
            return
        if parser is not self._known:
            self._known, self._answer, self._begun, self._framing = parser, None, b"", 0
        answer = self._answer
        if data:
            if answer is not None and answer.is_eof():
                self._surplus()
                return
            if self._read_timeout:
                self._reschedule_timeout()
        try:
            messages, self._upgraded, tail = parser.feed_data(data)
        except Exception as error:  # whatever bytes can make of it
            self._refused(data, error)
            return
        if answer is not None:
            self._more(answer, data, messages)
        elif messages:
            self._first(self._begun + data if self._begun else data, messages, tail)
        elif data:
            self._begin(data)

    def _beyond(self, data: bytes) -> None:
        """Take in bytes that are no HTTP: another protocol's, whose parser has them now, or nobody's (rule 1)."""
        if self._upgraded:
            super().data_received(data)
        else:
            self._hang_up()

    def _first(self, whole: bytes | bytearray, messages: Sequence[Message], tail: bytes) -> None:
        """Take in whole heads, with the bytes after them; `tail` are those of another protocol."""
        if self._upgraded:
            self._deliver(messages)
            super().data_received(tail)
            return
        if len(whole) > self._max_headers and any(_size(message) > self._max_headers for message, _ in messages):
            self._refuse(_too_large(self._max_headers))
            return
        heads = self._deliver(messages)
        at = whole.find(b"\r\n\r\n") + 4 if heads == 1 else 0
        if at < 4:  # noqa: PLR2004 - not the usual case
            at = 0
            for _ in range(heads):
                blank = _BLANK.search(whole, at)
                at = blank.end() if blank is not None else at
        answer = self._answer
        if answer is None:
            self._begun = whole[at:]
            return
        self._got = len(whole) - at
        if answer.is_eof() and (len(messages) > heads or self._has_more(answer, whole)):
            self._surplus()

    def _more(self, answer: StreamReader, data: bytes, messages: Sequence[Message]) -> None:
        """Take in bytes of the body, or what ends it."""
        self._got += len(data)
        if not answer.is_eof():
            self._framing = self._framing + len(data) if answer.total_bytes == self._body else 0
            self._body = answer.total_bytes
            if self._framing > self._max_headers:
                self._refuse(_too_large(self._max_headers))
        elif messages or self._has_more(answer, data):
            self._surplus()

    def _has_more(self, answer: StreamReader, last: bytes | bytearray) -> bool:
        """Whether bytes came after the end of the response (rule 1), the beginning of another one included."""
        if self._chunked:
            return bool(last) and (not last.endswith(b"\n") or last.endswith(b"\n\r\n\r\n"))
        return self._got != answer.total_bytes

    def _deliver(self, messages: Iterable[Message]) -> int:
        """Pass heads to the waiting request, up to the final one; returns how many there were."""
        heads = 0
        for message, body in messages:
            heads += 1
            code = message.code
            bodiless = self._skip_payload or code in EMPTY_BODY_STATUS_CODES
            if message.should_close:
                self._should_close = True
            self._payload = body
            self.feed_data((message, EMPTY_PAYLOAD if bodiless else body), 0)
            if code not in _INTERIM:
                self._answer, self._chunked, self._body = body, message.chunked and not bodiless, 0
                if self._read_timeout:
                    body.on_eof(self._drop_timeout)
                break
        return heads

    def _begin(self, data: bytes) -> bool:
        """Store the beginning of a head; returns whether it is within the limit (rule 3)."""
        if self._begun:
            self._begun += data
        else:
            self._begun = bytearray(data)
        if len(self._begun) > self._max_headers:
            self._refuse(_too_large(self._max_headers))
            return False
        return True

    def _refused(self, data: bytes, error: Exception) -> None:
        """Handle bytes that the parser refuses."""
        if self._answer is None:
            whole = bytes(self._begun + data)
            if len(whole) > self._max_headers + _PACKET:
                self._refuse(_too_large(self._max_headers))
            elif _LENGTH_AT_FAULT in str(error) and _BLANK.search(whole) is None:
                self._begun, self._known = whole, _WaitsForHead(error)
                self._parser = self._known
            else:
                self._again(whole, error)
        elif self._answer.is_eof():
            self._surplus()
        else:
            self._refuse(error)

    def _again(self, whole: bytes, error: Exception) -> None:
        """Parse refused bytes anew: each head by itself, with one length (rule 2), then what follows the last."""
        max_headers = self._max_headers
        parser: Any = HttpResponseParser(
            self, self._loop, _PACKET,
            payload_exception=aiohttp.ClientPayloadError, auto_decompress=False,
            response_with_body=not self._skip_payload, read_until_eof=True,
            max_line_size=max_headers, max_field_size=max_headers, max_headers=headers_of(max_headers),
        )  # fmt: skip
        self._parser = self._known = parser
        at, message = 0, None
        while self._answer is None:
            blank = _BLANK.search(whole, at)
            try:
                messages = parser.feed_data(_one_length(whole[at : blank.end()]))[0] if blank is not None else ()
            except Exception as again:
                messages, error = (), again
            if blank is None or not messages:
                self._refuse(error)
                return
            self._deliver(messages)
            at, message = blank.end(), messages[0][0]
        for piece in self._pieces(message, whole[at:]):
            self.data_received(piece)

    def _pieces(self, message: Any, rest: bytes) -> Iterable[bytes]:
        """Cut the bytes after a head where its body may end, so that each piece is parsed before the next is seen."""
        if self._chunked:
            cuts = [blank.end() for blank in _BLANK.finditer(rest)]
        else:
            cuts = [int(message.headers.get("Content-Length") or len(rest))]
        ends = [0, *cuts, len(rest)]
        return [piece for start, end in pairwise(ends) if (piece := rest[start:end])]

    def _refuse(self, error: Exception) -> None:
        """Fail the response: it is not valid, or incomplete."""
        self._hang_up()
        code, message = getattr(error, "code", 400), getattr(error, "message", "")
        self.set_exception(HttpProcessingError(code=code, message=message), error)

    def _surplus(self) -> None:
        """Close the connection after surplus bytes; the response before them is valid (rule 1)."""
        self._should_close = True
        self._parser = self._payload = None
        self._hang_up()

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _WaitsForHead:
    """Replaces a parser that refused a length, until the whole head is there to be parsed once more (rule 2)."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def feed_data(self, data: bytes) -> Any:  # noqa: ARG002 - the signature of a parser
        raise self._error

    def feed_eof(self) -> None:
        """The connection ended within the head."""


def headers_of(max_bytes: int) -> int:
    """The number of headers that may be in that many bytes."""
    return max_bytes // 32


def _size(message: Any) -> int:
    return sum(len(name) + len(value) + 4 for name, value in message.raw_headers)


def _too_large(max_bytes: int) -> HttpProcessingError:
    return HttpProcessingError(code=400, message=f"{TOO_LARGE} {max_bytes:,} bytes")


def _one_length(head: bytes) -> bytes:
    """Merge equal Content-Lengths of a head into one (rule 2); different ones are left for the parser to refuse."""
    lines = [*_LENGTH.finditer(head)]
    values = [value.strip() for line in lines for value in line[1].split(b",")]
    if len(values) < 2 or len(set(values)) > 1 or not values[0].isdigit():  # noqa: PLR2004 - one is no problem
        return head
    rest = _LENGTH.sub(b"", head[lines[0].end() :])
    return head[: lines[0].start()] + b"Content-Length: " + values[0] + b"\r\n" + rest
