"""Resume a download that broke off: choose its validator, and tell whether a response is the rest (RFC 9110).

If-Range (section 13.1.5) takes a strong ETag, or a Last-Modified that is strong: a minute older than the Date of the
same response (section 8.8.2.2), so that no second change can hide in it. Many servers do not know If-Range and send a
part of whatever is there now; so a part is joined only where it carries the same validator (section 15.3.7.3), and
the same total.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import MultiMapping

_RANGE = re.compile(r"bytes +(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')  # a strong one, in what any header can carry
_STRONG_AFTER = 60  # seconds
_PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a representation that a response holds.

    Attributes:
        start: The first of them.
        stop: The one after the last, or None where the response does not say.
        total: How many there are in all, or None where the response does not say.
    """

    start: int
    stop: int | None
    total: int | None

    @property
    def whole(self) -> bool:
        """Whether the part is all there is."""
        return self.start == 0 and self.stop == self.total


def part_of(status: int, headers: MultiMapping[str]) -> Part | None:
    """The bytes that a response holds; None where it does not say, or says nonsense (RFC 9110 section 14.4).

    A Content-Range counts with any status: servers that send one with a 200 have cut the body all the same. Several
    ranges (multipart/byteranges) are not read here.
    """
    field = _single(headers, "Content-Range")
    if field == "":
        return None if status == _PARTIAL else _all(headers)
    found = None if field is None else _RANGE.fullmatch(field.strip())
    if found is None or coded(headers):
        return None
    start, stop = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    return Part(start, stop, total) if start < stop and (total is None or stop <= total) else None


def _all(headers: MultiMapping[str]) -> Part:
    """The whole representation, with its length where Content-Length is the body's (RFC 9112 section 6.3)."""
    length = _single(headers, "Content-Length") or ""
    counts = length.isascii() and length.isdigit() and not coded(headers) and "Transfer-Encoding" not in headers
    size = int(length[:18]) if counts else None
    return Part(0, size, size)


def coded(headers: MultiMapping[str]) -> bool:
    """Whether the body is compressed on the way: its bytes are not those that ranges count."""
    return any(value.strip().lower() not in {"", "identity"} for value in headers.getall("Content-Encoding", ()))


def validator(headers: MultiMapping[str]) -> str | None:
    """The validator for If-Range (section 13.1.5), or None if none is strong, or the server sends no ranges."""
    if headers.get("Accept-Ranges", "bytes").strip().lower() == "none" or coded(headers):
        return None
    tag = _single(headers, "ETag")
    if tag != "":  # section 13.1.5: a date counts only where there is no tag
        return tag if tag is not None and _ETAG.fullmatch(tag) else None
    changed = _single(headers, "Last-Modified")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(changed or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return changed if age.total_seconds() >= _STRONG_AFTER else None  # section 8.8.2.2


def same(headers: MultiMapping[str], known: str) -> bool:
    """Whether a response is of the representation with this validator."""
    return _single(headers, "ETag" if known.startswith('"') else "Last-Modified") == known


def continues_at(part: Part | None, headers: MultiMapping[str], *, at: int, total: int | None, known: str) -> bool:
    """Whether a part continues the bytes before `at`: it may begin earlier, and end before the last byte."""
    return (
        part is not None
        and part.stop is not None
        and part.start <= at < part.stop
        and (part.total is None or total is None or part.total == total)
        and (total is None or part.stop <= total)
        and same(headers, known)  # section 15.3.7.3
    )


def _single(headers: MultiMapping[str], name: str) -> str | None:
    """The one value of a header; "" without any, None where it has several that differ."""
    values = set(headers.getall(name, ()))
    return None if len(values) > 1 else next(iter(values), "")
