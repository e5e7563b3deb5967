"""One connection of aiohttp's, of whose bytes none is taken for what it is not.

Each rule mends aiohttp (seen in 3.14.1 and 3.14.5), whose own handler gives every byte that comes to a parser of
endlessly many answers, and every answer to whoever asks next:

1. One request has one answer: bytes after its end, bytes that come while nothing is asked, and bytes that lie in the
   socket when a kept connection is to be used again, are no answer to anybody (RFC 9112 section 9.2). The connection is
   closed, and the answer before them stands: what is behind a 204 or 304 or the answer to HEAD is not its body (RFC
   9112 section 6.3, RFC 9110 section 15.3.5), and no reason to send a request twice.
2. Equal lengths, on several lines or in one ("2, 2"), are one (RFC 9110 section 8.6). Differing ones are an error.
3. The header section, and trailers with it, has a bound in bytes.
4. A body that breaks off, or whose connection we close, is told to its reader, who would wait until his time-out.

The usual answer costs none of this: it is parsed as it comes. Only what the parser refuses is parsed once more, head
first (`_again`).
"""

from __future__ import annotations

import re
import select
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

Message = tuple[Any, StreamReader]

MAX_HEADERS = 256 * 1024  # bytes of a header section, by default
TOO_LARGE = "the headers are over"  # begins the message of the error
_PACKET = 256 * 1024  # bytes that come at once
_POLL: Any = getattr(select, "poll", None)  # Windows has none
_BLANK = re.compile(rb"\n\r?\n")  # ends a header section, and the trailers behind the last chunk
_LENGTH = re.compile(rb"(?im)^content-length:([^\n]*)\n")
_LENGTH_AT_FAULT = "Content-Length"  # in the parser's words
_INTERIM = frozenset(range(100, 200)) - {101}


class Handler(ResponseHandler):
    """One connection.

    Args:
        loop: The running one.
        most: Bytes of a header section.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_headers: int = MAX_HEADERS) -> None:
        super().__init__(loop=loop)
        self._max_headers = max_headers
        self._answer: Any = None  # the body of the answer that is asked for, once its head has come
        self._begun: bytes | bytearray = b""  # what has come of its head
        self._chunked = False
        self._body = 0  # bytes of it, when last looked at
        self._got = 0  # bytes that came behind its head
        self._framing = 0  # bytes in a row that were none of its body: chunk extensions, trailers
        self._known: Any = None  # the parser that these are about: each request has a new one
        self._heard: Any = None

    def is_connected(self) -> bool:
        """Whether it can be used, or used again: nothing that the loop has not seen yet may lie in its socket."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if self._heard is None:
            self._heard = _heard(transport)
        return not self._heard(0)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """It failed."""
        body = self._payload
        super().set_exception(exc, *cause)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc, *cause)

    def close(self) -> None:
        """Close it now."""
        body = self._payload
        super().close()
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientConnectionError("closed by ourselves"))

    def data_received(self, data: bytes) -> None:
        """Bytes came; b"" where a body that was paused goes on."""
        parser = self._parser
        if parser is None or self._upgraded:
            self._hang_up()
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
            messages, self._upgraded, _ = parser.feed_data(data)
        except Exception as error:  # whatever bytes can make of it
            self._refused(data, error)
            return
        if answer is not None:
            self._more(answer, data, messages)
        elif messages:
            self._first(self._begun + data if self._begun else data, messages)
        elif data:
            self._begin(data)

    def _first(self, whole: bytes | bytearray, messages: Sequence[Message]) -> None:
        """Heads came to their end, with what is behind them."""
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
        """Bytes of the body came, or what ends it."""
        self._got += len(data)
        if not answer.is_eof():
            self._framing = self._framing + len(data) if answer.total_bytes == self._body else 0
            self._body = answer.total_bytes
            if self._framing > self._max_headers:
                self._refuse(_too_large(self._max_headers))
        elif messages or self._has_more(answer, data):
            self._surplus()

    def _has_more(self, answer: StreamReader, last: bytes | bytearray) -> bool:
        """Whether bytes came behind the end of the answer, beginnings of another one among them."""
        if self._chunked:
            return bool(last) and (not last.endswith(b"\n") or last.endswith(b"\n\r\n\r\n"))
        return self._got != answer.total_bytes

    def _deliver(self, messages: Iterable[Message]) -> int:
        """Hand heads to who waits for them, up to the one that ends the waiting; gives how many they were."""
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
        """Keep what came of a head; gives whether it may go on."""
        if self._begun:
            self._begun += data
        else:
            self._begun = bytearray(data)
        if len(self._begun) > self._max_headers:
            self._refuse(_too_large(self._max_headers))
            return False
        return True

    def _refused(self, data: bytes, error: Exception) -> None:
        """The parser takes no more of it."""
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
        """Parse anew what the parser did not take, each head by itself, then what is behind the last."""
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
        """What is behind a head, cut where its body may end: so much of it is parsed before the next is looked at."""
        if self._chunked:
            cuts = [blank.end() for blank in _BLANK.finditer(rest)]
        else:
            cuts = [int(message.headers.get("Content-Length") or len(rest))]
        ends = [0, *cuts, len(rest)]
        return [piece for start, end in pairwise(ends) if (piece := rest[start:end])]

    def _refuse(self, error: Exception) -> None:
        """It is no answer, or not a whole one."""
        self._hang_up()
        code, message = getattr(error, "code", 400), getattr(error, "message", "")
        self.set_exception(HttpProcessingError(code=code, message=message), error)

    def _surplus(self) -> None:
        """What came is no answer to anything; the one before it stands."""
        self._should_close = True
        self._parser = self._payload = None
        self._hang_up()

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _WaitsForHead:
    """Stands for a parser that did not take a length, until all of the head is there to be parsed once more."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def feed_data(self, data: bytes) -> Any:  # noqa: ARG002 - as of a parser
        raise self._error

    def feed_eof(self) -> None:
        """The head has no end."""


def headers_of(max_bytes: int) -> int:
    """How many headers may be in so many bytes."""
    return max_bytes // 32


def _heard(transport: Any) -> Callable[[int], object]:
    """What tells whether bytes, or the end, have come that the loop has not seen yet; the system is asked."""
    socket = transport.get_extra_info("socket")
    if _POLL is None or socket is None or socket.fileno() < 0:
        return bool  # of its 0: no
    poll = _POLL()
    poll.register(socket.fileno(), select.POLLIN)
    heard: Callable[[int], object] = poll.poll
    return heard


def _size(message: Any) -> int:
    return sum(len(name) + len(value) + 4 for name, value in message.raw_headers)


def _too_large(max_bytes: int) -> HttpProcessingError:
    return HttpProcessingError(code=400, message=f"{TOO_LARGE} {max_bytes:,} bytes")


def _one_length(head: bytes) -> bytes:
    """The head with one Content-Length where it has several that are equal; unchanged where they differ."""
    lines = [*_LENGTH.finditer(head)]
    values = [value.strip() for line in lines for value in line[1].split(b",")]
    if len(values) < 2 or len(set(values)) > 1 or not values[0].isdigit():  # noqa: PLR2004 - one is no problem
        return head
    rest = _LENGTH.sub(b"", head[lines[0].end() :])
    return head[: lines[0].start()] + b"Content-Length: " + values[0] + b"\r\n" + rest
