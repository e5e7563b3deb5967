"""An HTTP/3 server in which a test decides over every frame and every datagram; over UDP, or in memory without a loop.

    async def script(asked):
        asked.respond(body=b"hello")

    async with http3_server(script, ours) as server:
        async with Client(server.url, tls=ours.file, http3="prior") as api: ...

A script runs as a task for each request, as soon as its head has come. `server.path` is what the network does to
datagrams: it loses some, or all.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from qh3._hazmat import pull_quic_header
from qh3.h3 import events as h3
from qh3.h3.connection import H3Connection
from qh3.quic import events as quic
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from certificates import Authority

REJECTED, CANCELLED, NO_ERROR, FALLBACK = 0x10B, 0x10C, 0x100, 0x110
Section = list[tuple[bytes, bytes]]


def server_configuration(authority: Authority, *names: str, asks: bool = False, **settings: Any) -> QuicConfiguration:
    """A server's configuration, with a certificate for these names."""
    made = authority.made.issue_cert(*(names or ("127.0.0.1", "localhost")))
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["h3"], max_datagram_frame_size=65_536, probe_datagram_size=False, **settings
    )
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    configuration.load_cert_chain(chain, made.private_key_pem.bytes())
    if asks:
        configuration.verify_mode = 2
        configuration.cadata = authority.made.cert_pem.bytes()
    return configuration


def connection_for(first: bytes, configuration: QuicConfiguration) -> QuicConnection:
    """The server's side of a connection that begins with this datagram."""
    return QuicConnection(
        configuration=configuration, original_destination_connection_id=pull_quic_header(first, 0, 8)[3]
    )


trips: list[float] = []  # when a server's qh3 has tripped over a finished stream


class Asked:
    """One request.

    Attributes:
        stream: Its stream.
        fields: Its field lines by name, pseudo-fields included; the last of a name.
        body: What has come of the body.
        ended: Set when the request is whole.
        reset: The code with which the client ended its sending, or None.
        stopped: The code with which the client wants no more of the response, or None.
        gone: Set with either.
    """

    def __init__(self, peer: Peer, stream: int, fields: Section) -> None:
        self.peer = peer
        self.stream = stream
        self.fields = {name.decode(): value.decode() for name, value in fields}
        self.body = bytearray()
        self.ended = asyncio.Event()
        self.reset: int | None = None
        self.stopped: int | None = None
        self.gone = asyncio.Event()

    @property
    def path(self) -> str:
        return self.fields[":path"]

    def head(self, status: int = 200, *, end: bool = False, **fields: str) -> None:
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        self.lines((b":status", str(status).encode()), *lines, end=end)

    def lines(self, *lines: tuple[bytes, bytes], end: bool = False) -> None:
        self.peer.h3.send_headers(self.stream, list(lines), end_stream=end)
        self.peer.flush()

    def data(self, data: bytes, *, end: bool = False) -> None:
        self.peer.h3.send_data(self.stream, data, end)
        self.peer.flush()

    def raw(self, data: bytes, *, end: bool = False) -> None:
        self.peer.quic.send_stream_data(self.stream, data, end)
        self.peer.flush()

    def respond(self, status: int = 200, body: bytes = b"", **fields: str) -> None:
        self.head(status, end=not body, **fields)
        if body:
            self.data(body, end=True)

    def refuse(self, code: int = REJECTED) -> None:
        self.peer.quic.stop_stream(self.stream, code)
        self.peer.quic.reset_stream(self.stream, code)
        self.peer.flush()


