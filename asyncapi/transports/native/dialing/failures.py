"""Translate what the system raises while a connection is made into our errors, which know no request yet.

The messages are those of `transports/failures.py`, which both lanes share. A proxy is named by its host and port alone,
and no error, cause or context holds its user-info.
"""

from __future__ import annotations

import ssl

from asyncapi.errors import AsyncAPIError, ConfigError, ConnectError
from asyncapi.transports.failures import handshake_failed, reason

RAISED = (OSError, ValueError, RuntimeError)
"""What event loops, resolvers and OpenSSL raise while a connection is made; anything else is a bug."""


def no_address(error: Exception, host: str) -> AsyncAPIError:
    """Return our error for a name that does not resolve, or is none."""
    if isinstance(error, OSError | RuntimeError):  # the latter where the loop's threads have ended
        return ConnectError(f"the name {host!r} does not resolve: {error}")
    return ConfigError(f"the host {host!r} can't be looked up: {error}; check the host in the URL")


def no_connection(error: Exception, where: str, *, proxy: str = "") -> AsyncAPIError:
    """Return our error for a connection that failed while it was made.

    Args:
        error: One of `RAISED`.
        where: What it was to lead to, in words: "h.example:443", "the socket /run/s".
        proxy: The host and port of the proxy that a TLS handshake was with; "" for the server.
    """
    if isinstance(error, ssl.SSLError):
        return handshake_failed(error, proxy=proxy)
    if isinstance(error, OSError):
        return ConnectError(f"can't connect to {where}: {reason(error)}")
    if isinstance(error, RuntimeError):  # uvloop, where a socket has gone
        return ConnectError(f"can't connect to {where}: {type(error).__name__}")
    return ConfigError(f"can't connect to {where}: {error}; check the host in the URL")
