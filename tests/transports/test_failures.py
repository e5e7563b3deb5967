"""The words of all transports for connections that could not be made, or broke."""

from __future__ import annotations

import errno
import ssl

import pytest

from asyncapi import ConnectError, ProtocolError, TLSError
from asyncapi.messages.request import Request
from asyncapi.transports.failures import (
    cut,
    handshake_failed,
    place_name,
    reason,
    slow_connect,
    status_name,
    tls_broke,
)


def of_openssl(why: str, kind=ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[SSL: {why}] {why.lower()}")
    error.reason = why
    return error


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (status_name(407), "407 Proxy Authentication Required"),
        (status_name(799), "799"),
        (place_name("h.example", 80), "h.example:80"),
        (place_name("::1", 80), "[::1]:80"),
        (slow_connect(0.25), "no connection within 0.25 s"),
        (slow_connect(None), "no connection in time"),
        (reason(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('h', 1)")), "Connection refused"),
        (reason(OSError(-2, "Name or service not known")), "[Errno -2] Name or service not known"),
        (reason(OSError("what it says")), "what it says"),
    ],
)
def test_the_words_are_ours(said, text):
    assert said == text


def test_an_end_without_a_word_says_what_servers_may_mean_by_it():
    assert reason(ConnectionResetError()).startswith("the connection was closed during the TLS handshake (some servers")


@pytest.mark.parametrize(
    ("why", "kind", "message"),
    [
        ("CERTIFICATE_VERIFY_FAILED", TLSError, "TLS: certificate verify failed; the server does not accept our"),
        ("TLSV1_ALERT_INTERNAL_ERROR", ConnectError, "TLS: tlsv1 alert internal error"),
        ("WRONG_VERSION_NUMBER", TLSError, "should the URL begin with http://?"),
    ],
)
def test_a_handshake_that_failed_says_what_to_do(why, kind, message):
    error = handshake_failed(of_openssl(why))
    assert type(error) is kind
    assert message in str(error)
    assert str(handshake_failed(of_openssl(why), proxy="p:1")).startswith("TLS with the proxy p:1: ")


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError])
def test_a_handshake_that_was_cut_is_no_verdict(kind):
    error = handshake_failed(of_openssl("UNEXPECTED_EOF_WHILE_READING", kind))
    assert type(error) is ConnectError
    assert "the connection was closed during the TLS handshake" in str(error)


def test_a_cut_says_when_and_whether_the_connection_was_stale():
    request = Request("GET", "https://h.example/")
    call = request.call
    for phase, reused, when, stale in (
        ("headers", False, "before it sent a response (some servers", False),
        ("headers", True, "before it sent a response", True),
        ("body", True, "in the middle of the response body", False),
    ):
        call.phase, call.reused = phase, reused
        error = cut(None, request)
        assert f"the server closed the connection {when}" in str(error)
        assert error.stale is stale
    assert str(cut(ConnectionResetError(errno.ECONNRESET, "x"), request)).endswith(": Connection reset by peer")


def test_a_server_s_verdict_on_our_certificate_comes_after_the_handshake_of_tls_1_3():
    request = Request("GET", "https://h.example/")
    request.call.phase, request.call.reused = "headers", False
    alert = of_openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert type(tls_broke(alert, request)) is TLSError
    request.call.reused = True
    assert type(tls_broke(alert, request)) is ProtocolError
    assert str(tls_broke(of_openssl("BAD_RECORD"), request)).endswith("the TLS connection broke: bad record")
    assert "closed the connection before" in str(tls_broke(of_openssl("EOF", ssl.SSLEOFError), request))
