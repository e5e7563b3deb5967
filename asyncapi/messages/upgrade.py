"""The change of a connection to another protocol (RFC 9110 section 7.8): what is asked for, and what came of it."""

from __future__ import annotations

from typing import Any


class Upgrade:
    """A WebSocket handshake (RFC 6455 section 4.1).

    Args:
        subprotocols: Those that the client speaks, the best first.
        heartbeat: Seconds between two PINGs; None for none.
        max_message: Most bytes of a message, decompressed.
        compress: Whether to offer permessage-deflate (RFC 7692).

    Attributes:
        socket: The open connection, once the transport has made it.
    """

    __slots__ = ("compress", "heartbeat", "max_message", "socket", "subprotocols")

    def __init__(
        self,
        subprotocols: tuple[str, ...] = (),
        *,
        heartbeat: float | None = 20.0,
        max_message: int = 4 << 20,
        compress: bool = True,
    ) -> None:
        self.subprotocols: tuple[str, ...] = subprotocols
        self.heartbeat: float | None = heartbeat
        self.max_message: int = max_message
        self.compress: bool = compress
        self.socket: Any = None
