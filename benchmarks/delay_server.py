"""A tiny HTTP/1.1 server with a settable delay: keep-alive, safe with pipelining, one JSON row for every GET.

    python benchmarks/delay_server.py 0 10 50      # milliseconds; one port each

Prints the ports as one line of JSON, then serves until it is ended. nginx can't wait on purpose; this can, and it
costs far less than any client. Every answer is the same, so answers that are due later may be written in any order.
"""

from __future__ import annotations

import asyncio
import json
import sys

from row import BODY

_ANSWER = b"\r\n".join(
    [
        b"HTTP/1.1 200 OK",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(BODY),
        b"Connection: keep-alive",
        b"",
        BODY,
    ]
)
_END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._rest = b""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        loop = asyncio.get_running_loop()
        for _ in requests:
            if self._delay:
                loop.call_later(self._delay, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():  # a caller who was late has hung up
            self._transport.write(_ANSWER)


async def serve(delays_ms: list[float]) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda delay=ms / 1000: _Connection(delay), "127.0.0.1", 0, backlog=1024)
        for ms in delays_ms
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(serve([float(ms) for ms in sys.argv[1:]]))


if __name__ == "__main__":
    main()
