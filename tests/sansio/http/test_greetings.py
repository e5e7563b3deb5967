"""A server that speaks another protocol is known by its first bytes, as soon as they tell."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http.greetings import may_become_known, protocol_of

SAID = {
    b"SSH-2.0-OpenSSH_9.6\r\n": "an SSH server",
    b"220 smtp.example.com ESMTP\r\n": "a mail or FTP server",
    b"+OK POP3 ready\r\n": "a mail or FTP server",
    b"* OK IMAP4rev1 ready\r\n": "a mail or FTP server",
    b"-ERR wrong number of arguments for 'get' command\r\n": "a Redis server",
    b"-DENIED Redis is running in protected mode\r\n": "a Redis server",
    b"-NOAUTH Authentication required.\r\n": "a Redis server",
    b"\x15\x03\x01\x00\x02\x02\x16": "a TLS server",
    b"\x15\x03\x03\x00\x02\x02\x0a": "a TLS server",
    b"\x16\x03\x03\x00\x7a\x02": "a TLS server",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80": "an HTTP/2 server",
    b"\x00\x00\x00\x04\x00\x00\x00\x00\x00": "an HTTP/2 server",
    b"\x00\x00\x0a\x04\x00\x00\x00\x00\x00": "an HTTP/2 server",
    b"RTSP/1.0 400 Bad Request\r\n": "an RTSP server",
    b"ICY 200 OK\r\n": "a SHOUTcast server",
    b"AMQP\x00\x00\x09\x01": "an AMQP server",
}


@pytest.mark.parametrize("first", SAID)
def test_the_first_bytes_tell_the_protocol(first):
    assert protocol_of(first) == SAID[first]
    known = [at for at in range(1, len(first)) if protocol_of(first[:at])]
    assert [at for at in range(1, len(first)) if may_become_known(first[:at])] == list(range(1, known[0]))
    assert {protocol_of(first[:at]) for at in known} == {SAID[first]}


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK", b"{}", b"<html>", b"500 ", b"\0\0\0\0", b"ssh-2.0", b"\x15\x04"])
def test_other_bytes_tell_nothing(first):
    assert protocol_of(first) == ""
    assert not may_become_known(first)


def test_nothing_may_still_become_anything():
    assert may_become_known(b"")
