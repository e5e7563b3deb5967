"""Tell by its first bytes that a server speaks another protocol than HTTP/1.1."""

from __future__ import annotations

_GREETINGS = {
    b"SSH-": "an SSH server",  # RFC 4253 section 4.2
    b"220": "a mail or FTP server",  # RFC 5321 section 4.2, RFC 959 section 5.4
    b"+OK": "a mail or FTP server",  # RFC 1939 section 4
    b"* OK": "a mail or FTP server",  # RFC 3501 section 7.1.1
    b"-ERR": "a Redis server",
    b"-DENIED": "a Redis server",
    b"-NOAUTH": "a Redis server",
    b"\x15\x03": "a TLS server",  # an alert, RFC 8446 section 5.1
    b"\x16\x03": "a TLS server",
    b"RTSP/": "an RTSP server",  # RFC 7826 section 8.1
    b"ICY ": "a SHOUTcast server",
    b"AMQP": "an AMQP server",
}
_LONGEST = max(map(len, _GREETINGS))
_FRAME = b"\x00\x00?\x04"  # RFC 9113 section 4.1: a SETTINGS frame of under 256 bytes; one byte may have any value


def protocol_of(first: bytes) -> str:
    """Name the server whose first bytes these are; "" where they are nobody's known."""
    if len(first) >= len(_FRAME) and _is_frame(first):
        return "an HTTP/2 server"
    return next((who for greeting, who in _GREETINGS.items() if first.startswith(greeting)), "")


def may_become_known(first: bytes) -> bool:
    """Whether more bytes may yet tell which protocol it is."""
    if len(first) >= _LONGEST or protocol_of(first):
        return False
    return _is_frame(first) or any(greeting.startswith(first) for greeting in _GREETINGS)


def _is_frame(first: bytes) -> bool:
    return all(got == want or at == 2 for at, (got, want) in enumerate(zip(first, _FRAME, strict=False)))  # noqa: PLR2004
