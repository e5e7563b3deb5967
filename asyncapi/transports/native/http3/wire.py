"""The socket and the timer of one HTTP/3 connection.

Rules:
1. What has arrived by one turn of the loop is read together, and what is to be sent is sent at the end of the turn.
2. One timer: it is set again only where it would come too late. Where it comes too early, it looks again.
3. What the network says of a datagram (ICMP) anybody can say: it is a hint (RFC 9000 section 14.2.1).
"""

from __future__ import annotations

import asyncio
import errno
import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from socket import socket

    from asyncapi.transports.native.http3.engine import Engine

_BATCH = 64  # datagrams that are read in one turn
_LARGEST = 65_536
_DIRECT_READS = sys.platform != "win32"  # Windows' loop reads ahead: nobody else may read from its socket


class Owner(Protocol):
    """Whom a wire belongs to."""

    def made(self) -> None:
        """The socket is there."""

    def heard(self, now: float) -> None:
        """Datagrams have come."""

    def moved(self) -> None:
        """Datagrams have been taken in, or a timer of QUIC's: there may be room to write."""

    def hinted(self, error: Exception) -> None:
        """The network says that a datagram did not arrive."""

    def lost(self) -> None:
        """The socket is closed."""

    def due(self) -> float | None:
        """When `look` is to be called, on the loop's clock."""

    def look(self, now: float) -> None:
        """The time of `due` may have come."""


class Wire(asyncio.DatagramProtocol):
    """A socket that is connected to one address.

    Args:
        engine: Takes in and gives out the datagrams.
        owner: Hears of what happens.
        loop: The running loop.
    """

    def __init__(self, engine: Engine, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._owner, self._loop = engine, owner, loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flushing = False
        self._transport: Any = None
        self._socket: socket | None = None
        self._closed = False

    @property
    def attached(self) -> bool:
        """Whether the socket is asyncio's."""
        return self._transport is not None

    def connection_made(self, transport: Any) -> None:
        """Take in asyncio's transport."""
        self._transport = transport
        self._owner.made()

    def datagram_received(self, data: bytes, _: Any) -> None:
        """Take in a datagram, and what else has come with it (rule 1)."""
        if not self._closed:
            self._take([data, *self._waiting()])

    def catch_up(self) -> None:
        """Take in what has come and the loop has not seen: it may be the end of an idle connection."""
        if not self._closed and (datagrams := self._waiting()):
            self._take(datagrams)

    def _waiting(self) -> list[bytes]:
        """Read the datagrams that wait in the socket."""
        datagrams: list[bytes] = []
        if (wire := self._socket) is not None:
            try:
                while len(datagrams) < _BATCH:
                    datagrams.append(wire.recv(_LARGEST))
            except OSError:  # there is no more; the network's hints come by `error_received`, too
                pass
        return datagrams

    def _take(self, datagrams: list[bytes]) -> None:
        now = self._loop.time()
        self._owner.heard(now)
        self._engine.receive(datagrams, now)
        self._owner.moved()
        self.flush()

    def error_received(self, error: Exception) -> None:
        """Take in what the network says of a datagram (rule 3)."""
        if getattr(error, "errno", None) != errno.EMSGSIZE and not self._closed:
            self._owner.hinted(error)

    def connection_lost(self, _: Exception | None) -> None:
        """Take in that the socket is closed."""
        self.close()
        self._owner.lost()

    def start(self, wire: socket, address: tuple[str, int]) -> None:
        """Begin the handshake with the address that the socket is connected to."""
        self._socket = wire if _DIRECT_READS else None
        self._engine.start(address, self._loop.time())
        self.flush()

    def flush_later(self) -> None:
        """Send at the end of this turn of the loop (rule 1)."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is to be sent, and set the timer."""
        self._flushing = False
        if self._closed or self._transport is None:
            return
        for datagram in self._engine.outgoing(self._loop.time()):
            self._transport.sendto(datagram)
        self.arm()

    def arm(self) -> None:
        """Set the timer, where it would come too late (rule 2)."""
        times = [when for when in (self._engine.wake_at, self._owner.due()) if when is not None]
        if not times or self._closed:
            return
        due = min(times)
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(due, self._wake), due

    def _wake(self) -> None:
        self._timer = None
        now = self._loop.time()
        quic = self._engine.wake_at
        if quic is not None and quic <= now:
            self._engine.tick(now)
            self._owner.moved()
        if (due := self._owner.due()) is not None and due <= now:
            self._owner.look(now)
        self.flush()

    def close(self) -> None:
        """Close the socket, after what has been given to it."""
        if not self._closed:
            self._closed = True
            self._socket = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._transport is not None:
                self._transport.close()
