"""Write responses of HTTP/1.1 by their grammar, and then change them: the input of the differential fuzz."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_STATUS_LINES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 503 \xe9", b"HTTP/1.1 999 X", b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified", b"HTTP/1.2 200 OK", b"HTTP/1.1 099 X", b"HTTP/2.0 200 OK",
]  # fmt: skip
_FIELDS = [
    b"Server: nginx/1.22.1", b"Date: Fri, 27 Nov 2026 19:00:00 GMT", b"Content-Type: text/plain; charset=utf-8", b"X:",
    b'ETag: W/"1"', b"X-A:b", b"X-B:   c  ", b"X-C: a\r\n b", b"X-D: \xc3\xa4\xff", b"X-E: a\x01b", b"Vary: a, b",
    b"Set-Cookie: a=b; Path=/", b"Link: <http://h/>; rel=next", b"X-F: " + b"f" * 300, b"x-g: \t", b"Keep-Alive: timeout=5",
]  # fmt: skip
_CONNECTIONS = [b"close", b"keep-alive", b"Keep-Alive, x", b"upgrade", b"x, Close", b""]
_CODINGS = [
    b"gzip, chunked", b"identity", b"gzip", b"chunked, gzip", b"chunked, chunked", b"identity, chunked", b", chunked",
    b"chunked,", b"chunked;a=b", b"Chunked", b"CHUNKED", b"xchunked", b"chunkedx", b'"chunked"', b"", b"chunked\x0b",
]  # fmt: skip
_BODIES = [
    b"",
    b"hi",
    b"hello",
    b'{"id": 1}',
    b"a\r\nb\r\n\r\nc",
    b"0\r\n\r\n",
    b"\0\xff\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
]
_EXTENSIONS = [b";a", b";a=b", b' ; a = "b;c"', b";a=", b";", b";=b", b" ", b"\t", b";a b", b'; a="', b";a;b"]
_TRAILERS = [b"A: b", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A b", b"A: b\r\n c", b"ETag: x"]
_TOKENS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"0", b"-1", b"+5", b"0x5", b";x", b",", b"\xff", b"\x0b", b"\x7f",
    b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 05\r\n", b" folded\r\n",
    b"Content-Length: 5, 5\r\n", b"Content-Length: \r\n", b" Content-Length: 9\r\n", b"Content-Length : 9\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n\r\n",
    b"00000000000000000005", b"FFFFFFFFFFFFFFFFF", b"Content-Encoding: x\r\n", b"Connection: close\r\n", b"\r\n ",
]  # fmt: skip


def _spelled(name: bytes, chance: random.Random) -> bytes:
    return chance.choice([name, name, name, name.lower(), name.upper(), name.swapcase()])


def _length(body: bytes, chance: random.Random) -> list[bytes]:
    name = _spelled(b"Content-Length", chance)
    if chance.random() < 0.8:
        return [b"%b: %d" % (name, len(body))]
    odd = chance.choice(
        [b"%d, %d", b"0%d, %d", b"%d\r\nContent-Length: %d", b"+%d%.0d", b"%d\t%.0d", b"%d,%.0d", b"00%d%.0d"]
    )
    return [name + b": " + odd % (len(body), len(body))]


def _chunked(body: bytes, chance: random.Random) -> bytes:
    written = b""
    while body:
        size = chance.randrange(1, len(body) + 1)
        piece, body = body[:size], body[size:]
        extension = chance.choice(_EXTENSIONS) if chance.random() < 0.15 else b""
        written += chance.choice([b"%x", b"%X", b"0%x", b"%x"]) % size + extension + b"\r\n" + piece + b"\r\n"
    trailers = [chance.choice(_TRAILERS)] if chance.random() < 0.2 else []
    return written + b"\r\n".join([b"0", *trailers, b"", b""])


def written(chance: random.Random) -> bytes:
    """Write a response: most are valid, some are not."""
    body = chance.choice(_BODIES)
    lines = [chance.choice(_FIELDS) for _ in range(chance.randrange(4))]
    how = chance.choices(["length", "chunked", "codings", "both", "close"], [8, 8, 3, 1, 3])[0]
    sent = body
    if how in {"length", "both"}:
        lines += _length(body, chance)
    if how in {"chunked", "codings", "both"}:
        coding = b"chunked" if how == "chunked" else chance.choice(_CODINGS)
        lines.append(_spelled(b"Transfer-Encoding", chance) + b": " + coding)
        sent = _chunked(body, chance)
    if chance.random() < 0.4:
        lines.append(_spelled(b"Connection", chance) + b": " + chance.choice(_CONNECTIONS))
    chance.shuffle(lines)
    whole = b"\r\n".join([chance.choice(_STATUS_LINES), *lines, b"", b""])
    if chance.random() < 0.1:
        interim = chance.choice([b"", b"Link: x\r\n", b"Content-Length: 0\r\n", b"Content-Length: 3\r\n"])
        whole = b"HTTP/1.1 103 Early Hints\r\n" + interim + b"\r\n" + whole
    if chance.random() < 0.1:
        whole = whole.replace(b"\r\n", b"\n")
    if chance.random() < 0.03:
        whole = b"\r\n" + whole
    return whole + sent + (chance.choice([b"\r\n", b"x", whole]) if chance.random() < 0.1 else b"")


def changed(data: bytes, chance: random.Random) -> bytes:
    """Change a few places of a response, or none."""
    raw = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3))):
        at, how = chance.randrange(len(raw) + 1), chance.random()
        if how < 0.45:
            raw[at:at] = chance.choice(_TOKENS)
        elif how < 0.65:
            del raw[at : at + chance.randrange(1, 4)]
        elif how < 0.85:
            raw[at : at + 1] = bytes([chance.randrange(256)])
        elif how < 0.95:
            raw[at:at] = raw[at : at + chance.randrange(30)]
        else:
            del raw[at:]
    return bytes(raw)
