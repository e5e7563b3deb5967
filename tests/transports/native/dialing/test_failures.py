"""What the system raises while a connection is made, and the one clear error of ours that it becomes."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from asyncapi import ConfigError, ConnectError, TLSError
from asyncapi.transports.native.dialing.failures import RAISED, no_address, no_connection


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (socket.gaierror(-2, "not known"), ConnectError, "the name 'h' does not resolve: [Errno -2] not known"),
        (OSError("no such host"), ConnectError, "the name 'h' does not resolve: no such host"),
        (
            UnicodeError("label too long"),
            ConfigError,
            "the host 'h' can't be looked up: label too long; check the host",
        ),
        (ValueError("embedded null"), ConfigError, "the host 'h' can't be looked up: embedded null; check the host"),
    ],
)
def test_a_lookup_that_fails_says_of_which_name(error, kind, message):
    made = no_address(error, "h")
    assert type(made) is kind
    assert str(made).startswith(message)


HANDSHAKE = ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure")
HANDSHAKE.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), ConnectError, "to h:1: Connection refused"),
        (OSError(errno.EHOSTUNREACH, "x"), ConnectError, "can't connect to h:1: No route to host"),
        (TimeoutError(errno.ETIMEDOUT, "x"), ConnectError, "can't connect to h:1: Connection timed out"),
        (
            ConnectionResetError(),
            ConnectError,
            "can't connect to h:1: the connection was closed during the TLS handshake",
        ),
        (OSError("Multiple exceptions: a, b"), ConnectError, "can't connect to h:1: Multiple exceptions: a, b"),
        (RuntimeError("a handle"), ConnectError, "can't connect to h:1: RuntimeError"),
        (
            ValueError("server_hostname"),
            ConfigError,
            "can't connect to h:1: server_hostname; check the host in the URL",
        ),
        (ssl.SSLEOFError(8, "EOF"), ConnectError, "the connection was closed during the TLS handshake"),
        (HANDSHAKE, TLSError, "TLS with the proxy p:2: sslv3 alert handshake failure; the server may ask for a client"),
    ],
)
def test_a_connection_that_fails_says_where_and_why(error, kind, message):
    assert isinstance(error, RAISED)
    made = no_connection(error, "h:1", proxy="p:2")
    assert type(made) is kind
    assert message in str(made)
    assert made.request is None
