"""An echo by Starlette, with the ends of `asyncapi serve`: ?messages= ?then= ?code= ?reason= ?fault=. Run by uvicorn."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.websockets import WebSocket

_START_SECONDS = 60.0


async def echo(socket: WebSocket) -> None:
    """Send back what comes, as often as the query says."""
    from starlette.responses import PlainTextResponse

    query = socket.query_params
    if "fault" in query:
        refusal = PlainTextResponse("no", int(query["fault"]), headers={"Retry-After": "0"})
        await socket.send_denial_response(refusal)
        return
    offered = socket.scope.get("subprotocols") or [None]
    await socket.accept(subprotocol=offered[0])
    left = int(query.get("messages", -1))
    while left:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])
        left -= 1
    await socket.close(int(query.get("code", 1000)), query.get("reason", ""))


def application() -> object:
    """The ASGI application."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    return Starlette(routes=[WebSocketRoute("/ws", echo)])


class Uvicorn:
    """One uvicorn as a process on loopback."""

    def __init__(self, engine: str, said: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._said = said
        self._command = [
            sys.executable, "-m", "uvicorn", "websocket_app:application", "--factory", "--ws", engine,
            "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "error",
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        here = str(Path(__file__).parent)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, cwd=here,
            env={**os.environ, "PYTHONPATH": here},
        )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            assert self._process.poll() is None, "uvicorn did not start"
            assert time.monotonic() < end, "uvicorn did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def uvicorn(engine: str) -> Iterator[Uvicorn]:
    """The application on uvicorn, with this WebSocket engine of its."""
    with tempfile.TemporaryFile() as said:
        made = Uvicorn(engine, said)
        try:
            yield made
        finally:
            made.kill()
