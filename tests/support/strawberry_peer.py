"""Strawberry on uvicorn, as a process on loopback, with the schema of `tests/support/peers/schema.mjs`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 30.0
_APP = Path(__file__).parent / "peers" / "strawberry_app.py"


@contextlib.contextmanager
def strawberry_peer(*, batch: bool = False) -> Iterator[str]:
    """Run the server, and return its address; skip the test where it can't run."""
    for package in ("strawberry", "uvicorn", "starlette"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(_APP), str(port), *(["batch"] if batch else [])],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ},
    )  # fmt: skip
    try:
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            assert process.poll() is None, "the server ended before it listened"
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