class Peer:
    """One connection of a server."""

    def __init__(self, server: Server, address: Any, first: bytes) -> None:
        self.server = server
        self.address = address
        self.quic = connection_for(first, server.configuration)
        self.h3: Any = None
        self.asked: dict[int, Asked] = {}
        self.closed: quic.ConnectionTerminated | None = None
        self.left_out = 1 << 62
        self._timer: asyncio.TimerHandle | None = None

    def take(self, data: bytes) -> None:
        self.quic.receive_datagram(data, self.address, self.server.loop.time())
        self.advance()

    def advance(self) -> None:
        while (event := self.quic.next_event()) is not None:
            match event:
                case quic.HandshakeCompleted():
                    self.h3 = H3Connection(self.quic)
                case quic.ConnectionTerminated():
                    self.closed = event
                    for asked in self.asked.values():
                        asked.gone.set()
            if self.h3 is not None:
                for found in self.h3.handle_event(event):
                    self._take(found)
        self.flush()

    def _take(self, event: h3.H3Event) -> None:
        match event:
            case h3.HeadersReceived() if event.stream_id < self.left_out:
                asked = self.asked[event.stream_id] = Asked(self, event.stream_id, event.headers)
                self.server.seen.append(asked)
                if event.stream_ended:
                    asked.ended.set()
                task = self.server.loop.create_task(self.server.run(asked))
                self.server.tasks.add(task)
            case h3.DataReceived() if event.stream_id in self.asked:
                asked = self.asked[event.stream_id]
                asked.body += event.data
                if event.stream_ended:
                    asked.ended.set()
            case h3.StreamReset() if event.stream_id in self.asked:
                self.asked[event.stream_id].reset = event.error_code
                self.asked[event.stream_id].gone.set()
            case h3.StopSending() if event.stream_id in self.asked:
                self.asked[event.stream_id].stopped = event.error_code
                self.asked[event.stream_id].gone.set()

    def control(self, data: bytes) -> None:
        """Write to the control stream."""
        self.quic.send_stream_data(self.h3._local_control_stream_id, data)
        self.flush()

    def goaway(self, stream: int) -> None:
        assert stream < 64
        self.left_out = stream
        self.control(b"\x07\x01" + bytes([stream]))

    def close(self, code: int = NO_ERROR) -> None:
        self.quic.close(code)
        self.flush()

    def flush(self) -> None:
        loop = self.server.loop
        for data in self._datagrams(loop.time()):
            self.server.send(data, self.address)
        if self._timer is not None:
            self._timer.cancel()
        when = self.quic.get_timer()
        self._timer = None if when is None else loop.call_at(when, self._tick)

    def _datagrams(self, now: float) -> list[bytes]:
        """Return what is to be sent now; qh3 may trip on a finished stream, and goes on when asked again."""
        for left in reversed(range(8)):
            try:
                return [data for data, _ in self.quic.datagrams_to_send(now)]
            except ValueError:
                trips.append(now)
                if not left:
                    raise
        return []

    def _tick(self) -> None:
        self._timer = None
        self.quic.handle_timer(self.server.loop.time())
        self.advance()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def steady(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Run a test again where it failed and the server's own qh3 has tripped: what it took out by then may be lost."""

    @wraps(test)
    async def again(*args: Any, **named: Any) -> None:
        for _ in range(4):
            before = len(trips)
            try:
                return await test(*args, **named)
            except Exception:
                if len(trips) == before:
                    raise
        return await test(*args, **named)

    return again


class Path:
    """What the network does to datagrams.

    Attributes:
        loss: The share that is lost.
        dead: Whether all are lost.
        dropped: How many were lost.
    """

    def __init__(self) -> None:
        self.loss = 0.0
        self.dead = False
        self.dropped = 0
        self._random = random.Random(7)

    def loses(self) -> bool:
        lost = self.dead or (self.loss > 0 and self._random.random() < self.loss)
        self.dropped += lost
        return lost


class Server(asyncio.DatagramProtocol):
    """The server.

    Attributes:
        seen: The requests so far.
        peers: The connections so far, the last one of each address.
        path: What happens to datagrams.
    """

    def __init__(self, script: Callable[[Asked], Awaitable[object]], configuration: QuicConfiguration) -> None:
        self.script = script
        self.configuration = configuration
        self.loop = asyncio.get_running_loop()
        self.seen: list[Asked] = []
        self.peers: dict[Any, Peer] = {}
        self.path = Path()
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors: list[BaseException] = []
        self.transport: Any = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def last(self) -> Peer:
        return list(self.peers.values())[-1]

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.path.loses():
            return
        if address not in self.peers:
            self.peers[address] = Peer(self, address, data)
        self.peers[address].take(data)

    def send(self, data: bytes, address: Any) -> None:
        if not self.path.loses() and not self.transport.is_closing():
            self.transport.sendto(data, address)

    async def run(self, asked: Asked) -> None:
        try:
            await self.script(asked)
        except Exception as error:
            self.errors.append(error)

    def close(self) -> None:
        """Vanish, without a word: the port is closed."""
        for peer in self.peers.values():
            peer.end()
        self.transport.close()


@asynccontextmanager
async def http3_server(
    script: Callable[[Asked], Awaitable[object]], authority: Authority, *names: str, port: int = 0, **settings: Any
):
    """A server on 127.0.0.1; an error of the script fails the test."""
    loop = asyncio.get_running_loop()
    server = Server(script, server_configuration(authority, *names, **settings))
    await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", port))
    try:
        yield server
    finally:
        server.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await asyncio.sleep(0)
    if server.errors:
        raise server.errors[0]


class Heard:
    """A listener of an engine that writes down what it hears."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *values, **named: self.log.append((name, *values, *named.values()))


class Pair:
    """An engine and a server in memory, with a clock of their own.

    Attributes:
        engine: The client's side.
        heard: What the engine has said.
        quic: The server's QUIC.
        h3: The server's HTTP/3, once the handshake is done.
        seen: The events of the server's HTTP/3.
        codes: What the server's QUIC says of streams that were reset or stopped: (kind, stream, code).
    """

    def __init__(self, make: Callable[[Heard], Any], configuration: QuicConfiguration, *, begin: bool = True) -> None:
        self.heard = Heard()
        self.engine = make(self.heard)
        self.now = 0.0
        self.quic: Any = None
        self.h3: Any = None
        self.seen: list[h3.H3Event] = []
        self.codes: list[tuple[str, int, int]] = []
        self._configuration = configuration
        self.engine.start(("127.0.0.1", 443), self.now)
        self.advance()
        if begin and self.engine.why is None:
            self.engine.begin()
            self.advance()

    def _exchange(self) -> bool:
        sent = self.engine.outgoing(self.now)
        for data in sent:
            if self.quic is None:
                self.quic = connection_for(data, self._configuration)
            self.quic.receive_datagram(data, ("127.0.0.1", 5000), self.now)
        while self.quic is not None and (event := self.quic.next_event()) is not None:
            if isinstance(event, quic.HandshakeCompleted):
                self.h3 = H3Connection(self.quic)
            if isinstance(event, quic.StreamReset | quic.StopSendingReceived):
                self.codes.append((type(event).__name__, event.stream_id, event.error_code))
            if self.h3 is not None:
                self.seen += self.h3.handle_event(event)
        back = [] if self.quic is None else [data for data, _ in self.quic.datagrams_to_send(self.now)]
        if back:
            self.engine.receive(back, self.now)
        return bool(sent or back)

    def advance(self, seconds: float = 0.1) -> None:
        """Let both sides talk, for a time of theirs."""
        end = self.now + seconds
        while True:
            while self._exchange():
                pass
            timers = [self.engine.wake_at, None if self.quic is None else self.quic.get_timer()]
            due = min((when for when in timers if when is not None), default=end + 1)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.engine.tick(self.now)
            if self.quic is not None:
                with suppress(Exception):
                    self.quic.handle_timer(self.now)

    def get(self, *, last: bool = True) -> int:
        """Send a request; returns its stream."""
        stream = self.engine.request(GET, last=last)
        self.advance()
        return stream

    def raw(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.quic.send_stream_data(stream, data, end)
        self.advance()

    def head(self, stream: int, *fields: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> None:
        self.h3.send_headers(stream, [(b":status", status), *fields], end)
        self.advance()

    def names(self) -> list[str]:
        return [each[0] for each in self.heard.log]


GET: Section = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/")]
