"""What aiohttp and the system raise, and what it means here: one table of cases."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp

from asyncapi.errors import AsyncAPIError, ConfigError, ConnectError, ProtocolError, RequestTimeout, TLSError

if TYPE_CHECKING:
    from asyncapi.types import Request


def translate(error: Exception, request: Request) -> AsyncAPIError:  # noqa: C901 - a table of cases
    """Our error for one of theirs."""
    call = request.call
    said = str(error) or type(error).__name__
    match error:
        case (
            aiohttp.ClientConnectorCertificateError()
            | aiohttp.ClientConnectorSSLError()
            | aiohttp.ServerFingerprintMismatch()
        ):
            return TLSError(f"TLS: {_tls_advice(error)}", request=request)
        case aiohttp.ClientConnectorDNSError():
            return ConnectError(f"the name {request.url.host!r} does not resolve: {error.os_error}", request=request)
        case aiohttp.ClientConnectorError():
            return ConnectError(f"can't connect: {error.os_error.strerror or error.os_error}", request=request)
        case aiohttp.ClientHttpProxyError():
            return ConnectError(f"the proxy refused: {error.status} {error.message}", request=request)
        case aiohttp.ConnectionTimeoutError():
            return RequestTimeout(f"no connection in {call.connect:g} s", phase="connect", request=request)
        case TimeoutError():
            return RequestTimeout(f"the socket timed out: {said}", phase=call.phase, request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return _cut(error, request)
        case aiohttp.ClientPayloadError():
            return ProtocolError(f"the body broke off or can't be decoded: {said}", request=request)
        case aiohttp.ClientResponseError():
            return ProtocolError(f"the answer is not HTTP: {error.message}", request=request)
        case aiohttp.InvalidURL() | ValueError() | RuntimeError():
            return ConfigError(f"it can't be sent: {said}", request=request)
        case _:
            return ProtocolError(f"{type(error).__name__}: {said}", request=request)


def _cut(error: Exception, request: Request) -> ProtocolError:
    """The connection was closed on us: while reused and before any byte of an answer, it was stale."""
    call = request.call
    before = call.phase != "body"
    cut = ProtocolError(
        f"the connection was closed {'before an answer came' if before else 'in the body'}: {error}", request=request
    )
    cut.stale = before and call.reused
    return cut


def _tls_advice(error: Exception) -> str:
    """What to do about a failed handshake."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{reason}; for a private authority give its file: tls='ca.pem'"
    return str(reason)
