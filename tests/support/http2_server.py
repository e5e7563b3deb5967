"""An HTTP/2 server in which every frame is the test's own: it can break every rule, and says what it has seen.

    async def script(peer, asked):
        await peer.respond(asked.stream, body=b"hello")

    async with http2_server(script) as server:
        async with Client(server.url, http2="prior") as api: ...

A script runs as a task for each request, as soon as its head has come. The server acknowledges SETTINGS and PING, gives
back the room of what it has read, and keeps to the client's windows in `respond`, as a decent server does; everything
else is up to the script.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import hpack

from asyncapi import Client, Retry

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
MAX_STREAMS, WINDOW = 0x3, 0x4
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED = 0x0, 0x2, 0x7, 0x8, 0xB, 0xD

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = 16_384
_FIRST = 65_535


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BHBBL", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


@dataclass(eq=False)
class Asked:
    """One request.

    Attributes:
        stream: The stream's identifier.
        headers: Its field lines, pseudo-header fields included.
        body: What has come of the body.
        ended: Set when the request is whole.
        reset: The code of the client's RST_STREAM, or None.
        gone: Set when the client has reset it.
    """

    stream: int
    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reset: int | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def get(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found == name), None)

    @property
    def method(self) -> str:
        return self.get(":method") or ""

    @property
    def path(self) -> str:
        return self.get(":path") or ""


class Peer:
    """One connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.number = len(server.peers)
        self.reader, self.writer = reader, writer
        self.asked: dict[int, Asked] = {}
        self.pings = 0
        self.pongs = 0
        self.goaway_seen: int | None = None
        self.got_settings: dict[int, int] = {}
        self.last = 0
        self.packer = hpack.Encoder()
        self._unpacker = hpack.Decoder(max_header_list_size=1 << 24)
        self._room: dict[int, int] = {0: _FIRST}  # what the client lets us send
        self._first_room = _FIRST
        self._opened = asyncio.Event()
        self.tasks: set[asyncio.Task[Any]] = set()

    # --- what scripts say -----------------------------------------------------------------------------------------

    async def write(self, *frames: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(b"".join(frames))
            await self.writer.drain()

    def head(self, stream: int, fields: Iterable[tuple[str, str]], *, end: bool = False) -> bytes:
        flags = END_HEADERS | (END_STREAM if end else 0)
        return frame(HEADERS, flags, stream, self.packer.encode(list(fields)))

    async def respond(
        self,
        stream: int,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        trailers: Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """A whole response; waits for the client's windows."""
        await self.write(self.head(stream, [(":status", str(status)), *headers], end=not body and trailers is None))
        if body:
            await self.send(stream, body, end=trailers is None)
        if trailers is not None:
            await self.write(self.head(stream, trailers, end=True))

    async def send(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """A part of a body, within the client's windows."""
        while True:
            room = min(self._room[0], self._room.setdefault(stream, self._first_room), _FRAME, len(body))
            if room <= 0 and body:
                self._opened.clear()
                await self._opened.wait()
                continue
            piece, body = body[:room], body[room:]
            self._room[0] -= room
            self._room[stream] -= room
            await self.write(frame(DATA, END_STREAM if end and not body else 0, stream, piece))
            if not body:
                return

    async def reset(self, stream: int, code: int) -> None:
        await self.write(frame(RST_STREAM, 0, stream, struct.pack(">L", code)))

    async def goaway(self, last: int, code: int = NO_ERROR, debug: bytes = b"") -> None:
        await self.write(frame(GOAWAY, 0, 0, struct.pack(">LL", last, code) + debug))

    async def settings(self, **values: int) -> None:
        numbers = {"max_streams": MAX_STREAMS, "window": WINDOW}
        await self.write(
            frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", numbers[name], value) for name, value in values.items()))
        )

    async def grow(self, stream: int, size: int) -> None:
        await self.write(frame(WINDOW_UPDATE, 0, stream, struct.pack(">L", size)))

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()

    def room(self, stream: int) -> int:
        """What the client lets us send on a stream now."""
        return min(self._room[0], self._room.get(stream, self._first_room))

    # --- what it hears --------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        first = self.server.first
        await self.write(frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *pair) for pair in first.items())))
        assert await self.reader.readexactly(len(PREFACE)) == PREFACE
        block, of, flags_of = bytearray(), 0, 0
        while True:
            header = await self.reader.readexactly(9)
            upper, lower, kind, flags, stream = struct.unpack(">BHBBL", header)
            payload = await self.reader.readexactly(upper << 16 | lower)
            if kind in {HEADERS, CONTINUATION}:
                if kind == HEADERS:
                    block, of, flags_of = bytearray(), stream, flags
                block += payload
                if flags & END_HEADERS:
                    self._begin(of, bytes(block), end=bool(flags_of & END_STREAM))
            else:
                await self._hear(kind, flags, stream, payload)

    def _begin(self, stream: int, block: bytes, *, end: bool) -> None:
        asked = Asked(stream, self._unpacker.decode(block))
        self.asked[stream] = asked
        self.last = stream
        self.server.requests.append(asked)
        if end:
            asked.ended.set()
        task = asyncio.create_task(self._run(asked))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _run(self, asked: Asked) -> None:
        try:
            await self.server.script(self, asked)
        except Exception as error:  # shown by the test, which would else only wait
            self.server.fail(error, self)

    async def _hear(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            asked = self.asked[stream]
            asked.body += payload
            if flags & END_STREAM:
                asked.ended.set()
            if payload and self.server.reads:
                await self.grow(0, len(payload))
                if not flags & END_STREAM:
                    await self.grow(stream, len(payload))
        elif kind == RST_STREAM:
            asked = self.asked[stream]
            (asked.reset,) = struct.unpack(">L", payload)
            self.server.resets.append(asked.reset)
            asked.gone.set()
            self._opened.set()
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
            await self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING:
            if flags & ACK:
                self.pongs += 1
            else:
                self.pings += 1
                if self.server.answers_pings:
                    await self.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway_seen = struct.unpack(">LL", payload[:8])[1]
        elif kind == WINDOW_UPDATE:
            (size,) = struct.unpack(">L", payload)
            self._room[stream] = self._room.get(stream, self._first_room) + size
            self._opened.set()

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HL", payload, at)
            self.got_settings[name] = value
            if name == WINDOW:
                for stream in self._room:
                    if stream:
                        self._room[stream] += value - self._first_room
                self._first_room = value
        self._opened.set()


@dataclass(eq=False)
class Server:
    """A listening server.

    Attributes:
        script: Responds to one request.
        first: The first SETTINGS.
        reads: Whether it gives back the room of what it has read.
        answers_pings: Whether it does.
        peers: Its connections, oldest first.
        requests: All requests.
        resets: The codes of all RST_STREAM frames.
        failures: What went wrong in scripts.
    """

    script: Callable[[Peer, Asked], Awaitable[object]]
    first: dict[int, int] = field(default_factory=lambda: {MAX_STREAMS: 100})
    reads: bool = True
    answers_pings: bool = True
    url: str = ""
    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    open: int = 0

    def fail(self, error: Exception, peer: Peer) -> None:
        """Note what went wrong; writing to a connection that is gone is nothing wrong, and uvloop's word for it is this."""
        if not (isinstance(error, RuntimeError) and peer.writer.transport.is_closing()):
            self.failures.append(error)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        self.open += 1
        try:
            await peer.serve()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            self.fail(error, peer)
        finally:
            self.open -= 1
            for task in list(peer.tasks):
                task.cancel()
            writer.transport.abort()

    async def quiet(self) -> None:
        """Wait until all connections are closed."""
        while self.open:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def http2_server(
    script: Callable[[Peer, Asked], Awaitable[object]], *, tls: ssl.SSLContext | None = None, **more
):
    """A server on a free port; over TLS it chooses h2 by ALPN."""
    server = Server(script, **more)
    if tls is not None:
        tls.set_alpn_protocols(["h2"])
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=tls, backlog=1024)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.port}"
    try:
        yield server
        assert not server.failures, server.failures
    finally:
        listener.close()
        for peer in server.peers:
            peer.writer.transport.abort()
        await listener.wait_closed()
        await server.quiet()


async def ok(peer: Peer, asked: Asked) -> None:
    """A script: respond with the method, once the request is whole."""
    await asked.ended.wait()
    await peer.respond(asked.stream, body=asked.method.encode())


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that is to come about soon."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def client(server: Server, **settings: Any) -> Client:
    """A client that makes one attempt a call, and speaks HTTP/2 without asking; with settings of HTTP/2, too."""
    settings = {"retry": Retry(1), "timeout": 20.0, "pace": False, "http2": "prior", **settings}
    api = Client(server.url, **settings)
    api._transport._prior = settings["http2"] is not True
    return api


def connections(api: Client) -> list[Any]:
    """All connections of a client."""
    return [connection for origin in api._transport._pool.origins.values() for connection in origin.open]


def at_rest(api: Client) -> bool:
    """Whether nothing is under way over HTTP/2."""
    return not any(connection.streams or connection.reserved for connection in connections(api))
