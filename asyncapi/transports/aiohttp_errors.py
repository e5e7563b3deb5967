"""Translate the errors of aiohttp and of the system into ours: one table of cases.

aiohttp's errors carry the whole request (URL, headers, the proxy's password), and what the server sent, which may echo
it. So none of them becomes the `__cause__` of ours, which is the system's error beneath them, and none of the server's
bytes get into its message.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import client_exceptions, http_exceptions

from asyncapi.errors import (
    AsyncAPIError,
    ConfigError,
    ConnectError,
    ProtocolError,
    RequestTimeout,
    TLSError,
    final_error,
)
from asyncapi.transports.aiohttp_handler import TOO_LARGE
from asyncapi.transports.failures import (
    TOO_MUCH,
    cut,
    handshake_failed,
    place_name,
    reason,
    slow_connect,
    status_name,
    tls_broke,
)

if TYPE_CHECKING:
    from asyncapi.messages.request import Request

RAISED = (aiohttp.ClientError, http_exceptions.HttpProcessingError, OSError, ValueError, RuntimeError)
"""What aiohttp may raise; anything else is a bug."""

_CARRIES_REQUEST = (aiohttp.ClientError, http_exceptions.HttpProcessingError)
_OVER = ("Got more than", "Too many headers", "Too many trailers", TOO_LARGE)  # a bound of the header section
_SAID = {  # the first bytes of a server, as aiohttp shows them, and the protocol that they belong to
    r"""b['"]SSH-""": "an SSH server",
    r"""b['"](?:220|\+OK|\* OK)""": "a mail or FTP server",
    r"""b['"]-ERR""": "a Redis server",
    r"""b['"](?:\\x1[56]|\\x15)\\x03""": "a TLS server",
    r"""b['"]\\x00\\x00.\S{0,8}\\x04""": "an HTTP/2 server",
    r"""b['"]RTSP/""": "an RTSP server",
}


