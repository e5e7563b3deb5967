r"""Local servers for tests: one that speaks scripted bytes, one that is a small aiohttp application.

Both listen on 127.0.0.1 on a free port, and are gone, with every connection, when their block ends.

    async with scripted(lambda peer: peer.reply("HTTP/1.1 200 OK\r\n\r\n")) as server:
        await client.get(server.url)
    async with application(web.get("/", handler)) as url: ...
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes
    raw: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(eq=False)
class Peer:
    """One accepted connection."""

    server: Scripted
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: int = 0

    async def head(self) -> Seen | None:
        """Read a request up to its body; None if the client has closed."""
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        start, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = start.split(" ", 2)
        headers = CIMultiDict(tuple(line.split(": ", 1)) for line in lines)
        self.requests += 1
        seen = Seen(method, target, headers, b"", raw)
        self.server.seen.append(seen)
        return seen

    async def request(self) -> Seen | None:
        """Read a whole request."""
        seen = await self.head()
        if seen is None:
            return None
        if "chunked" in seen.headers.get("Transfer-Encoding", ""):
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                seen.body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            seen.body = await self.reader.readexactly(int(seen.headers.get("Content-Length", 0)))
        return seen

    async def write(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        """A whole answer with its Content-Length; underscores in header names become dashes."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)

    async def gone(self) -> None:
        """Wait until the client closes."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        """Close with a reset."""
        self.writer.transport.abort()


@dataclass(eq=False)
class Scripted:
    """A listening server whose every connection is given to `script`."""

    script: Callable[[Peer], Awaitable[object]]
    url: str = ""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        peer = Peer(self, len(self.peers) + 1, reader, writer)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()
            self.tasks.discard(task)


@asynccontextmanager
async def scripted(
    script: Callable[[Peer], Awaitable[object]],
    *,
    tls: ssl.SSLContext | None = None,
    unix: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Scripted]:
    """A server that speaks what `script(peer)` writes; an error of the script fails the test."""
    server = Scripted(script)
    if unix is not None:
        listener = await asyncio.start_unix_server(server.accept, unix, ssl=tls)
    else:
        listener = await asyncio.start_server(server.accept, host, port, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        for peer in server.peers:
            peer.abort()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await asyncio.sleep(0)
    if server.errors:
        raise server.errors[0]


def saying(*answers: bytes | str) -> Callable[[Peer], Awaitable[None]]:
    """A script: after each request one of the answers, over one or many connections; then the connection is closed."""
    left = list(answers)

    async def script(peer: Peer) -> None:
        while left and await peer.request() is not None:
            await peer.write(left.pop(0))

    return script


def always(answer: bytes | str, *, close: bool = False) -> Callable[[Peer], Awaitable[None]]:
    """A script: the same answer to every request."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.write(answer)
            if close:
                return

    return script


@asynccontextmanager
async def application(*routes: web.RouteDef, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An aiohttp application with these routes."""
    app = web.Application(client_max_size=256 * 1024 * 1024)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.Response:
    """A handler: what came, as JSON."""
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode("latin-1"),
        }
    )


async def tunnel(peer: Peer) -> None:
    """A script: a proxy that opens the tunnel it is asked for by CONNECT, to 127.0.0.1 whatever the host."""
    seen = await peer.head()
    if seen is None:
        return
    await peer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
    await tunnelled(peer, int(seen.target.rpartition(":")[2]))


async def tunnelled(peer: Peer, port: int) -> None:
    """Hand on what comes from a client to a port of 127.0.0.1, and back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ways = [asyncio.ensure_future(_pipe(peer.reader, writer)), asyncio.ensure_future(_pipe(reader, peer.writer))]
    try:
        await asyncio.wait(ways)
    finally:
        for way in ways:
            way.cancel()
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes, and its end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
    except ConnectionError:
        writer.transport.abort()
