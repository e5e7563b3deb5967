"""Say in our words why a connection could not be made, or broke: one table for all transports.

None of these messages has a byte of the server's in it, nor the user-info of a URL.
"""

from __future__ import annotations

import os
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

from asyncapi.errors import ConnectError, ProtocolError, TLSError
from asyncapi.transports.tls import trusts_nothing

if TYPE_CHECKING:
    from asyncapi.messages.request import Request

CLOSED = "the client was closed while the request was under way"
TOO_MUCH = (
    "the response headers are too large, or too many: raise max_headers if you expect that "
    "(over a session of your own: its max_field_size and max_headers)"
)

_CUSTOM_CA = "for a private certificate authority give its file: tls='ca.pem'"
_PLAIN = "the server does not speak TLS on this port: should the URL begin with http://?"
_NOT_OURS = "the server does not accept our certificate: check TLS(cert=...)"
_VERIFICATION = {  # OpenSSL's X509_V_ERR_*
    9: "check this machine's clock",
    10: "the server has to renew it, or this machine's clock is wrong",
    18: _CUSTOM_CA,
    19: _CUSTOM_CA,
    20: _CUSTOM_CA,
    21: _CUSTOM_CA,
    62: "check the host in the URL",
    64: "check the host in the URL",
}
_MUTE = " (some servers do this when they want a client certificate: see TLS(cert=...))"
_HANDSHAKE = {  # part of OpenSSL's reason: what to do; the first that fits
    "ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate: tls=TLS(cert='client.pem')",
    "ALERT_HANDSHAKE_FAILURE": "the server may ask for a client certificate: tls=TLS(cert='client.pem')",
    "ALERT_UNKNOWN_CA": _NOT_OURS,
    "ALERT_ACCESS_DENIED": _NOT_OURS,
    "ALERT_DECRYPT_ERROR": _NOT_OURS,
    "UNRECOGNIZED_NAME": "the server doesn't serve this host name: check the host in the URL",
    "CERTIFICATE_EXPIRED": "the server does not accept our certificate: renew that of TLS(cert=...)",
    "CERTIFICATE": _NOT_OURS,
    "PROTOCOL_VERSION": "client and server have no TLS version in common: see TLS(min_version=...)",
    "UNSUPPORTED_PROTOCOL": "client and server have no TLS version in common: see TLS(min_version=...)",
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
}
_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_PASSING = ("ALERT_INTERNAL_ERROR", "ALERT_USER_CANCELLED")  # the server's own trouble, no judgement on us
_ON_US = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR", "HANDSHAKE_FAILURE")  # of alerts
_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})


def status_name(status: int) -> str:
    """Name a status in our own words."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def place_name(host: str, port: int | str | None) -> str:
    """Name a host and a port, as a URL would."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason(error: OSError) -> str:
    """Return the system's reason in its own words, without asyncio's, which name the call that failed."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or f"the connection was closed during the TLS handshake{_MUTE}"


def slow_connect(limit: float | None) -> str:
    """Say that a connection took longer than its limit in seconds."""
    return "no connection in time" if limit is None else f"no connection within {limit:g} s"


def cut(error: Exception | None, request: Request) -> ProtocolError:
    """The server closed the connection; a reused one, before any byte of a response, was stale."""
    call = request.call
    before = call.phase != "body"
    when = "before it sent a response" if before else "in the middle of the response body"
    why = f": {reason(error)}" if isinstance(error, OSError) and error.errno else ""
    hint = _MUTE if before and not call.reused and request.target.secure else ""
    closed = ProtocolError(f"the server closed the connection {when}{why}{hint}", request=request)
    closed.stale = before and call.reused
    return closed


def handshake_failed(
    cause: ssl.SSLError | ssl.CertificateError, request: Request | None = None, *, proxy: str = ""
) -> ConnectError:
    """Return the error of a TLS handshake that failed.

    Args:
        cause: What OpenSSL says.
        request: The request that waited for the connection, where it is known.
        proxy: The host and port of the proxy that the handshake was with; "" for the server.
    """
    at_proxy, said = f" with the proxy {proxy}" if proxy else "", getattr(cause, "reason", None) or ""
    if isinstance(cause, _CUT):
        return ConnectError(f"the connection was closed during the TLS handshake{_MUTE}", request=request)
    if any(part in said for part in _PASSING):
        return ConnectError(f"TLS{at_proxy}: {_advice(cause)}", request=request)
    return TLSError(f"TLS{at_proxy}: {_advice(cause)}", request=request)


def tls_broke(
    cause: ssl.SSLError | ssl.CertificateError, request: Request, error: Exception | None = None
) -> TLSError | ProtocolError:
    """Return the error of a TLS connection that broke after its handshake.

    With TLS 1.3 the server judges our certificate after the handshake (RFC 8446 section 4.4.2.4), in place of the first
    response: such an alert, on a new connection, means that the server read nothing of the request. Any other later
    failure leaves that open.

    Args:
        cause: What OpenSSL says.
        request: The request that was under way.
        error: The error that carries it, if it is another one.
    """
    said = getattr(cause, "reason", None) or ""
    if not request.call.reused and "ALERT" in said and any(part in said for part in _ON_US):
        return TLSError(f"TLS: {_advice(cause)}", request=request)
    if isinstance(cause, _CUT):
        return cut(error or cause, request)
    return ProtocolError(f"the TLS connection broke: {_advice(cause)}", request=request)


def _advice(error: ssl.SSLError | ssl.CertificateError) -> str:
    """Say what failed in the handshake, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _VERIFICATION.get(error.verify_code)
        if error.verify_code in _UNKNOWN_ISSUER and (nothing := trusts_nothing()):
            advice = f"{advice}; {nothing}"
        said = error.verify_message.rstrip(".")
        return f"{said}; {advice}" if advice else said
    why = getattr(error, "reason", None)
    if not why:
        return str(error)
    advice = next((f"; {advice}" for part, advice in _HANDSHAKE.items() if part in why), "")
    return f"{why.replace('_', ' ').lower()}{advice}"
