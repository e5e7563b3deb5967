"""Say what failed over HTTP/2, and whether the server may have begun the request.

It has not where it says so (RFC 9113 section 8.7): by REFUSED_STREAM, by a GOAWAY that leaves the stream out, and by
HTTP_1_1_REQUIRED before any response. It has not, either, where the request was never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError, final_error
from asyncapi.sansio.http2 import events as ev
from asyncapi.transports.failures import TOO_MUCH

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.transports.native.exchange import Exchange

INJECTION = "a line break or control character in a header (header injection?)"
NEVER_WRITTEN = "the connection was closed before it was sent"
NOT_HERE = "it wants HTTP/1.1 for this host (421)"
NEW_ONE_CLOSED = "it has closed a new connection"

_UNDONE = frozenset({ev.REFUSED_STREAM, ev.HTTP_1_1_REQUIRED})


def not_begun(why: str, request: Request) -> ProtocolError:
    """Make the error of a request that the server has not begun."""
    error = ProtocolError(f"the server has not begun the request: {why}", request=request)
    error.unprocessed = True
    return error


def went_away(code: int, request: Request) -> ProtocolError:
    """Make the error of a request that a GOAWAY leaves out."""
    reason = "" if code == ev.NO_ERROR else f", {ev.code_name(code)}"
    return not_begun(f"it takes no more of them on this connection (GOAWAY{reason})", request)


def reset(exchange: Exchange, event: ev.Reset) -> ProtocolError:
    """Make the error of a stream that has ended before its time."""
    request = exchange.request
    if event.ours:
        if event.code == ev.ENHANCE_YOUR_CALM:
            return final_error(TOO_MUCH, request)
        return _invalid(exchange, event.why)
    name = ev.code_name(event.code)
    if event.code in _UNDONE and not exchange.headed:
        error = not_begun(f"it has refused the stream ({name})", request)
    else:
        what = "the body broke off" if exchange.headed else "there is no response"
        error = ProtocolError(f"{what}: the server has reset the stream ({name})", request=request)
    error.reset_code = event.code
    return error


def broken(exchange: Exchange, fault: ev.Fault) -> ProtocolError:
    """Make the error of a connection on which the server breaks HTTP/2."""
    return _invalid(exchange, fault.why)


def silent(exchange: Exchange, seconds: float) -> ProtocolError:
    """Make the error of a connection whose server responds to nothing any more."""
    return ProtocolError(
        f"the server has not responded to a PING for {seconds:g} s: the connection is taken for broken",
        request=exchange.request,
    )


def _invalid(exchange: Exchange, why: str) -> ProtocolError:
    what = "the body broke off" if exchange.headed else "the response isn't valid HTTP"
    return ProtocolError(f"{what}: {why}", request=exchange.request)
