"""Read the parts of a `multipart/mixed` body from bytes that come in pieces of any size (RFC 2046 section 5.1).

    --BOUNDARY CRLF headers CRLF CRLF body CRLF --BOUNDARY ... CRLF --BOUNDARY--

Rules:
1. A delimiter stands at the beginning of a line, and blanks or `--` may follow it (section 5.1.1). What else begins
   with the boundary is content. The CRLF before it belongs to it.
2. What stands before the first delimiter or after the last one is skipped.
3. A part is whole when the next delimiter has come. A body that ends before its last delimiter is an error.
4. A part without an empty line has headers only; one that begins with an empty line has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError
from asyncapi.sansio.http.ndjson import MOST, too_long

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_BOUNDARY = 70  # RFC 2046 section 5.1.1
_LONGEST_PADDING = 256  # blanks behind a delimiter; more of them are content
_PARAMETER = re.compile(r';[ \t]*+([^=;"\s]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^;"\s]++))')
_PADDING = re.compile(rb"[ \t]*+")
_LONGEST_TYPE = 1_024  # characters of a Content-Type that are read


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        headers: Its header fields; their names are in lower case.
        body: Its content.
    """

    headers: Mapping[str, str]
    body: bytes


def boundary_of(content_type: str, default: str = "-") -> str:
    """Return the boundary that a Content-Type names.

    Args:
        content_type: The value of the header.
        default: What it is where the header names none: "-" for GraphQL (incremental delivery over HTTP).

    Raises:
        ProtocolError: The boundary is empty or too long.
    """
    for name, quoted, token in _PARAMETER.findall(content_type[:_LONGEST_TYPE]):
        if name.lower() == "boundary":
            boundary = re.sub(r"\\(.)", r"\1", quoted) if quoted else token
            if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
                raise ProtocolError(f"the boundary of multipart/mixed has {len(boundary)} characters, not 1 to 70")
            return str(boundary)
    return default


class MultipartParser:
    """Parse bytes into whole parts.

    Args:
        boundary: As in the Content-Type.
        max_part: The longest part that is accepted, in bytes, with its headers.

    Attributes:
        ended: Whether the last delimiter has come.
    """

    __slots__ = ("_buffer", "_delimiter", "_from", "_max_part", "_within", "ended")

    def __init__(self, boundary: str, max_part: int = MOST) -> None:
        self.ended: bool = False
        self._delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        self._max_part = max_part
        self._buffer = bytearray(b"\r\n")  # a delimiter may be the first line
        self._from = 0  # where the next delimiter may begin
        self._within = False  # whether the first delimiter has come

    def feed(self, data: bytes) -> list[Part]:
        """The parts that end in `data`.

        Raises:
            ProtocolError: A part is longer than allowed.
        """
        if self.ended:
            return []
        self._buffer += data
        parts: list[Part] = []
        while (found := self._next()) is not None:
            at, after = found
            if at > self._max_part:
                raise too_long("part", self._max_part)
            if self._within:
                parts.append(_part(bytes(self._buffer[:at])))
            self._within = True
            del self._buffer[:after]
            self._from = 0
        if self.ended:
            self._buffer.clear()
        elif not self._within:
            self._skip()
        elif len(self._buffer) > self._max_part + len(self._delimiter) + _LONGEST_PADDING:
            raise too_long("part", self._max_part)
        return parts

    def end(self) -> list[Part]:
        """Return nothing: the last delimiter has ended the last part (rule 3).

        Raises:
            ProtocolError: It has not come.
        """
        if not self.ended:
            raise ProtocolError("the multipart/mixed body broke off: its last delimiter did not come")
        return []

    def _next(self) -> tuple[int, int] | None:
        """Find the next delimiter: where it begins, and where the CRLF of its line does; None until it is whole."""
        buffer, delimiter = self._buffer, self._delimiter
        if self.ended:
            return None
        while (at := buffer.find(delimiter, self._from)) >= 0:
            behind = at + len(delimiter)
            if buffer.startswith(b"--", behind):
                self.ended = True
                return at, behind + 2
            stop = _PADDING.match(buffer, behind, behind + _LONGEST_PADDING).end()  # type: ignore[union-attr]  # it matches everywhere
            if buffer.startswith(b"\r\n", stop):
                return at, stop
            if bytes(buffer[stop:]) in {b"", b"\r", b"-"} and stop - behind < _LONGEST_PADDING:
                self._from = at  # not whole yet
                return None
            self._from = at + 2  # rule 1: content
        self._from = max(self._from, len(buffer) - len(delimiter) + 1)
        return None

    def _skip(self) -> None:
        """Forget what stands before the first delimiter (rule 2)."""
        del self._buffer[: self._from]
        self._from = 0


def _part(raw: bytes) -> Part:
    """Cut a part, which begins with the CRLF of its delimiter's line, into headers and body (rule 4)."""
    head, _, body = raw.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Part(headers, body)
