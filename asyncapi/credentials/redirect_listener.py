"""Receive the redirect back from a browser: a server on loopback that waits for one request (RFC 8252 section 7.3).

1. The request line alone decides. Once it is complete, the redirect counts, whether or not the browser stays for the
   page, sends the rest of its headers or resets the connection.
2. Only a `GET` counts: a link checker's `HEAD` does not.
3. Anybody on the machine may connect. So the length of a request line and of a head, the time for a connection and the
   number of connections are bounded; the oldest connection makes room for a new one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_LINE = 16 * 1024  # bytes of a request line
_LONGEST_HEAD = 256 * 1024  # bytes in all; generous, as browsers send all cookies of 127.0.0.1 along
_MAX_FIELDS = 100  # fields of a query
_MAX_CONNECTIONS = 64  # connections at a time
_REQUEST_TIME = 10.0  # seconds for a whole request
_REST_TIME = 2.0  # seconds for the rest of the head, once the request line counts

_PAGE = (
    "<!doctype html><meta charset=utf-8><title>{title}</title>"
    "<body style='font-family: sans-serif; margin: 4em'><h1>{title}</h1><p>{text}</p>"
)
_NOT_HERE = "Not here", "This page waits for a login that was begun elsewhere."

Page = tuple[str, str]


class Listener:
    """Listen on 127.0.0.1 until `accept` accepts the query of a request.

    Args:
        path: The path of the redirect; every other path is a 404.
        port: The port, or 0 for any free one.
        accept: Called with the query; returns the title and the text of the page to show, or None to wait on.
    """

    def __init__(self, path: str, port: int, accept: Callable[[dict[str, str]], Page | None]) -> None:
        self._path = path
        self._port = port
        self._accept = accept
        self._server: asyncio.Server | None = None
        self._done = asyncio.Event()
        self._visits: dict[_Visit, None] = {}  # the oldest first

    async def start(self) -> str:
        """Start to listen, and return the URL that the server has to redirect to.

        Raises:
            OSError: The port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._visit, "127.0.0.1", self._port)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{self._path}"

    async def wait(self) -> None:
        """Wait until a request was accepted, and the browser has its page or has left."""
        await self._done.wait()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        for visit in list(self._visits):
            visit.end()

    def _visit(self) -> _Visit:
        # Rule 3: the oldest connection makes room, so that idle ones do not keep the browser out.
        if len(self._visits) >= _MAX_CONNECTIONS:
            next(iter(self._visits)).end(abort=True)
        visit = _Visit(self._read, self._left)
        self._visits[visit] = None
        return visit

    def _left(self, visit: _Visit) -> None:
        self._visits.pop(visit, None)
        if visit.counts:
            self._done.set()

    def _read(self, line: str) -> tuple[int, Page, bool]:
        """Return status and page for a request line, and whether `accept` has accepted it."""
        method, _, rest = line.partition(" ")
        try:
            target = urlsplit(rest.partition(" ")[0])
            fields = parse_qsl(target.query, max_num_fields=_MAX_FIELDS)
        except ValueError:
            return 404, _NOT_HERE, False
        query = dict(fields)
        if target.path != self._path or len(query) < len(fields):  # RFC 6749 section 3.1: no field twice
            return 404, _NOT_HERE, False
        if method != "GET":  # rule 2
            return 405, _NOT_HERE, False
        page = self._accept(query)
        return (404, _NOT_HERE, False) if page is None else (200, page, True)


class _Visit(asyncio.Protocol):
    """One connection. It reads bytes as they arrive, so that a reset right behind them takes nothing back (rule 1).

    Args:
        read: Returns status and page for the request line, and whether the request counts.
        left: Called when the page is written, or can't be.

    Attributes:
        counts: Whether its request was accepted.
    """

    def __init__(self, read: Callable[[str], tuple[int, Page, bool]], left: Callable[[_Visit], None]) -> None:
        self._read = read
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._line = bytearray()
        self._end = b"\r\n"  # the last bytes since the line: the head ends with an empty one
        self._size = 0
        self._response = b""
        self.counts = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a socket has one
        self._within(_REQUEST_TIME)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if not self._response:
            self._line += data
            # Rule 1: decided as soon as the line is there, though the rest of the head may never come.
            line, newline, rest = self._line.partition(b"\n")
            if not newline and len(self._line) > _LONGEST_LINE:
                self.end(abort=True)
            if not newline:
                return
            self._decide(bytes(line))
            self._line.clear()
            data = bytes(rest)
        # The page is written when the head is complete: closing earlier would reset the connection, and lose the page.
        self._end += data
        if b"\r\n\r\n" in self._end or b"\n\n" in self._end or self._size > _LONGEST_HEAD:
            self.end()
        self._end = self._end[-3:]

    def _decide(self, line: bytes) -> None:
        status, (title, text), self.counts = (
            (414, _NOT_HERE, False) if len(line) > _LONGEST_LINE else self._read(line.decode("latin-1").rstrip("\r"))
        )
        page = b"" if line.startswith(b"HEAD ") else _PAGE.format(title=title, text=text).encode()
        allow = "Allow: GET\r\n" if status == 405 else ""  # noqa: PLR2004 - RFC 9110 section 15.5.6
        head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{allow}Content-Type: text/html; charset=utf-8\r\n"
        head += f"Content-Length: {len(page)}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        self._response = f"{head}Connection: close\r\n\r\n".encode() + page
        if self.counts:
            self._within(_REST_TIME)

    def eof_received(self) -> bool:
        self.end()
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the reason changes nothing
        self._leave()

    def end(self, *, abort: bool = False) -> None:
        """Write the response, if there is one yet, and close."""
        transport, self._transport = self._transport, None
        if transport is not None:
            if self._response and not abort:
                transport.write(self._response)
            (transport.abort if abort else transport.close)()
        self._leave()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._left(self)

    def _within(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)


_PHRASES = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 414: "URI Too Long"}
