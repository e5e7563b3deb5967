"""Connections without sockets: what the native transport writes goes to a script, which answers turn by turn.

Everything happens in turns of the loop and none of it takes real time, so that a test can cancel a call in each turn.

    wire = MemoryWire(reply=lambda wire: wire.send(OK))
    transport = wire.transport(clock=FakeClock())
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import final_error
from asyncapi.transports.failures import CLOSED
from asyncapi.transports.native.transport import NativeTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock


class Line(asyncio.Transport):
    """One connection: asyncio's transport on the client's side.

    Attributes:
        sent: What the client has written since the script last took it.
        reading: False while the client has paused.
        full: Whether the client is told that its write buffer is full.
        aborted: Whether the client has hung up.
    """

    def __init__(self, net: Net, number: int, protocol: Any) -> None:
        super().__init__()
        self.net, self.number, self.protocol = net, number, protocol
        self.loop = asyncio.get_running_loop()
        self.sent = b""
        self.reading = True
        self.aborted = self.lost = False
        self._held: list[bytes] = []

    # the client's side

    def write(self, data: Any) -> None:
        """Take what the client writes, and let the script answer in the next turn."""
        assert not self.lost, "the client writes into a connection that is lost"
        if not self.aborted:
            self.sent += bytes(data)
            self.loop.call_soon(self.net.script, self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Have no socket."""
        return default

    def is_closing(self) -> bool:
        """Whether the client has hung up, or the server."""
        return self.aborted or self.lost

    def abort(self) -> None:
        """Hang up."""
        if not self.aborted:
            self.aborted = True
            self.loop.call_soon(self._lose, None)

    close = abort

    def pause_reading(self) -> None:
        """Hold back what the server sends."""
        self.reading = False

    def resume_reading(self) -> None:
        """Give out what was held back."""
        self.reading = True
        held, self._held = self._held, []
        for data in held:
            self.send(data)

    # the server's side

    def send(self, data: bytes) -> None:
        """Send bytes to the client, in this turn."""
        if not self.is_closing():
            if self.reading:
                self.protocol.data_received(data)
            else:
                self._held.append(data)

    def send_later(self, *pieces: bytes, turns: int = 1) -> None:
        """Send pieces, each some turns of the loop after the one before."""
        if pieces:
            first, *rest = pieces
            self._after(turns, lambda: (self.send(first), self.send_later(*rest, turns=turns)))

    def hang_up(self, error: Exception | None = None) -> None:
        """Close the server's side, with a reset where there is an error."""
        if not self.is_closing():
            if error is None:
                self.protocol.eof_received()
            self._lose(error)

    def _after(self, turns: int, action: Callable[[], object]) -> None:
        if turns:
            self.loop.call_soon(self._after, turns - 1, action)
        else:
            action()

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.net.open.discard(self)
            self.protocol.connection_lost(error)


class Net:
    """All connections of one client.

    Args:
        script: Called in the turn after each write of the client, with the connection.
        dialing: Turns that a new connection takes.

    Attributes:
        lines: Every connection that was made.
        open: Those that are not lost yet.
    """

    def __init__(self, script: Callable[[Line], object], *, dialing: int = 2) -> None:
        self.script = script
        self.dialing = dialing
        self.lines: list[Line] = []
        self.open: set[Line] = set()
        self._closed = False

    def transport(self, clock: Clock, **settings: Any) -> NativeTransport:
        """Make a transport whose connections are these."""
        made = NativeTransport(clock=clock, **{"max_body": 1 << 20, **settings})
        begin = made._begin

        def begun(request: Any) -> Any:
            pool = begin(request)
            pool.dialer = self
            return pool

        made._begin = begun
        return made

    # as a `Dialer`

    async def dial(self, place: Any, factory: Any, *, protocols: Any = (), limit: float | None) -> tuple[Any, Any]:
        """Make a connection."""
        for _ in range(self.dialing):
            await asyncio.sleep(0)
            if self._closed:
                raise final_error(CLOSED)
        line = Line(self, len(self.lines), factory())
        self.lines.append(line)
        self.open.add(line)
        line.protocol.connection_made(line)
        return line, line.protocol

    def close(self) -> None:
        """Dial no more; what is under way fails."""
        self._closed = True


def request_of(line: Line) -> bytes:
    """Take the head of a request that is whole, b"" while it is not."""
    head, blank, rest = line.sent.partition(b"\r\n\r\n")
    if not blank:
        return b""
    line.sent = rest
    return head
