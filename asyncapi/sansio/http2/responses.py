"""Check the head of a response, and its length (RFC 9113 sections 8.1.1, 8.2 and 8.3.2).

A response that breaks these rules is malformed: its stream is refused, the connection goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.http2.events import Fields

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # section 8.2.1; RFC 9110 section 5.6.2
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FORBIDDEN = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_SPACE = b" \t"
_ENTRY = 32  # what each field counts for beside its bytes: section 6.5.2

NO_BODY = frozenset({204, 304})  # RFC 9110 section 6.4.1


@dataclass(slots=True)
class Section:
    """A head or trailer section, read and checked.

    Attributes:
        status: The status code; 0 without one.
        fields: The field lines, without pseudo-header fields.
        length: The declared Content-Length, or None.
        why: What is wrong with the section, or "".
    """

    status: int
    fields: Fields
    length: int | None
    why: str


def section(lines: Iterable[tuple[bytes, bytes]], most: int) -> Section:
    """Read the lines of a head or trailer section.

    Args:
        lines: Names and values as they came.
        most: Most bytes, counted as in section 6.5.2.
    """
    status, length, size, fields = 0, None, 0, []
    for name, value in lines:
        size += len(name) + len(value) + _ENTRY
        if name[:1] == b":":
            if fields or status or name != b":status" or _STATUS.fullmatch(value) is None:
                return _bad("its pseudo-header fields are not one :status at the start")
            status = int(value)
            continue
        why = wrong(name, value)
        if why:
            return _bad(why)
        if name == b"content-length":
            if length is not None or _LENGTH.fullmatch(value) is None:
                return _bad("its Content-Length is not one number")
            length = int(value)
        fields.append((name.decode("ascii"), value.decode("utf-8", "surrogateescape")))
    if size > most:
        return _bad(TOO_LARGE)
    return Section(status, tuple(fields), length, "")


TOO_LARGE = "its headers are too large"


def _bad(why: str) -> Section:
    return Section(0, (), None, why)


def wrong(name: bytes, value: bytes) -> str:
    """Say what is wrong with a field line; "" if nothing is."""
    if _NAME.fullmatch(name) is None:
        return "the name of a header has a character that no header may have"
    if _NOT_IN_VALUES.search(value) is not None or value.strip(_SPACE) != value:
        return "the value of a header has a control character, or white space around it"  # section 8.2.1
    if name in _FORBIDDEN or (name == b"te" and value != b"trailers"):
        return "it has a header of HTTP/1.1's connections"  # section 8.2.2
    return ""


class Body:
    """What is known of one response: whether it may go on as it does.

    Attributes:
        headed: The final head has come.
        left: How many bytes of the body are to come, or None where nobody said.
    """

    __slots__ = ("_nobody", "headed", "left")

    def __init__(self, method: str) -> None:
        self.headed = False
        self.left: int | None = None
        self._nobody = method == "HEAD"

    def head(self, head: Section, *, end: bool) -> str:
        """Take in a head, interim or final; return what is wrong, or ""."""
        if head.why:
            return head.why
        status = head.status
        if status < 200:  # noqa: PLR2004  # 1xx
            if not status:
                return "it has no :status"
            return "an interim response is no end, and never 101" if end or status == 101 else ""  # noqa: PLR2004  # 8.6
        self.headed = True
        self.left = head.length
        if self._nobody or status in NO_BODY:
            if status == 204 and head.length:  # noqa: PLR2004  # RFC 9110 section 8.6
                return "a response of status 204 has a Content-Length"
            self.left = 0
        return self.ended() if end else ""

    def data(self, size: int) -> str:
        """Take in a part of the body; return what is wrong, or ""."""
        if not self.headed:
            return "its body comes before its head"
        if self.left is not None:
            self.left -= size
            if self.left < 0:
                return "its body is longer than its head allows"
        return ""

    def trailers(self, trailers: Section, *, end: bool) -> str:
        """Take in a trailer section; return what is wrong, or ""."""
        if trailers.why:
            return trailers.why
        if trailers.status or not end or trailers.length is not None:
            return "its trailers have what only a head may have, or don't end it"  # section 8.1
        return self.ended()

    def ended(self) -> str:
        """Take in the end; return what is wrong, or ""."""
        return "its body is shorter than its Content-Length" if self.left else ""
