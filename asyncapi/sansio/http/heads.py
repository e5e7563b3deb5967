"""Read the head of an HTTP/1.1 response: its status line, its fields, and what they say of the body.

Lines that have been read before are not read again: most of the lines that a server sends are always the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Field = tuple[str, str]
Status = tuple[int, str]  # with the version

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_STATUS = re.compile(rb"HTTP/(0\.9|1\.[0-9]|2\.0) ([1-9][0-9]{2})(?: [^\0\r\n]*)?")
_AS_1_0 = frozenset({b"0.9", b"1.0", b"2.0"})
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


class Framing(NamedTuple):
    """What a head says of its body and its connection.

    Attributes:
        length: The bytes of the body; None without a Content-Length.
        codings: The transfer codings, in lower case.
        repeated: Whether the Content-Length is there more than once.
        closes: Whether the connection ends with the response.
        keeps: Whether it does not, if the version doesn't say so.
    """

    length: int | None
    codings: tuple[str, ...]
    repeated: bool
    closes: bool
    keeps: bool


NO_FRAMING = Framing(None, (), repeated=False, closes=False, keeps=False)
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
USUAL = frozenset(each for name in _FRAMING for each in (name, name.title(), name.capitalize(), name.upper()))
_SECRET = frozenset({"set-cookie", "location"})  # and new each time
_PLAIN, _NEW, _ODD = range(3)  # kinds of fields: to be remembered, not to be remembered, and framing in odd letters

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """What has been read before. What is read does not depend on it: any thread may empty it at any time."""

    def keep(self, key: K, value: V) -> None:
        """Remember one more; forget all others where there are too many."""
        if len(self) >= _KEPT:
            self.clear()
        self[key] = value


class _Names(Remembered[bytes, tuple[str, int]]):
    """The names of fields, and their kinds."""

    def __missing__(self, name: bytes) -> tuple[str, int]:
        text = name.decode("latin-1")
        if not _TOKEN.fullmatch(text):  # nor may whitespace stand before the colon: RFC 9112 section 5.1
            raise BadResponse("has no valid name")
        lower = text.lower()
        kind = _NEW if lower in _SECRET else _ODD if lower in _FRAMING and text not in USUAL else _PLAIN
        if len(name) <= _KEPT_BYTES:
            self.keep(name, (text, kind))
        return text, kind


_names = _Names()


class _Fields(Remembered[bytes, Field]):
    """Field lines, without their ends (RFC 9112 section 5).

    Args:
        odd: Whether those that `USUAL` does not find, though they matter here, are read, or refused.
    """

    def __init__(self, *, odd: bool) -> None:
        super().__init__()
        self._odd = odd

    def __missing__(self, line: bytes) -> Field:
        name, colon, value = line.partition(b":")
        if not colon:
            raise BadResponse("has no valid name")
        text, kind = _names[name]
        if b"\0" in value or b"\r" in value or b"\n" in value:  # RFC 9110 section 5.5; others may stay, and do
            raise BadResponse("has a control character in it: NUL, CR or LF")
        field = text, value.decode("utf-8", "surrogateescape").strip(_SPACE)
        if kind == _ODD and not self._odd:
            raise BadResponse("has an odd name")
        if kind == _PLAIN and len(line) <= _KEPT_BYTES:
            self.keep(line, field)
        return field


usual_field = _Fields(odd=False).__getitem__
any_field = _Fields(odd=True).__getitem__


def fields_of(lines: Iterable[bytes], what: str) -> list[Field]:
    """Read field lines one by one.

    Args:
        lines: The lines, without their ends.
        what: What they are, to name the one at fault.

    Raises:
        BadResponse: One of them is none.
    """
    fields = []
    for number, line in enumerate(lines, 1):
        try:
            fields.append(any_field(line))
        except BadResponse as bad:
            raise BadResponse(f"its {what} number {number} {bad.why}") from None
    return fields


class _Statuses(Remembered[bytes, Status]):
    """The status lines that have been read: status and version (RFC 9112 section 4)."""

    def __missing__(self, line: bytes) -> Status:
        found = _STATUS.fullmatch(line)
        if found is None:
            raise BadResponse("its status line is not valid")
        status = int(found[2]), "1.0" if found[1] in _AS_1_0 else "1.1"
        if len(line) <= _KEPT_BYTES:
            self.keep(line, status)
        return status


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
            raise BadResponse("whitespace stands before its first header or trailer")
    return [parts[0] if len(parts) == 1 else b" ".join([parts[0].rstrip(b" \t"), *parts[1:]]) for parts in lines]


class _Framings(Remembered[tuple[Field, ...], Framing]):
    """What the fields that matter say, together, in their order."""

    def __missing__(self, fields: tuple[Field, ...]) -> Framing:
        framing = _framing(fields)
        if sum(len(name) + len(value) for name, value in fields) <= _KEPT_BYTES:
            self.keep(fields, framing)
        return framing


FRAMINGS = _Framings()


def framing_of(fields: Iterable[Field]) -> Framing:
    """Return what fields say of the body and the connection, however their names are written.

    Raises:
        BadResponse: They say nothing valid, or two different things.
    """
    return _framing([field for field in fields if field[0].lower() in _FRAMING])


def _framing(fields: Iterable[Field]) -> Framing:
    lengths: list[str] = []
    codings: list[str] = []
    options: list[str] = []
    lists = {"content-length": lengths, "transfer-encoding": codings, "connection": options}
    for name, value in fields:
        lists[name.lower()] += [each.strip(_SPACE).lower() for each in value.split(",")]
    if codings:
        if lengths:  # RFC 9112 section 6.3, rule 3
            raise BadResponse("it has both a Content-Length and a Transfer-Encoding")
        _check(codings)
    length = _length(lengths) if lengths else None
    return Framing(length, tuple(codings), len(lengths) > 1, "close" in options, "keep-alive" in options)


def _check(codings: list[str]) -> None:
    """RFC 9112 section 6.1. Those in use have no parameters, and one that has some is an error (7.1 and 7.2)."""
    if not all(_TOKEN.fullmatch(each) for each in codings if each) or not codings[-1]:
        raise BadResponse("its Transfer-Encoding is not a list of codings")
    if codings.count("chunked") > 1:
        raise BadResponse("its Transfer-Encoding names chunked twice")


def _length(lengths: list[str]) -> int:
    """RFC 9110 section 8.6: digits; equal ones, in a list or on several lines, count as one."""
    if len(set(lengths)) > 1:
        raise BadResponse("its Content-Lengths differ")
    digits = _DIGITS.fullmatch(lengths[0])
    if digits is None or (length := int(digits[1])) > _MOST:
        raise BadResponse("its Content-Length is no number of bytes")
    return length


def names_framing(fields: Iterable[Field]) -> bool:
    """Whether fields say where a body ends, in a place where they can't (RFC 9110 section 6.5.1)."""
    return any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in fields)


def one_length(fields: Iterable[Field]) -> list[Field]:
    """Merge equal Content-Lengths into one (RFC 9110 section 8.6)."""
    merged: list[Field] = []
    found = False
    for name, value in fields:
        if name.lower() != "content-length":
            merged.append((name, value))
        elif not found:
            merged.append((name, value.partition(",")[0].strip(_SPACE)))
            found = True
    return merged
