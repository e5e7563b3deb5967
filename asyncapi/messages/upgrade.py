"""The change of a connection to WebSocket (RFC 9110 section 7.8, RFC 6455): what is asked for, and what comes of it.

A call with `call.upgrade` is a handshake. The transport that performs it returns `Response(101)` with an `OpenBody`
whose `socket` is the open connection; closing the body closes the connection at once, and until then it holds the
call's place in every queue. A handshake that is refused is a response like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a connection, as `Socket.receive` returns it, after the last message.

    Attributes:
        code: The code of the peer's CLOSE (RFC 6455 section 7.4), 1005 where it had none; 1006 where no CLOSE came;
            1002, 1007 or 1009 where we closed it because of what the peer sent.
        reason: What the peer's CLOSE says, or "".
        why: What ended it, where that was not the peer's CLOSE: "no PONG within 10 s".
    """

    code: int
    reason: str = ""
    why: str = ""


class Socket(Protocol):
    """An open WebSocket connection. One task receives at a time; any number may send."""

    @property
    def subprotocol(self) -> str | None:
        """The one that the server has chosen among those offered, or None."""
        ...

    async def receive(self) -> str | bytes | Closed:
        """Wait for the next message: text or bytes, or the end, again and again once it has come.

        It raises nothing. Cancelling it loses no message.
        """
        ...

    async def send(self, message: str | bytes) -> None:
        """Send a message as one text or binary frame; wait while the peer is slow to read.

        Raises:
            SocketClosed: The connection has ended: the message is not sent.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send a CLOSE, and wait for the peer's, 2 s at the most; then let go of the connection.

        Messages that arrive meanwhile are dropped, and a task that waits in `receive` gets the end. May be called
        twice; never raises. A cancelled close lets go at once.
        """
        ...


class Upgrade:
    """A WebSocket handshake (RFC 6455 section 4.1): what to ask for.

    Args:
        subprotocols: Those that the client speaks, the best first.
        heartbeat: Seconds of silence after which a PING is sent, and half as many until its PONG is due; None for none.
        max_message: Most bytes of a message, decompressed; None for no bound.
        compress: Whether to offer permessage-deflate (RFC 7692).
    """

    __slots__ = ("compress", "heartbeat", "max_message", "subprotocols")

    def __init__(
        self,
        subprotocols: tuple[str, ...] = (),
        *,
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
    ) -> None:
        self.subprotocols: tuple[str, ...] = subprotocols
        self.heartbeat: float | None = heartbeat
        self.max_message: int | None = max_message
        self.compress: bool = compress
