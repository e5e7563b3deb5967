"""Write and check the field sections of HTTP/2 and HTTP/3 messages (RFC 9113 section 8, RFC 9114 section 4).

Rules:
1. Pseudo-fields come first. A request has four of them, a response `:status` alone, trailers none (RFC 9113 section
   8.3). `Host` becomes `:authority`, so that the two can't differ.
2. Names are tokens in lower case (section 8.2.1). They are sent so whatever the caller's spelling, and a response with
   an upper-case name is malformed.
3. Fields that belong to one HTTP/1.1 connection don't exist here: they are left out of a request, and make a response
   malformed (section 8.2.2). `TE` may say `trailers`.
4. A value has no NUL, CR or LF, and no blank at either end (section 8.2.1). In a request, blanks at the ends are cut
   off, as HTTP/1.1 does on the way; anything else is refused before it is sent.
5. A malformed response is none (section 8.1.1): nothing of it is shown. Errors say what is wrong without the
   server's bytes.
6. Values are text as in HTTP/1.1: bytes that are not UTF-8 survive as surrogates.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from asyncapi.sansio.http.codings import accepted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Section = list[tuple[bytes, bytes]]

CONNECTION_FIELDS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
_OF_A_CONNECTION = frozenset(name.encode() for name in CONNECTION_FIELDS)
_ABSENT = CONNECTION_FIELDS | {"host"}
_BODILY = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 section 8.6: these say so where they have no body
_DEFAULTS = (("accept", b"*/*"), ("accept-encoding", accepted().encode()))
_OCTETS = b"application/octet-stream"
_BLANK = " \t"

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NAME_BYTES = re.compile(_NAME.pattern.encode())
_FORBIDDEN = re.compile(r"[\0\r\n]")
_VALUE_BYTES = re.compile(rb"(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?")
_STATUS = re.compile(rb"[1-9][0-9]{2}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_SWITCHING_PROTOCOLS = 101
_SHORT = 200  # bytes of a value that is worth remembering
_LINE = 32  # bytes that a line counts beside its name and value (RFC 9114 section 4.2.2)


class BadSection(Exception):
    """A response whose fields are malformed.

    Attributes:
        why: What is wrong, in our own words.
        too_large: Whether the section is larger than its bound.
    """

    def __init__(self, why: str, *, too_large: bool = False) -> None:
        super().__init__(why)
        self.why: str = why
        self.too_large: bool = too_large


def request_section(
    method: str, authority: str, path: str, headers: Mapping[str, str], length: int | None, *, body: bool
) -> Section:
    """Write the field section of an https request.

    Args:
        method: The method.
        authority: Host and port, where `headers` have no `Host` (rule 1).
        path: Path and query.
        headers: The headers; of a multidict, all its lines.
        length: Bytes of the body, where `headers` have no Content-Length; None if it is not known, or there is none.
        body: Whether there is a body.

    Raises:
        ValueError: A name or value can't be sent (rules 2 and 4).
    """
    fields: Section = []
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        text = value.strip(_BLANK)
        if not name.isascii() or not _NAME.fullmatch(lower) or _FORBIDDEN.search(text):
            raise ValueError("a line break or control character in a header (header injection?)")
        seen.add(lower)
        if lower == "host":
            authority = text
        elif lower not in _ABSENT and (lower != "te" or text.lower() == "trailers"):  # rule 3
            fields.append((lower.encode(), text.encode("utf-8", "surrogateescape")))
    fields += [(name.encode(), value) for name, value in _DEFAULTS if name not in seen]
    if body:
        if "content-type" not in seen:
            fields.append((b"content-type", _OCTETS))
    elif method in _BODILY:
        length = 0
    if length is not None and "content-length" not in seen:
        fields.append((b"content-length", b"%d" % length))
    return [
        (b":method", method.encode()),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", path.encode()),
        *fields,
    ]


def response_section(section: Iterable[tuple[bytes, bytes]], bound: int) -> tuple[int, list[tuple[str, str]]]:
    """Read the field section of a response: its status, and its fields.

    Args:
        section: The lines as they were decoded.
        bound: Most bytes of all lines together.

    Raises:
        BadSection: It is malformed or too large (rule 5).
    """
    lines = list(section)
    if not lines or lines[0][0] != b":status" or not _STATUS.fullmatch(lines[0][1]):
        raise BadSection("it doesn't begin with a status")
    status = int(lines[0][1])
    if status == _SWITCHING_PROTOCOLS:  # RFC 9113 section 8.6
        raise BadSection("its status is 101, which exists in HTTP/1.1 alone")
    return status, _fields(lines[1:], bound)


def trailer_section(section: Iterable[tuple[bytes, bytes]], bound: int) -> list[tuple[str, str]]:
    """Read the field section of trailers.

    Raises:
        BadSection: It is malformed or too large (rule 5).
    """
    return _fields(section, bound)


def _fields(section: Iterable[tuple[bytes, bytes]], bound: int) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for name, value in section:
        bound -= len(name) + len(value) + _LINE
        if bound < 0:
            raise BadSection("its fields are too large, or too many", too_large=True)
        fields.append(_remembered(name, value) if len(value) <= _SHORT else _line(name, value))
    return fields


def _line(name: bytes, value: bytes) -> tuple[str, str]:
    if not _NAME_BYTES.fullmatch(name):
        raise BadSection("a pseudo-field is out of place" if name[:1] == b":" else "the name of a field is not valid")
    if name in _OF_A_CONNECTION or (name == b"te" and value != b"trailers"):  # rule 3
        raise BadSection("it has a field that exists in HTTP/1.1 alone")
    if not _VALUE_BYTES.fullmatch(value):
        raise BadSection("the value of a field is not valid")
    return name.decode(), value.decode("utf-8", "surrogateescape")


_remembered = lru_cache(maxsize=1024)(_line)  # a server sends most of its lines again and again


def content_length(fields: Iterable[tuple[str, str]]) -> int | None:
    """Return the Content-Length of a response; None where there is none.

    Raises:
        BadSection: It is not a number, or there are different ones (RFC 9110 section 8.6).
    """
    found = {part.strip(_BLANK) for name, value in fields if name == "content-length" for part in value.split(",")}
    if not found:
        return None
    text = found.pop()
    if found or not _DIGITS.fullmatch(text):
        raise BadSection("its Content-Length is not one number")
    return int(text)
