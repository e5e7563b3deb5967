"""Write the head of an HTTP/1.1 request (RFC 9112 section 3): one text, checked once, that nothing can break out of.

What all requests of a client share is written once: headers that are the same object, unchanged, give the same lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import getversion

from asyncapi.errors import ConfigError
from asyncapi.messages.request import Body
from asyncapi.sansio.http.codings import accepted

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.messages.request import Request

_BODILY = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 section 8.6: these say so where they have no body
_DEFAULTS = (("Accept", "*/*"), ("Accept-Encoding", accepted()))


class Heads:
    """Writes the heads of one transport's requests.

    Attributes:
        closes: Whether the last one asks for the connection to be closed after the response (RFC 9112 section 9.6).
    """

    __slots__ = ("_headers", "_lines", "_version", "closes")

    def __init__(self) -> None:
        self.closes: bool = False
        self._headers: CIMultiDict[str] | None = None
        self._version = -1
        self._lines = ""

    def head(self, request: Request, headers: CIMultiDict[str], host: str, *, proxied: str = "") -> bytes:
        """Write the head of a request, with the empty line at its end.

        Args:
            request: The request.
            headers: Its headers, with what the transport has added.
            host: The line of `Host`, with its line break; "" where the headers have their own.
            proxied: Of a request that an HTTP proxy forwards: scheme and host for the absolute form of the target
                (RFC 9112 section 3.2.2).

        Raises:
            ConfigError: A header has a line break, a NUL or a lone surrogate.
        """
        version = getversion(headers)  # type: ignore[arg-type]  # of any multidict
        if headers is not self._headers or version != self._version:
            self._lines = lines(headers, request)
            self._headers, self._version = headers, version
            self.closes = "Connection" in headers and _closes(headers.getall("Connection"))
        content = request.content
        framing = ""
        if content is None:
            if request.method in _BODILY and "Content-Length" not in headers:
                framing = "Content-Length: 0\r\n"
        else:
            framing = _framing(content, headers)  # type: ignore[arg-type]  # it is encoded by now
        text = f"{request.method} {proxied}{request.target.path} HTTP/1.1\r\n{host}{self._lines}{framing}\r\n"
        try:
            return text.encode(
                "utf-8", "surrogateescape"
            )  # bytes of a response that are sent again stay what they were
        except UnicodeEncodeError:  # which holds the text
            pass
        raise ConfigError("a lone surrogate in a header, which has no bytes: remove it", request=request)


def lines(headers: CIMultiDict[str], request: Request) -> str:
    """Write header lines; nothing in a header can begin another line (RFC 9110 section 5.5).

    Raises:
        ConfigError: A header has a line break or a NUL.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise ConfigError("a line break or control character in a header (header injection?)", request=request)
    for name, value in _DEFAULTS:
        if name not in headers:
            text += f"{name}: {value}\r\n"
    return text


def _closes(options: list[str]) -> bool:
    return any(option.strip().lower() == "close" for value in options for option in value.split(","))


def _framing(content: Body | bytes, headers: CIMultiDict[str]) -> str:
    text = ""
    if "Content-Type" not in headers:
        text = "Content-Type: application/octet-stream\r\n"
    if "Content-Length" in headers:
        return text
    if isinstance(content, Body):
        return f"{text}Transfer-Encoding: chunked\r\n"
    return f"{text}Content-Length: {len(content)}\r\n"
