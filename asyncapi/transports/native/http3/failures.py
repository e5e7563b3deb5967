"""How a request ends whose HTTP/3 stream or connection fails (RFC 9114 section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError, final_error
from asyncapi.transports.failures import CLOSED, cut
from asyncapi.transports.native.http3.quic import FALLBACK, REJECTED

if TYPE_CHECKING:
    from asyncapi.transports.native.exchange import Exchange
    from asyncapi.transports.native.http3.quic import Ended

_NOT_BEGUN = frozenset({REJECTED, FALLBACK})  # RFC 9114 section 8.1
_FRAME_HEAD = 16  # bytes before a body's own: a type and a length, each of up to eight (RFC 9114 section 7.1)


def refused(exchange: Exchange, code: int) -> ProtocolError:
    """Make the error of a request whose stream the server has ended with this code."""
    if code in _NOT_BEGUN:
        return unprocessed("the server rejected the request before it began to process it", exchange)
    when = "in the middle of the response body" if exchange.headed else "before it sent a response"
    return ProtocolError(f"the server ended the stream {when} (code {code:#x})", request=exchange.request)


def lost(exchange: Exchange, why: Ended, *, closed: bool) -> ProtocolError:
    """Make the error of a request whose connection has ended.

    Args:
        exchange: The exchange.
        why: How it has ended.
        closed: Whether the client was closed.
    """
    if closed:
        return final_error(CLOSED, exchange.request)
    if why.alert:
        return unprocessed("the server refused the TLS handshake", exchange)
    if why.broken:
        return ProtocolError("the server broke HTTP/3, and the connection was closed", request=exchange.request)
    return cut(None, exchange.request)


def unprocessed(message: str, exchange: Exchange) -> ProtocolError:
    """Make the error of a request that the server has not begun: it may be sent again whatever its method."""
    failure = ProtocolError(message, request=exchange.request)
    failure.unprocessed = True
    return failure


def unwritten(exchange: Exchange, unsent: int) -> ProtocolError | None:
    """Make the error of a request of which so many bytes will not be sent; None where its fields may have been."""
    content = exchange.request.content
    if content is None or (isinstance(content, bytes) and unsent > len(content) + _FRAME_HEAD):
        return unprocessed("the request was never written whole", exchange)
    return None


def silent(exchange: Exchange, patience: float) -> ProtocolError:
    """Make the error of a request whose connection has fallen silent for so many seconds."""
    failure = ProtocolError(
        f"the HTTP/3 connection fell silent: no reply for {patience:.3g} s", request=exchange.request
    )
    failure.stale = exchange.request.call.reused and not exchange.headed
    return failure
