"""qh3 (QUIC and HTTP/3 in Rust, with the interface of aioquic) as HTTP/3's engine uses it (`engine.py`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from qh3.h3.connection import ErrorCode, H3Connection, H3Stream
from qh3.quic.connection import QuicConnection

if TYPE_CHECKING:
    from qh3.quic.events import ConnectionTerminated

CANCELLED = int(ErrorCode.H3_REQUEST_CANCELLED)
REJECTED = int(ErrorCode.H3_REQUEST_REJECTED)
FALLBACK = int(ErrorCode.H3_VERSION_FALLBACK)
NO_ERROR = int(ErrorCode.H3_NO_ERROR)
ID_ERROR = int(ErrorCode.H3_ID_ERROR)

_CRYPTO_ERROR = 0x100  # QUIC's codes from here to 0x1ff are TLS alerts (RFC 9001 section 4.8)

_LOGGER = logging.getLogger("quic")
if _LOGGER.level == logging.NOTSET:  # it warns whenever a server hangs up, with the server's own bytes
    _LOGGER.setLevel(logging.ERROR)


class Ended(NamedTuple):
    """Why a connection has ended.

    Attributes:
        code: The error code of QUIC or HTTP/3.
        reason: What the server or qh3 says of it: for logs, not for errors.
        remote: Whether the server ended it.
        alert: Whether it was TLS that failed: a server may refuse a client's certificate, or want one, after the
            client's side of the handshake is done (RFC 8446 section 4.4.2.4). It has begun no request then.
    """

    code: int
    reason: str
    remote: bool
    alert: bool = False

    @property
    def broken(self) -> bool:
        """Whether the server broke the protocol, so that it was ended on this side."""
        return not self.remote and self.code != NO_ERROR


class Quic(QuicConnection):
    """QUIC that can be paused (rule 1 of the engine), and that says when it was closed from within.

    Attributes:
        paused: Whether events are left where they are.
        closing: How it was closed on this side, or None.
    """

    paused = False
    closing: Ended | None = None

    def _drain_core(self) -> None:
        if not self.paused:
            super()._drain_core()

    def send_stream_data(self, stream_id: int, data: Any, end_stream: bool = False) -> None:
        """Send bytes, unless the server has hung up."""
        # a response may have come together with the end of the connection: it is read, although nothing can be sent
        if self._close_event is None:
            super().send_stream_data(stream_id, data, end_stream)

    def close(self, error_code: int = NO_ERROR, frame_type: int | None = None, reason_phrase: str = "") -> None:
        """Close it, and remember how."""
        self.closing = self.closing or Ended(int(error_code), reason_phrase, remote=False)
        super().close(error_code, frame_type, reason_phrase)


class HTTP3(H3Connection):
    """HTTP/3 without pushes (rule 5 of the engine)."""

    def _init_connection(self) -> None:
        self._max_push_id = None
        super()._init_connection()

    def state(self, stream: int) -> H3Stream | None:
        """Return what is known of a stream."""
        return self._stream.get(stream)

    def forget(self, stream: int) -> None:
        """Drop all state of a stream."""
        self._stream.pop(stream, None)
        self._blocked_stream_map.pop(stream, None)


def ended_by(event: ConnectionTerminated) -> Ended:
    """Read how the server has ended a connection; HTTP/3's codes, which have no frame type, begin at 0x100, too."""
    alert = event.frame_type is not None and event.error_code & ~0xFF == _CRYPTO_ERROR
    return Ended(event.error_code, event.reason_phrase, remote=True, alert=alert)
