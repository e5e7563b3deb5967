"""Read the responses of one HTTP/1.1 connection (RFC 9112), one to each request, from pieces of any size.

What two readers could read in two ways is refused, and its connection with it. What only looks unusual is read.

Refused:
1. Content-Length beside Transfer-Encoding: RFC 9112 section 6.3, rule 3, has it handled as an error.
2. Content-Lengths that differ, or that are not digits (RFC 9110 section 8.6). Equal ones count as one.
3. Chunked named twice (RFC 9112 section 6.1), codings with parameters (sections 7.1 and 7.2), an empty list of codings,
   and a list that ends in a comma, which some readers take for chunked and some do not.
4. Whitespace between a header's name and its colon: section 5.1 has servers refuse it and proxies remove it, and says
   nothing of clients. Whitespace before the first header: section 2.2 leaves it to us to refuse or to skip such lines.
5. NUL, CR and LF within a header (RFC 9110 section 5.5), and a CR without its LF anywhere (RFC 9112 section 2.2).
6. A length or a coding in a trailer (RFC 9110 section 6.5.1), or in an interim response, which has no body (RFC 9110
   section 8.6, RFC 9112 section 6.1). An interim response may say `Content-Length: 0`: that is the same thing.
7. What the grammar of chunks does not allow: see `chunks`.
8. What is over a bound: the bytes of all heads of a response together, its headers, trailers, chunk extensions, and
   numbers above 2**63 - 1.

Read:
9. A folded line, as one line with a space (section 5.2); lines that end in LF alone (section 2.2).
10. Empty lines before the status line, as section 2.2 has servers do; a status line without a reason; HTTP/1.2 and
    later as 1.1 (RFC 9110 section 2.5); and 0.9 and 2.0, which some programs write into their status line, as 1.0.
11. Other control characters in a header's value: they may stay (RFC 9110 section 5.5), and servers do send them.
12. A last coding other than chunked: the body goes on to the end of the connection (RFC 9112 section 6.3, rule 4).
13. Chunked in a response of HTTP/1.0: the connection ends with it (section 6.1).
14. What follows a response that has no body (section 6.3, rules 1 and 2): it is `rest`, and part of no response.

Values are UTF-8; a byte that is not becomes a surrogate (PEP 383), so that none is lost. Names keep their case.

The aiohttp lane differs. It takes, and we refuse: chunked twice, an empty list of codings, and codings with
parameters; whitespace before the first header, or before the colon of a length or a coding; a NUL in a reason; a coding
in a trailer; an interim response with a body; LF alone after a chunk's data or extension, and extensions without a
name. It refuses, and we read: HTTP/1.2; whitespace around a chunk's extension; an interim response of HTTP/1.0, or one
with `Connection: close`. It reads otherwise: a tab after `chunked` undoes it; a fold keeps all of its spaces; chunked
over HTTP/1.0 keeps the connection, if the response says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.http.chunks import Chunks
from asyncapi.sansio.http.greetings import may_become_known, protocol_of
from asyncapi.sansio.http.heads import (
    FRAMINGS,
    NO_FRAMING,
    STATUSES,
    USUAL,
    BadResponse,
    fields_of,
    framing_of,
    lines_of,
    one_length,
    usual_field,
)

if TYPE_CHECKING:
    from asyncapi.sansio.http.heads import Field, Framing, Status

__all__ = ["BadResponse", "Reader"]

MAX_HEAD = 256 * 1024  # bytes, by default
_FIELD_BYTES = 32  # of a field on average, at least: so many may be in a head
_START = b"HTTP/"
_BLANK = re.compile(rb"\r?\n\r?\n")  # ends a header section
_EMPTY_LINES = re.compile(rb"(?:\r?\n)*+")
_HEAD, _LENGTH, _CHUNKED, _TO_THE_END, _DONE = range(5)
_SWITCHED = 101
_BODILESS = frozenset({_SWITCHED, 204, 304})


class Reader:
    """The responses of one connection, one after the other: `begin`, then `feed` until `done`, or `end`.

    After a BadResponse, the connection and its reader can't be used any more.

    Args:
        max_head: Most bytes of the heads of one response, and of its trailers.

    Attributes:
        begun: Whether any byte of the response has come.
        interim: The last interim status (1xx) that came before the response; 0 for none.
        headed: Whether the response's head is whole; the five that follow are valid from then on.
        status: Its status.
        version: "1.0" or "1.1".
        fields: Its header fields, in their order, with the names as the server writes them.
        length: Its Content-Length, where that says where the body ends; else None.
        keep: Whether the connection may carry another exchange after this one.
        trailers: The trailers of a chunked body once it has ended; else None.
        done: Whether the response is whole.
        rest: Bytes that came after its end: nobody asked for them, but after a 101 or the response to CONNECT.
    """

    __slots__ = (
        "_asks_for_none", "_chunks", "_closing", "_held", "_left", "_max_fields", "_max_head", "_method", "_room",
        "_seen", "_state", "begun", "done", "fields", "headed", "interim", "keep", "length", "rest", "status",
        "trailers", "version",
    )  # fmt: skip

    begun: bool
    interim: int
    headed: bool
    status: int
    version: str
    fields: list[Field]
    length: int | None
    keep: bool
    trailers: list[Field] | None
    done: bool
    rest: bytes

    def __init__(self, max_head: int = MAX_HEAD) -> None:
        self._max_head = max_head
        self._max_fields = max_head // _FIELD_BYTES
        self._held = bytearray()  # the beginning of a head that is not whole yet
        self._chunks: Chunks | None = None
        self._left = 0
        self.begin("GET")
        self._state, self.done = _DONE, True  # bytes that come before the first request are nobody's

    def begin(self, method: str) -> None:
        """Get ready for the response to a request.

        Args:
            method: That of the request: it decides whether there is a body.
        """
        self._method = method
        self._asks_for_none = method in {"HEAD", "CONNECT"}
        self._state = _HEAD
        self._room = self._max_head
        self._closing = self.begun = self.headed = self.keep = self.done = False
        self._seen = self.status = self.interim = 0
        self.version = ""
        self.fields = []
        self.length = self.trailers = None
        self.rest = b""
        if self._held:
            self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take in bytes; return what they have of the body, without the chunks around it.

        Raises:
            BadResponse: They are not valid, or over a bound.
        """
        state = self._state
        if state == _HEAD:
            return self._pieced(data) if self._held else self._usual(data)
        if state == _LENGTH:
            left = self._left = self._left - len(data)
            if left > 0:
                return data
            return self._finish(data, len(data) + left)
        if state == _CHUNKED:
            return self._unchunked(data)
        if state == _TO_THE_END:
            return data
        if data:
            self.rest += data
            self.keep = False
        return b""

    def _usual(self, data: bytes) -> bytes:
        """Take in a whole head that has nothing to be tolerant about; any other is for `_pieced`."""
        end = data.find(b"\r\n\r\n")
        if end < 0 or end + 4 > self._room:
            return self._pieced(data)
        lines = data[:end].split(b"\r\n")
        if len(lines) > self._max_fields:
            return self._pieced(data)
        try:
            first = STATUSES[lines[0]]
            del lines[0]
            fields = [*map(usual_field, lines)]
            framing = FRAMINGS[tuple([field for field in fields if field[0] in USUAL])]
        except BadResponse:
            return self._pieced(data)
        if first[0] < 200:  # noqa: PLR2004 - 1xx
            return self._pieced(data)
        self.begun = True
        return self._final(first, fields, framing, data, end + 4)

    def end(self) -> None:
        """Take in that the server has closed the connection.

        Raises:
            BadResponse: The response is not whole. `begun` tells whether anything of it came.
        """
        self.keep = False
        if self._state == _TO_THE_END:
            self._state, self.done = _DONE, True
        elif self._state == _LENGTH and self.length is not None:
            came = self.length - self._left
            raise BadResponse(f"the connection was closed after {came:,} of the {self.length:,} bytes of its body")
        elif self._state == _CHUNKED:
            raise BadResponse("the connection was closed before the last chunk of its body")
        elif self._state == _HEAD:
            if self._held:
                self._check_start(0, last=True)
            where = "in the middle of its headers" if self.begun else "before the first byte of a response"
            raise BadResponse(f"the connection was closed {where}")

    def _pieced(self, data: bytes) -> bytes:
        """Take in a head that comes in pieces, that is not quite as usual, or with interim ones before it."""
        held = self._held
        held += data
        self.begun = self.begun or bool(data)
        at = 0
        while True:
            at = self._skip_empty_lines(at)
            self._check_start(at)
            blank = _BLANK.search(held, max(at, self._seen))
            if (blank.end() if blank is not None else len(held)) - at > self._room:
                raise BadResponse(f"its headers are over {self._max_head:,} bytes", too_large=True)
            if blank is None:
                del held[:at]
                self._seen = max(0, len(held) - 3)
                return b""
            lines = lines_of(bytes(held[at : blank.start()]), 1)
            if len(lines) > self._max_fields + 1:
                raise BadResponse(f"it has over {self._max_fields:,} headers", too_large=True)
            first = STATUSES[lines[0]]
            fields = fields_of(lines[1:], "header")
            self._room -= blank.end() - at
            at = blank.end()
            if first[0] >= 200 or first[0] == _SWITCHED:  # noqa: PLR2004 - what is not 1xx
                break
            self._interim(first[0], framing_of(fields))
        self._held = bytearray()
        tunnel = self._method == "CONNECT" and first[0] < 300  # noqa: PLR2004 - rule 14
        return self._final(first, fields, NO_FRAMING if tunnel else framing_of(fields), bytes(held), at)

    def _skip_empty_lines(self, at: int) -> int:
        found = _EMPTY_LINES.match(self._held, at)
        end = found.end() if found is not None else at
        self._room -= end - at
        return end

    def _check_start(self, at: int, *, last: bool = False) -> None:
        """Refuse what can't become a status line: a server of another protocol may wait for us to speak."""
        first = bytes(self._held[at : at + 8])
        if first.startswith(_START) or _START.startswith(first):
            return
        if not last and (first == b"\r" or may_become_known(first)):
            return
        if who := protocol_of(first):
            raise BadResponse(f"{who} is on this port")
        raise BadResponse("it doesn't begin with a status line")

    def _interim(self, status: int, framing: Framing) -> None:
        if framing.length or framing.codings:  # rule 6
            raise BadResponse("an interim response says that it has a body")
        self.interim = status
        self._closing = self._closing or framing.closes

    def _final(self, first: Status, fields: list[Field], framing: Framing, data: bytes, at: int) -> bytes:
        """Take in the head of the response; return what `data` has of its body, from `at` on."""
        status, version = self.status, self.version = first
        length, codings, repeated, closes, keeps = framing
        self.fields = one_length(fields) if repeated else fields
        self.headed = True
        keep = (keeps or version == "1.1") and not closes and not self._closing
        if status in _BODILESS or (self._asks_for_none and (status < 300 or self._method == "HEAD")):  # noqa: PLR2004
            self.keep = keep and status != _SWITCHED and self._method != "CONNECT"
            return self._finish(data, at, at)
        if length is not None:
            self.keep, self.length = keep, length
            end = at + length
            left = self._left = end - len(data)
            if left <= 0:
                return self._finish(data, end, at)
            self._state = _LENGTH
        elif codings and codings[-1] == "chunked":
            self.keep = keep and version == "1.1"  # rule 13
            self._chunks, self._state = Chunks(self._max_head, self._max_fields), _CHUNKED
            return self._unchunked(data[at:])
        else:
            self._state = _TO_THE_END
        return data[at:]

    def _unchunked(self, data: bytes) -> bytes:
        chunks: Any = self._chunks
        body: bytes = chunks.feed(data)
        if chunks.trailers is not None:
            self.trailers = chunks.trailers
            self._chunks = None
            self._finish(chunks.rest, 0)
        return body

    def _finish(self, data: bytes, end: int, at: int = 0) -> bytes:
        """Note that the response is whole; return the last of its body, which `data` has from `at` to `end`."""
        self._state, self.done = _DONE, True
        if end == len(data):
            return data[at:]
        self.rest, self.keep = data[end:], False
        return data[at:end]
