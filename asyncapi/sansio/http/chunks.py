"""Read a chunked body (RFC 9112 section 7.1), strictly, and within bounds.

Rules:
1. A size is hexadecimal digits alone. Whitespace may follow it, as some servers pad it.
2. An extension is a token, with a token or a quoted string as its value, or without (section 7.1.1); whitespace may
   stand around ";" and "=" (RFC 9110 section 5.6.3). What it says is ignored.
3. A size line, and the data of a chunk, end in CRLF. Only fields may end in LF alone (RFC 9112 section 2.2): trailers.
4. A trailer is a field like those of the head, but none that says where a body ends (RFC 9110 section 6.5.1).
5. Trailers are bounded, in bytes and in number. So is what chunks cost beyond their data: what their lines have above
   16 bytes each, less twice the bytes of data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.sansio.http.heads import BadResponse, fields_of, lines_of, names_framing

if TYPE_CHECKING:
    from asyncapi.sansio.http.heads import Field

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_SIZE = re.compile(
    rb"0*+([0-9A-Fa-f]{0,16})[\t ]*+(?:;[\t ]*+%b++[\t ]*+(?:=[\t ]*+(?:%b++|%b)?+[\t ]*+)?+)*+\r\n"
    % (_TOKEN, _TOKEN, _QUOTED)
)
_MOST = 2**63 - 1
_FREE = 16  # bytes of a size line
_SIZE_LINE, _DATA, _DATA_END, _TRAILERS = range(4)


class Chunks:
    """One chunked body, fed in pieces of any size.

    Args:
        max_bytes: The bound of the trailers, and of what chunks cost.
        max_fields: The most trailers.

    Attributes:
        trailers: The trailers, once the body has ended; None before.
        rest: What came after its end.
    """

    __slots__ = ("_cost", "_held", "_left", "_max_bytes", "_max_fields", "_section", "_state", "rest", "trailers")

    trailers: list[Field] | None
    rest: bytes

    def __init__(self, max_bytes: int, max_fields: int) -> None:
        self.trailers = None
        self.rest = b""
        self._max_bytes = max_bytes
        self._max_fields = max_fields
        self._held = bytearray()  # the part of a line that has come
        self._section = bytearray()  # the lines of the trailers
        self._state = _SIZE_LINE
        self._left = 0  # bytes of the chunk that are to come
        self._cost = 0

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that is in `data`.

        Raises:
            BadResponse: It is not valid, or over a bound.
        """
        pieces: list[bytes] = []
        at, end = 0, len(data)
        if self._held:
            data, end = self._whole(data)
        while at < end and self.trailers is None:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            stop = data.find(b"\n", at) + 1
            if not stop or (self._state == _DATA_END and end - at < len(b"\r\n")):
                self._hold(data[at:])
                break
            if self._state == _SIZE_LINE:
                self._size(data[at:stop])
            elif self._state == _TRAILERS:
                self._trailer(data[at:stop])
            elif data[at : at + 2] == b"\r\n":
                stop, self._state = at + 2, _SIZE_LINE
            else:
                raise BadResponse("a chunk of its body is longer than its size")
            at = stop
        if self.trailers is not None:
            self.rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _whole(self, data: bytes) -> tuple[bytes, int]:
        """Put what is held before `data`, if a line ends there."""
        if b"\n" not in data and self._state != _DATA_END:
            self._hold(data)
            return b"", 0
        whole = bytes(self._held + data)
        self._held.clear()
        return whole, len(whole)

    def _hold(self, part: bytes) -> None:
        self._held += part
        if self._state == _DATA_END:
            if not b"\r\n".startswith(self._held):
                raise BadResponse("a chunk of its body is longer than its size")
        elif self._state == _SIZE_LINE:
            self._bound(self._cost + len(self._held) - _FREE)
        else:
            self._bound(len(self._section) + len(self._held))

    def _bound(self, size: int) -> None:
        if size > self._max_bytes:
            what = "trailers are" if self._state == _TRAILERS else "chunks have extensions of"
            raise BadResponse(f"its {what} over {self._max_bytes:,} bytes", too_large=True)

    def _size(self, line: bytes) -> None:
        cost = self._cost + len(line) - _FREE
        self._bound(cost)
        found = _SIZE.fullmatch(line)
        if found is None or not line[0:1].isalnum():
            raise BadResponse("a chunk of its body has no valid size")
        self._left = int(found[1] or b"0", 16)
        if self._left > _MOST:
            raise BadResponse("a chunk of its body has no valid size")
        self._cost = max(0, cost - 2 * self._left)
        self._state = _DATA if self._left else _TRAILERS

    def _trailer(self, line: bytes) -> None:
        if line not in {b"\r\n", b"\n"}:
            self._section += line
            self._bound(len(self._section))
            return
        lines = lines_of(bytes(self._section).removesuffix(b"\n").removesuffix(b"\r"), 0) if self._section else []
        if len(lines) > self._max_fields:
            raise BadResponse(f"it has over {self._max_fields:,} trailers", too_large=True)
        trailers = fields_of(lines, "trailer")
        if names_framing(trailers):
            raise BadResponse("a trailer says where its body ends")  # rule 4
        self.trailers = trailers
