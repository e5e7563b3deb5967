"""A real redis-server (or valkey-server) for tests: on a free loopback port, to be killed, frozen, emptied, replaced."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 20.0


class RedisServer:
    """One server. It keeps nothing on disk: started again, it is empty."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            pytest.skip("redis-server is not installed")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.socket = folder / f"{self.port}.sock"
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket), "--save", "",
            "--appendonly", "no", "--dir", str(folder), "--repl-diskless-sync-delay", "0", *options,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it replies."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if self.socket.exists() and self.tell("PING"):
                    return
            assert self.process.poll() is None, "redis-server did not start"
            assert time.monotonic() < end, "redis-server does not reply"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash, and forgets everything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nobody replies."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def tell(self, *command: str) -> str:
        """What it replies to a command, as it is on the wire."""
        words = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
            wire.sendall(f"*{len(command)}\r\n{words}".encode())
            return wire.recv(65_536).decode()


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A server with these options, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder), *options)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of its own for a test."""
    with redis_server() as server:
        yield server
