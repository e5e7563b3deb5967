"""A loopback port that stops listening and comes back, as a host does that is restarted; behind it, any server.

async with restarting(port_of_a_server) as host:
    host.stop()    # connections end, new ones are refused
    await host.start()
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Restarting:
    """A port of 127.0.0.1 that hands connections on.

    Attributes:
        port: Its number. Nobody else gets it while nothing listens: a socket keeps it that only refuses.
        accepted: Connections so far.
    """

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._kept = _bound(0)
        self.port: int = self._kept.getsockname()[1]
        self.accepted: int = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, sock=_bound(self.port), backlog=1024)

    def stop(self) -> None:
        """Stop listening, and end all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._open:
            task.cancel()

    async def aclose(self) -> None:
        """Stop, and give the port back."""
        self.stop()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._kept.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._hand_on(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._behind)
            try:
                await asyncio.gather(_pipe(reader, ours), _pipe(theirs, writer))
            finally:
                ours.transport.abort()
        finally:
            writer.transport.abort()


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@asynccontextmanager
async def restarting(behind: int) -> AsyncIterator[Restarting]:
    """A port that listens at first, and hands connections on to another."""
    host = Restarting(behind)
    await host.start()
    try:
        yield host
    finally:
        await host.aclose()
