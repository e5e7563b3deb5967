"""Make the header lines of an HTTP/2 request: what the caller and the transport say, and what frames the body.

What all requests of a client share is made once: headers that are the same object, unchanged, give the same tuple.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import getversion

from asyncapi.messages.request import Body
from asyncapi.sansio.http.codings import accepted

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.messages.request import Request

_BODILY = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 section 8.6: these say so where they have no body
_DEFAULTS = (("Accept", "*/*"), ("Accept-Encoding", accepted()))

Fields = tuple[tuple[str, str], ...]


class FieldLines:
    """Makes the header lines of one transport's requests."""

    __slots__ = ("_headers", "_lines", "_version")

    def __init__(self) -> None:
        self._headers: CIMultiDict[str] | None = None
        self._version = -1
        self._lines: Fields = ()

    def of(self, request: Request, headers: CIMultiDict[str]) -> Fields:
        """Return the lines of a request; the engine leaves out what belongs to HTTP/1.1 alone.

        Args:
            request: The request.
            headers: Its headers, with what the transport has added.
        """
        version = getversion(headers)  # type: ignore[arg-type]  # of any values
        if headers is not self._headers or version != self._version:
            missing = tuple(line for line in _DEFAULTS if line[0] not in headers)
            self._lines = (*headers.items(), *missing)
            self._headers, self._version = headers, version
        content = request.content
        if content is None and request.method not in _BODILY:
            return self._lines
        return (*self._lines, *_framing(content, headers))  # type: ignore[arg-type]  # built: bytes or a Body


def _framing(content: Body | bytes | None, headers: CIMultiDict[str]) -> Fields:
    """The lines that describe the body; a length that nobody knows is left out (RFC 9113 section 8.1.1)."""
    lines: list[tuple[str, str]] = []
    if content is not None and "Content-Type" not in headers:
        lines.append(("Content-Type", "application/octet-stream"))
    if not isinstance(content, Body) and "Content-Length" not in headers:
        lines.append(("Content-Length", str(len(content or b""))))
    return tuple(lines)
