"""WebSocket servers for tests, written out frame by frame: they do what no library's server would."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import zlib
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame as servers send it: without a mask."""
    head, size = bytes([(0x80 if fin else 0) | rsv << 4 | kind]), len(data)
    if size < 126:
        return head + bytes([size]) + data
    if size < 65536:
        return head + b"\x7e" + struct.pack(">H", size) + data
    return head + b"\x7f" + struct.pack(">Q", size) + data


def text(data: str) -> bytes:
    return frame(TEXT, data.encode())


def close(code: int | None = None, reason: str = "") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


def bomb(megabytes: int) -> bytes:
    """A compressed frame of a thousandth of its size."""
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(press.compress(bytes(1 << 20)) for _ in range(megabytes)) + press.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, data[:-4], rsv=4)


class Line:
    """One connection, as its server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head: dict[str, str] = {}
        self.path = ""
        self.sent = 0
        self.rsv = 0  # the reserved bits of the last frame
        self.heard: list[tuple[int, bytes]] = []

    async def read_head(self) -> None:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.path = lines[0].split(" ")[1]
        self.head = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}

    async def accept(self, *extra: str, proof: str | None = None, then: bytes = b"") -> None:
        """Send the 101, with what comes in the same packet."""
        key = self.head["sec-websocket-key"].encode()
        right = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {right if proof is None else proof}", *extra,
        ]  # fmt: skip
        await self.write("\r\n".join([*lines, "", ""]).encode() + then)

    async def refuse(self, status: int, *extra: str, body: bytes = b"no") -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *extra, "", ""]
        await self.write("\r\n".join(lines).encode() + body)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def hear(self) -> tuple[int, bytes]:
        """Return the next frame: its kind and its data; ConnectionError at the end."""
        try:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                wide = 2 if size == 126 else 8
                size = int.from_bytes(await self.reader.readexactly(wide), "big")
            mask = await self.reader.readexactly(4)
            data = await self.reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("it is closed") from None
        plain = int.from_bytes(data, "little") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "little")
        found, self.rsv = (first & 0x0F, plain.to_bytes(size, "little")), first >> 4 & 7
        self.heard.append(found)
        return found

    async def hear_out(self) -> None:
        """Take in frames until the end of the connection, and answer a CLOSE."""
        with suppress(ConnectionError):
            while True:
                kind, data = await self.hear()
                if kind == CLOSE:
                    await self.write(frame(CLOSE, data))
                    return

    async def say(self, *messages: str) -> None:
        await self.write(b"".join(text(message) for message in messages))

    def kill(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


class Peer:
    """A server: each connection is handled by the next of its scripts, the last again and again."""

    def __init__(self, *scripts: Callable[[Line], Awaitable[object]]) -> None:
        self.scripts = list(scripts)
        self.lines: list[Line] = []
        self.errors: list[BaseException] = []
        self.url = ""
        self.open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        line = Line(reader, writer)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.open += 1
        try:
            await line.read_head()
            self.lines.append(line)
            await script(line)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            self.open -= 1
            writer.close()
            self._tasks.discard(task)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.sleep(0.001)

    async def quiet(self) -> None:
        """Wait until every connection has ended."""
        while self.open:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def peer(*scripts: Callable[[Line], Awaitable[object]], tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve these scripts on loopback."""
    made = Peer(*scripts)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    scheme = "http" if tls is None else "https"
    made.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.stop()
    if made.errors:
        raise made.errors[0]


async def echo(line: Line) -> None:
    """Accept, send back every message, and answer the CLOSE."""
    await line.accept()
    await echoing(line)


async def echoing(line: Line) -> None:
    while True:
        kind, data = await line.hear()
        if kind == PING:
            await line.write(frame(PONG, data))
        elif kind in {TEXT, BINARY, CLOSE}:
            await line.write(frame(kind, data, rsv=line.rsv))
            if kind == CLOSE:
                return


def saying(*messages: str, then: bytes = b"", hear: bool = True) -> Callable[[Line], Awaitable[None]]:
    """Accept, send these messages, then these bytes; and take in what comes, or reset the connection."""

    async def script(line: Line) -> None:
        await line.accept(then=b"".join(text(message) for message in messages) + then)
        if hear:
            await line.hear_out()
        else:
            await asyncio.sleep(0.01)
            line.kill()

    return script


def refusing(status: int, *extra: str) -> Callable[[Line], Awaitable[None]]:
    async def script(line: Line) -> None:
        await line.refuse(status, *extra)

    return script
