"""Processes whose clients share a cache, each told by lines what to do; and the origin that they ask."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = """
import asyncio, json, sys
from asyncapi import Cache, Client
from asyncapi.stores import RedisStore, SQLiteStore

async def call(api, method, path, timeout=30):
    try:
        response = await api.request(method, path, timeout=timeout, raise_for_status=False)
        return [response.from_cache, response.text]
    except Exception as error:
        return [type(error).__name__, ""]

async def main(base, kind, place, options):
    store = SQLiteStore(place, **options) if kind == "sqlite" else RedisStore(place, **options)
    async with Client(base, cache=Cache(store=store), single_flight=True, retry=None) as api:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            times, *what = json.loads(line)
            results = await asyncio.gather(*(call(api, *what) for _ in range(times)))
            print(json.dumps([*results, api.stats.cache]), flush=True)

asyncio.run(main(*json.loads(sys.argv[1])))
"""


class Member:
    """One process of the fleet."""

    def __init__(self, base: str, kind: str, place: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps([base, kind, place, options])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def begin(self, method: str, path: str, *, times: int = 1, timeout: float = 30) -> None:
        """Have it make calls."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([times, method, path, timeout]) + "\n")
        self.process.stdin.flush()

    def end(self) -> list[Any]:
        """Wait for its calls: (`from_cache` or the error, body) of each, then its counts."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def call(self, method: str, path: str, **options: Any) -> list[Any]:
        """Have it make calls, and wait for them."""
        self.begin(method, path, **options)
        return self.end()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Have it close its client, and end."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate(timeout=30)


@contextlib.contextmanager
def members(number: int, base: str, kind: str, place: str, **options: Any) -> Iterator[list[Member]]:
    """So many processes, until the end of the block."""
    fleet: list[Member] = []
    try:
        for _ in range(number):
            fleet.append(Member(base, kind, place, **options))
        yield fleet
    finally:
        for member in fleet:
            member.close() if member.process.poll() is None else None
            for pipe in (member.process.stdin, member.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


class Origin:
    """A server that counts requests, and can hold its responses back.

    `/private...` may not be stored, all else is fresh for a minute. Each body is the path and the number of the request.

    Attributes:
        seen: Requests by method and path.
        gate: Responses wait while it is cleared.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        lock, origin = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with lock:
                    origin.seen[f"{self.command} {self.path}"] += 1
                    number = origin.seen[f"{self.command} {self.path}"]
                origin.gate.wait()
                body = f"{self.path} {number}".encode()
                self.send_response(503 if self.path.startswith("/broken") else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store" if self.path.startswith("/private") else "max-age=60")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, what: str, number: int = 1) -> None:
        """Wait until so many requests have come."""
        end = time.monotonic() + 30
        while self.seen[what] < number:
            assert time.monotonic() < end, f"{what} never came"
            time.sleep(0.005)

    def close(self) -> None:
        """End it."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def origin() -> Iterator[Origin]:
    """A server, until the end of the block."""
    server = Origin()
    try:
        yield server
    finally:
        server.close()
