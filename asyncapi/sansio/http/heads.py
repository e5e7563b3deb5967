"""Read the head of an HTTP/1.1 response: its status line, its fields, and what they say of the body.

Lines that have been read before are not read again: most of the lines that a server sends are always the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Field = tuple[str, str]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_STATUS = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\0\r\n]*)?")
_NOT_A_VALUE = re.compile(rb"[\0\r\n]")  # RFC 9110 section 5.5; other control characters may stay, and do
_LINE_END = re.compile(rb"\r?\n")
_DIGITS = re.compile(r"0*([0-9]{1,19})")
_SPACE = " \t"  # OWS, RFC 9110 section 5.6.3
_MOST = 2**63 - 1  # bytes of a body
_KEPT, _KEPT_BYTES = 1024, 160  # lines that are remembered, and the longest of them


class BadResponse(Exception):
    """What came is no valid response, or none that can be read in one way only.

    Attributes:
        why: What is wrong, in our own words and without the server's bytes.
        too_large: Whether it is valid so far, but over one of our bounds.
    """

    why: str
    too_large: bool

    def __init__(self, why: str, *, too_large: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.too_large = too_large


class Framing(tuple[str, str]):  # noqa: SLOT001 - a tuple can't have slots that hold something
    """A field that says where the body ends, or whether the connection ends with it.

    Attributes:
        length: The number of a Content-Length as it is written; "" for another field.
        codings: What a Transfer-Encoding names; empty for another field.
        closes: Whether it is a Connection that names `close`.
        keeps: Whether it is a Connection that names `keep-alive`.
    """

    length: str = ""
    codings: tuple[str, ...] = ()
    closes: bool = False
    keeps: bool = False


def _length(field: Framing) -> None:
    """RFC 9110 section 8.6: digits; equal ones in a list count as one, as on several lines."""
    lengths = {each.strip(_SPACE) for each in field[1].split(",")}
    field.length = lengths.pop()
    digits = _DIGITS.fullmatch(field.length)
    if lengths or digits is None or int(digits[1]) > _MOST:
        raise BadResponse("its Content-Length is no number of bytes" if not lengths else "its Content-Lengths differ")


def _codings(field: Framing) -> None:
    """RFC 9112 section 6.1. Those in use have no parameters, and one with some is an error (7.1 and 7.2)."""
    field.codings = tuple(each.strip(_SPACE).lower() for each in field[1].split(","))
    if not all(_TOKEN.fullmatch(each) for each in field.codings if each) or not field.codings[-1]:
        raise BadResponse("its Transfer-Encoding is not a list of codings")


def _options(field: Framing) -> None:
    """RFC 9110 section 7.6.1, RFC 9112 section 9.3."""
    options = {each.strip(_SPACE).lower() for each in field[1].split(",")}
    field.closes, field.keeps = "close" in options, "keep-alive" in options


_READ = {"content-length": _length, "transfer-encoding": _codings, "connection": _options}


def _field(line: bytes) -> Field:
    """Read one field line, without its end (RFC 9112 section 5)."""
    name, colon, value = line.partition(b":")
    text = name.decode("latin-1")
    if not colon or not _TOKEN.fullmatch(text):  # nor may whitespace stand between them: section 5.1
        raise BadResponse("a header has no valid name")
    if _NOT_A_VALUE.search(value) is not None:
        raise BadResponse("a header has a control character in it: NUL, CR or LF")
    field = text, value.decode("utf-8", "surrogateescape").strip(_SPACE)
    read = _READ.get(text.lower())
    if read is None:
        return field
    framing = Framing(field)
    read(framing)
    return framing


class _Fields(dict[bytes, Field]):
    """The field lines that have been read: what a line means does not depend on anything around it."""

    def __missing__(self, line: bytes) -> Field:
        field = _field(line)
        if len(line) <= _KEPT_BYTES and field[0].lower() != "set-cookie":  # which is a secret, and new each time
            if len(self) >= _KEPT:
                self.clear()
            self[line] = field
        return field


class _Statuses(dict[bytes, tuple[int, str]]):
    """The status lines that have been read: status and version (RFC 9112 section 4)."""

    def __missing__(self, line: bytes) -> tuple[int, str]:
        found = _STATUS.fullmatch(line)
        if found is None:
            raise BadResponse("its status line is not valid")
        status = int(found[2]), "1.0" if found[1] == b"0" else "1.1"  # a later one is read as 1.1: RFC 9110 section 2.5
        if len(line) <= _KEPT_BYTES:
            if len(self) >= _KEPT:
                self.clear()
            self[line] = status
        return status


FIELDS = _Fields()
STATUSES = _Statuses()


def lines_of(section: bytes, first: int) -> list[bytes]:
    """Cut a header or trailer section, without the empty line at its end, into lines: the tolerant way.

    A line may end in LF alone (RFC 9112 section 2.2). One that begins with whitespace goes on with the line before it,
    after a space (section 5.2).

    Args:
        section: The lines.
        first: Which line is the first field: it can't go on with the one before (section 2.2).
    """
    lines: list[list[bytes]] = []
    for line in _LINE_END.split(section):
        if not line.startswith((b" ", b"\t")):
            lines.append([line])
        elif len(lines) > first:
            lines[-1].append(line.strip(b" \t"))
        else:
            raise BadResponse("whitespace stands before its first header")
    return [parts[0] if len(parts) == 1 else b" ".join([parts[0].rstrip(b" \t"), *parts[1:]]) for parts in lines]


def framing_of(fields: Iterable[Field]) -> tuple[str, tuple[str, ...], bool, bool, bool]:
    """Return what a head says of its body and its connection.

    They are its length, as it is written; its transfer codings; whether it has its length more than once; whether the
    connection closes; and whether it is kept, if its version doesn't say so.

    Raises:
        BadResponse: It says two different things.
    """
    length = ""
    codings: tuple[str, ...] = ()
    again = closes = keeps = False
    for field in fields:
        if field.__class__ is Framing:
            if field.length:
                if length and length != field.length:
                    raise BadResponse("its Content-Lengths differ")
                again = again or bool(length) or field.length != field[1]
                length = field.length
            elif field.codings:
                codings += field.codings
            else:
                closes, keeps = closes or field.closes, keeps or field.keeps
    if codings:
        if length:  # RFC 9112 section 6.3, rule 3
            raise BadResponse("it has both a Content-Length and a Transfer-Encoding")
        if codings.count("chunked") > 1:  # section 6.1
            raise BadResponse("its Transfer-Encoding names chunked twice")
    return length, codings, again, closes, keeps


def one_length(fields: Iterable[Field], length: str) -> list[Field]:
    """Merge equal Content-Lengths into one (RFC 9110 section 8.6)."""
    merged: list[Field] = []
    for field in fields:
        if not isinstance(field, Framing) or not field.length:
            merged.append(field)
        elif length:
            merged.append((field[0], length))
            length = ""
    return merged
