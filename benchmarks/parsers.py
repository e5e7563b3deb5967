"""What it costs to read a response: our reader of HTTP/1.1 against llhttp, aiohttp's parser over it, and h11.

    python benchmarks/parsers.py [rounds]

Microseconds of CPU a response, from its bytes to a status, a multidict of headers and the whole body. All of them take
turns, and the best round of each counts: what is above it is the machine's noise. Rules:
1. A response comes in one piece, or in pieces of 64 KiB where it is larger: what one `recv` returns.
2. Three of the headers in `api, 21 headers` are new each time, as a server's trace id, its clock and its quota are.
3. Readers that live as long as a connection do so here (ours, aiohttp's, h11's, which also has to send a request each
   time); one of httptools is made for each response, as nothing resets it after a body that was cut off.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any

import aiohttp
import h11
import httptools
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser
from multidict import CIMultiDict

from asyncapi.sansio.http.http1 import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 64 * 1024
VARIANTS = 500  # different responses of one kind
JSON = b'{"id": 1, "name": "one"}  '

NGINX = """HTTP/1.1 200 OK
Server: nginx/1.22.1
Date: Fri, 27 Nov 2026 19:00:00 GMT
Content-Type: application/json
Content-Length: {length}
Connection: keep-alive
"""
API = """HTTP/1.1 200 OK
Date: Fri, 27 Nov 2026 19:00:00 GMT
Content-Type: application/json; charset=utf-8
Cache-Control: private, max-age=60, s-maxage=60
Vary: Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, Accept, X-Requested-With
ETag: W/"2cd7a0f1a4c3b2e1f0"
X-OAuth-Scopes: repo, user
X-Accepted-OAuth-Scopes: repo
X-GitHub-Media-Type: github.v3; format=json
X-RateLimit-Limit: 5000
X-RateLimit-Remaining: {number}
X-RateLimit-Reset: 1{number:09}
X-RateLimit-Resource: core
Access-Control-Allow-Origin: *
Strict-Transport-Security: max-age=31536000; includeSubdomains; preload
X-Frame-Options: deny
X-Content-Type-Options: nosniff
X-XSS-Protection: 0
Referrer-Policy: origin-when-cross-origin, strict-origin-when-cross-origin
Content-Security-Policy: default-src 'none'
X-GitHub-Request-Id: 0400:{number:08}:1D2F:6A4F
Content-Length: {length}
"""


def head(lines: str, number: int, body: bytes) -> bytes:
    return lines.format(number=number, length=len(body)).replace("\n", "\r\n").encode() + b"\r\n"


def chunked(number: int, pieces: int, body: bytes) -> bytes:
    start = NGINX.replace("Content-Length: {length}", "Transfer-Encoding: chunked")
    return head(start, number, b"") + (b"%x\r\n%b\r\n" % (len(body), body)) * pieces + b"0\r\n\r\n"


def pieced(data: bytes) -> list[bytes]:
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


KINDS: dict[str, tuple[int, Callable[[int], bytes]]] = {  # responses a round, and how one is made
    "nginx, 5 headers": (4000, lambda number: head(NGINX, number, JSON) + JSON),
    "api, 21 headers": (1500, lambda number: head(API, number, JSON) + JSON),
    "chunked": (3000, lambda number: chunked(number, 1, JSON)),
    "200 chunks": (100, lambda number: chunked(number, 200, JSON)),
    "1 MB": (60, lambda number: head(NGINX, number, bytes(1_000_000)) + bytes(1_000_000)),
}


def ours() -> Callable[[list[bytes]], tuple[CIMultiDict[str], bytes]]:
    reader = Reader()

    def read(pieces: list[bytes]) -> tuple[CIMultiDict[str], bytes]:
        reader.begin("GET")
        bodies = [reader.feed(piece) for piece in pieces]
        assert reader.done
        return CIMultiDict(reader.fields), bodies[0] if len(bodies) == 1 else b"".join(bodies)

    return read


class Callbacks:
    """What httptools calls."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")))

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def on_message_complete(self) -> None:
        self.done = True


def llhttp() -> Callable[[list[bytes]], tuple[CIMultiDict[str], bytes]]:
    def read(pieces: list[bytes]) -> tuple[CIMultiDict[str], bytes]:
        got = Callbacks()
        parser = httptools.HttpResponseParser(got)
        for piece in pieces:
            parser.feed_data(piece)
        assert got.done
        return CIMultiDict(got.fields), b"".join(got.bodies)

    return read


def by_aiohttp() -> Callable[[list[bytes]], tuple[Any, bytes]]:
    loop = asyncio.new_event_loop()  # never run: the parser wants one
    loop.close()
    parser: Any = HttpResponseParser(
        BaseProtocol(loop), loop, 1 << 30, payload_exception=aiohttp.ClientPayloadError, auto_decompress=False,
        response_with_body=True, read_until_eof=True,
    )  # fmt: skip

    def read(pieces: list[bytes]) -> tuple[Any, bytes]:
        messages = [message for piece in pieces for message in parser.feed_data(piece)[0]]
        message, body = messages[0]
        assert body.is_eof()
        return message.headers, body.read_nowait()

    return read


def by_h11() -> Callable[[list[bytes]], tuple[CIMultiDict[str], bytes]]:
    connection = h11.Connection(h11.CLIENT)
    request, sent = h11.Request(method="GET", target="/", headers=[("Host", "a")]), h11.EndOfMessage()

    def read(pieces: list[bytes]) -> tuple[CIMultiDict[str], bytes]:
        connection.send(request)
        connection.send(sent)
        fields: list[tuple[str, str]] = []
        bodies: list[bytes] = []
        for piece in pieces:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if type(event) is h11.Data:
                    bodies.append(bytes(event.data))
                elif type(event) is h11.Response:
                    fields = [
                        (name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in event.headers
                    ]
                else:
                    break
        connection.start_next_cycle()
        return CIMultiDict(fields), b"".join(bodies)

    return read


READERS = {"asyncapi": ours, "httptools": llhttp, "aiohttp": by_aiohttp, "h11": by_h11}


def round_of(read: Callable[[list[bytes]], object], responses: Iterator[list[bytes]], count: int) -> float:
    """Microseconds of CPU a response."""
    began = time.process_time()
    for _ in range(count):
        read(next(responses))
    return (time.process_time() - began) / count * 1e6


def main(rounds: int) -> None:
    """Print the table."""
    print(f"us of CPU a response, the best of {rounds} rounds\n\n{'':<18}" + "".join(f"{name:>11}" for name in READERS))
    for kind, (count, make) in KINDS.items():
        variants = [pieced(make(number)) for number in range(min(VARIANTS, count))]
        readers = {name: reader() for name, reader in READERS.items()}
        bodies = {name: read(variants[0]) for name, read in readers.items()}
        assert all(body == bodies["asyncapi"] for body in bodies.values()), kind
        responses = {name: cycle(variants) for name in readers}
        best = dict.fromkeys(readers, float("inf"))
        for _ in range(rounds):
            for name, read in readers.items():
                best[name] = min(best[name], round_of(read, responses[name], count))
        print(f"{kind:<18}" + "".join(f"{best[name]:>11,.1f}" for name in readers))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