def translate(error: Exception, request: Request) -> AsyncAPIError:  # noqa: C901, PLR0912 - a table of cases
    """Return our error for one of aiohttp's or the system's."""
    call, cause = request.call, cause_of(error)
    said = str(error) or type(error).__name__
    if isinstance(error.__cause__, ConfigError):  # the body that was being sent
        return ConfigError(error.__cause__.message, request=request)
    if isinstance(cause, ssl.SSLError | ssl.CertificateError) and call.phase != "body":
        return _tls(cause, error, request)
    match error:
        case aiohttp.ServerFingerprintMismatch():
            return TLSError("TLS: the certificate's fingerprint is not what the session expects", request=request)
        case aiohttp.ClientConnectorDNSError():
            return ConnectError(f"the name {error.host!r} does not resolve: {error.os_error}", request=request)
        case aiohttp.ClientConnectorError():
            return ConnectError(f"can't connect {_to(error)}: {reason(error.os_error)}", request=request)
        case aiohttp.ClientHttpProxyError():
            return ConnectError(f"the proxy refused: {status_name(error.status)}", request=request)
        case ConnectionRefusedError():
            return ConnectError(f"can't connect: {reason(error)}", request=request)
        case aiohttp.ConnectionTimeoutError():
            return RequestTimeout(slow_connect(call.settings.connect), phase="connect", request=request)
        case TimeoutError():
            return RequestTimeout(f"the socket timed out: {said}", phase=call.phase, request=request)
        case aiohttp.ServerDisconnectedError() if call.phase == "connect":
            return ConnectError("can't connect: the proxy closed the connection", request=request)
        case aiohttp.ClientConnectionError() | ConnectionError() if call.phase == "connect":
            why = reason(cause) if isinstance(cause, OSError) else "the connection failed"  # `said` names the proxy
            return ConnectError(f"can't connect: {why}", request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return cut(error, request)
        case _ if _message(error).startswith(_OVER):
            return final_error(TOO_MUCH, request)
        case aiohttp.ClientPayloadError() | http_exceptions.PayloadEncodingError():
            return ProtocolError(f"the body broke off: {_fault(error)}", request=request)
        case aiohttp.ClientResponseError() | http_exceptions.HttpProcessingError() if call.phase == "body":
            return ProtocolError(f"the body broke off: {_fault(error)}", request=request)
        case aiohttp.ClientResponseError() | http_exceptions.HttpProcessingError():
            return ProtocolError(f"the response isn't valid HTTP: {_fault(error)}", request=request)
        case aiohttp.InvalidURL():
            return ConfigError("aiohttp doesn't accept this URL", request=request)
        case ValueError() | RuntimeError() if call.phase == "body":
            return ProtocolError(f"the response can't be read: {type(error).__name__}", request=request)
        case ValueError() | RuntimeError():
            return ConfigError(f"the request can't be sent: {said}", request=request)
        case _:
            return ProtocolError(f"the connection failed: {type(error).__name__}", request=request)


def cause_of(error: Exception) -> BaseException | None:
    """Return the system's error beneath one of aiohttp's, or None: the part that may be shown."""
    if isinstance(error, AsyncAPIError):
        return error.__cause__
    for name in ("certificate_error", "os_error"):
        if isinstance(found := getattr(error, name, None), BaseException):
            return _bare(found)
    cause = error.__cause__
    if isinstance(cause, ConfigError):
        return cause.__cause__
    if isinstance(cause, TypeError) and isinstance(cause.__context__, OSError | ssl.CertificateError):
        return _bare(cause.__context__)  # TLS within TLS: CPython trips over a handshake that failed (3.11 and 3.12)
    if cause is None or isinstance(cause, aiohttp.ClientError):
        cause = error
    system = isinstance(cause, OSError | ssl.CertificateError) and not isinstance(cause, aiohttp.ClientError)
    return _bare(cause) if system else None


def _bare(error: BaseException) -> BaseException:
    """Cut aiohttp's errors off an error's chain: they hold the request, and the server's bytes."""
    left, seen = [error], set[int]()
    while left:
        current = left.pop()
        seen.add(id(current))
        if isinstance(current.__cause__, _CARRIES_REQUEST):
            current.__cause__ = None
        if isinstance(current.__context__, _CARRIES_REQUEST):
            current.__context__ = None
        left += [each for each in (current.__cause__, current.__context__) if each is not None and id(each) not in seen]
    return error


def _fault(error: BaseException) -> str:
    """Say what is wrong with a response, in the parser's words and without the server's bytes."""
    message = _message(error)
    for bytes_, who in _SAID.items():
        if re.search(bytes_, message):
            return f"{who} is on this port"
    words, parsed, _ = message.partition(":\n\n")  # the server's bytes follow
    if parsed:
        return " ".join(words.split())
    if message.startswith("Not enough data"):
        return message.rstrip(".")
    return "a header is not valid" if message.startswith("Invalid HTTP header") else "it can't be parsed"


def _message(error: BaseException | None) -> str:
    """Return the message of aiohttp's parser, from the bottom of the chain."""
    said = ""
    while error is not None:
        said = getattr(error, "message", "") or said
        error = error.__cause__
    return str(said)


def _to(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, client_exceptions.UnixClientConnectorError):
        return f"to the socket {error.path}"
    proxy = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
    return f"to {proxy}{place_name(error.host, error.port)}"


def _tls(cause: ssl.SSLError | ssl.CertificateError, error: Exception, request: Request) -> AsyncAPIError:
    if request.call.phase == "connect":
        return handshake_failed(cause, request, proxy=_proxy_of(error, request))
    return tls_broke(cause, request, error)


def _proxy_of(error: Exception, request: Request) -> str:
    """Name the proxy, if the handshake was with a proxy."""
    host, port = getattr(error, "host", request.url.raw_host), getattr(error, "port", request.url.port)
    if (host, port) == (request.url.raw_host, request.url.port):
        return ""
    return place_name(str(host), port)
