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

from asyncapi.sansio.http.heads import BadResponse, Remembered, fields_of, lines_of, names_framing

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
_END_OF_DATA = b"\r\n"
_SIZE_LINE, _DATA, _DATA_END, _TRAILERS = range(4)


class _Sizes(Remembered[bytes, int]):
    """The size lines that have been read, with their ends; the long ones are not remembered."""

    def __missing__(self, line: bytes) -> int:
        found = _SIZE.fullmatch(line)
        if found is None or not line[0:1].isalnum() or (size := int(found[1] or b"0", 16)) > _MOST:
            raise BadResponse("a chunk of its body has no valid size")
        if len(line) <= _FREE:
            self.keep(line, size)
        return size


_sizes = _Sizes()


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
        self._held: bytearray | None = None  # the part of a line that has come
        self._section: bytearray | None = None  # the lines of the trailers
        self._state = _SIZE_LINE
        self._left = 0  # bytes of the chunk that are to come
        self._cost = 0

    def feed(self, data: bytes) -> bytes:  # noqa: C901, PLR0912 - a table of states
        """Return the part of the body that is in `data`.

        Raises:
            BadResponse: It is not valid, or over a bound.
        """
        pieces: list[bytes] = []
        at = 0
        if self._held:
            data = self._whole(data)
        end = len(data)
        while at < end and self.trailers is None:
            state = self._state
            if state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            stop = at + 2 if state == _DATA_END else data.find(b"\n", at) + 1
            if not stop or stop > end:
                self._hold(data[at:])
                break
            line = data[at:stop]
            at = stop
            if state == _SIZE_LINE:
                size = self._size(line) if self._cost or len(line) > _FREE else _sizes[line]
                after = stop + size
                if data[after : after + 2] != _END_OF_DATA:
                    self._left, self._state = size, _DATA if size else _TRAILERS
                    continue
                at = after + 2  # the usual chunk, which is all there
                if size:
                    pieces.append(data[stop:after])
                else:
                    self.trailers = []
            elif state == _TRAILERS:
                self._trailer(line)
            elif line == _END_OF_DATA:
                self._state = _SIZE_LINE
            else:
                raise BadResponse("a chunk of its body is longer than its size")
        if self.trailers is not None:
            self.rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _whole(self, data: bytes) -> bytes:
        """Put what is held before `data`, if a line ends there; else hold that, too."""
        if b"\n" not in data:
            self._hold(data)
            return b""
        held, self._held = self._held or b"", None
        return bytes(held + data)

    def _hold(self, part: bytes) -> None:
        if self._held is None:
            self._held = bytearray()
        self._held += part
        if self._state == _DATA_END:
            if not _END_OF_DATA.startswith(self._held):
                raise BadResponse("a chunk of its body is longer than its size")
        elif self._state == _SIZE_LINE:
            self._bound(self._cost + len(self._held) - _FREE)
        else:
            self._bound(len(self._section or b"") + len(self._held))

    def _bound(self, size: int) -> None:
        if size > self._max_bytes:
            what = "trailers are" if self._state == _TRAILERS else "chunks have extensions of"
            raise BadResponse(f"its {what} over {self._max_bytes:,} bytes", too_large=True)

    def _size(self, line: bytes) -> int:
        """Read a size line, and count what it costs (rule 5)."""
        cost = self._cost + len(line) - _FREE
        self._bound(cost)
        size = _sizes[line]
        self._cost = max(0, cost - 2 * size)
        return size

    def _trailer(self, line: bytes) -> None:
        if line not in {b"\r\n", b"\n"}:
            if self._section is None:
                self._section = bytearray()
            self._section += line
            self._bound(len(self._section))
        elif self._section:
            lines = lines_of(bytes(self._section).removesuffix(b"\n").removesuffix(b"\r"), 0)
            if len(lines) > self._max_fields:
                raise BadResponse(f"it has over {self._max_fields:,} trailers", too_large=True)
            trailers = fields_of(lines, "trailer")
            if names_framing(trailers):  # rule 4
                raise BadResponse("a trailer says where its body ends")
            self.trailers = trailers
        else:
            self.trailers = []
