"""Servers of npm packages as real processes on loopback: `tests/support/peers/NAME.mjs`, started on a free port.

`npm ci` in `tests/support/peers` installs the packages, at the versions of its lock file. A script listens on
`127.0.0.1:$PORT`, and is ready when that port takes a connection. SIGKILL ends it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = Path(__file__).parent / "peers"
_START_SECONDS = 30.0


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    if not (PEERS / "node_modules").is_dir():
        return "the npm packages are not installed: npm ci --prefix tests/support/peers"
    return None


requires_node_peers = pytest.mark.skipif(_missing() is not None, reason=_missing() or "")
"""Skips a test with the reason where Node or the packages are missing."""


class NodePeer:
    """One script of `tests/support/peers`, running.

    Attributes:
        port: The port that it listens on.
        url: "http://127.0.0.1:PORT".
    """

    def __init__(self, script: str, env: dict[str, str], said: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._said = said
        self._process = subprocess.Popen(
            ["node", str(PEERS / script)],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=PEERS,
            env={**os.environ, "NODE_ENV": "production", **env, "PORT": str(self.port)},
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait until it takes connections."""
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self._process.args!r} did not start: {self.said()}")
            time.sleep(0.01)

    def said(self) -> str:
        """What it has written to its standard output and error so far."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash, in the middle of everything."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def node_peer(script: str, **env: str) -> Iterator[NodePeer]:
    """Run a script of `tests/support/peers` with these environment variables; skip the test where it can't run."""
    if (missing := _missing()) is not None:
        pytest.skip(missing)
    with tempfile.TemporaryFile() as said:
        peer = NodePeer(script, env, said)
        try:
            peer.wait_until_ready()
            yield peer
        finally:
            peer.kill()
