"""The redirect back from a browser: a server on loopback that waits for one request (RFC 8252 section 7.3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 16 * 1024  # bytes of a request line
_PATIENCE = 10.0  # seconds for a request to arrive whole

_PAGE = (
    "<!doctype html><meta charset=utf-8><title>{title}</title>"
    "<body style='font-family: sans-serif; margin: 4em'><h1>{title}</h1><p>{text}</p>"
)


class Listener:
    """Listens on 127.0.0.1 until a request brings what `accept` takes.

    Args:
        path: The path of the redirect; everything else is 404.
        port: The port, or 0 for any free one.
        accept: Called with the query; returns what the person is told, a title and a text, or None to go on waiting.
    """

    def __init__(self, path: str, port: int, accept: Callable[[dict[str, str]], tuple[str, str] | None]) -> None:
        self._path = path
        self._port = port
        self._accept = accept
        self._server: asyncio.Server | None = None
        self._done = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        """Listen; the URL to be redirected to.

        Raises:
            OSError: The port is taken.
        """
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_LONGEST)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{self._path}"

    async def wait(self) -> None:
        """Until it has come."""
        await self._done.wait()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(TimeoutError, ValueError, ConnectionError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_PATIENCE):
                    await self._answer(await reader.readuntil(b"\r\n"), reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        method, _, rest = line.decode("latin-1").partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        told = None
        if method == "GET" and target.path == self._path:
            told = self._accept(dict(parse_qsl(target.query)))
        status = "200 OK" if told else "404 Not Found"
        title, text = told or ("Not here", "This page waits for a login that was begun elsewhere.")
        page = _PAGE.format(title=title, text=text).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n"
        head += "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + page)
        await writer.drain()
        if told:
            self._done.set()
