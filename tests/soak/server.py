"""The server of a soak, in a process of its own: small, quick, and not always well.

    /fresh/N    fresh for a minute
    /check/N    asked again each time: 304 while its ETag still holds
    /plain/N    never kept; one in 50 answers is late, by 80 ms
    /ill/N      one in four is a 503, which fallbacks answer
    /keys/N     needs a key; one in 100 answers is a 429 with Retry-After, for that key

It prints its port and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import random
import sys

PAYLOAD = b'{"id": %d, "pad": "' + b"x" * 1000 + b'"}'
LATE = 0.08  # seconds


class Answers(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[:end], self.received[end + 4 :]
            self.answer(head)

    def answer(self, head: bytes) -> None:
        _, kind, number = head.split(b" ", 2)[1].partition(b"?")[0].decode().split("/")
        status, more, body = b"200 OK", b"Cache-Control: no-store\r\n", PAYLOAD % int(number)
        if kind == "fresh":
            more = b"Cache-Control: max-age=60\r\n"
        elif kind == "check":
            tag = b'"%d"' % (int(number) % 7)
            more = b"Cache-Control: no-cache\r\nETag: " + tag + b"\r\n"
            if b"if-none-match: " + tag in head.lower():
                status, body = b"304 Not Modified", b""
        elif kind == "ill" and random.random() < 0.25:
            status = b"503 Service Unavailable"
        elif kind == "keys" and random.random() < 0.01:
            status, more = b"429 Too Many Requests", b"Retry-After: 1\r\n"
        length = b"" if status.startswith(b"304") else b"Content-Length: %d\r\n" % len(body)
        reply = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n" + more + length + b"\r\n" + body
        if kind == "plain" and random.random() < 0.02:
            asyncio.get_running_loop().call_later(LATE, self.send, reply)
        else:
            self.send(reply)

    def send(self, reply: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(reply)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, ["127.0.0.1"], 0)
    port = server.sockets[0].getsockname()[1]
    others = [await loop.create_server(Answers, [f"127.0.0.{number}"], port) for number in range(2, 5)]
    print(port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for one in (server, *others):
        one.close()


asyncio.run(main())
