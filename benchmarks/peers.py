"""Against async peers: the same work over the same server, at concurrency 16, 100 and 500, on asyncio and on uvloop.

Every measurement is a fresh process on the client's core. niquests needs a virtual environment of its own, which is
made at the first run.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from machine import HERE, environment, output_of
from rounds import CONTESTANTS_OF, Settings, interleave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PEERS = {
    "asyncapi_on": "asyncapi, everything on",
    "asyncapi_map": "asyncapi map, everything on",
    "asyncapi_off": "asyncapi, everything off",
    "aiohttp_pool": "aiohttp",
    "aiohttp_tuned": "aiohttp, tuned by hand",
    "httpx_pool": "httpx",
    "httpx2_pool": "httpx2",
    "niquests_pool": "niquests",
    "pyreqwest_pool": "pyreqwest",
}
CONTESTANTS_OF["peers"] = tuple(PEERS)

# uvloop at one concurrency only: what it changes shows there, and the whole run stays under ten minutes.
TABLES = (("asyncio", 16), ("asyncio", 100), ("asyncio", 500), ("uvloop", 100))

_NIQUESTS_ENV = HERE / ".venv-niquests"
_FEW = 100


def run(url: str, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per table: its loop, its concurrency, its results."""
    pythons = {"niquests_pool": niquests_python(say)} if settings.wants("peers", "niquests_pool") else {}
    tables = []
    for loop, concurrency in [("asyncio", 100)] if settings.quick else TABLES:
        say(f"peers, {loop}, concurrency {concurrency}")
        # Hundreds of connections take their second to be opened and settle down.
        warmup = max(settings.warmup, 0.002 * concurrency if concurrency > _FEW else 0)
        contestants = {}
        for name in PEERS:
            if not settings.wants("peers", name):
                continue
            python = pythons.get(name, sys.executable)
            if isinstance(python, RuntimeError):
                contestants[name] = partial(_refuse, python)
                continue
            contestants[name] = partial(
                measure, name, url,
                concurrency=concurrency, loop=loop, warmup=warmup, seconds=settings.seconds, python=python,
            )  # fmt: skip
        results = interleave(contestants, settings.rounds, say)
        tables.append({"loop": loop, "concurrency": concurrency, "results": results})
    return tables


def measure(
    contestant: str,
    url: str,
    *,
    concurrency: int,
    loop: str = "asyncio",
    hosts: int = 1,
    least: int = 0,
    windows: int = 1,
    warmup: float,
    seconds: float,
    python: Path | str = sys.executable,
) -> dict[str, Any]:
    """One measurement in a fresh process.

    Raises:
        RuntimeError: It failed; the message says why.
    """
    out = output_of(
        [
            python, HERE / "measure.py", contestant, url,
            "--concurrency", concurrency, "--loop", loop, "--warmup", warmup, "--seconds", seconds,
            "--hosts", hosts, "--least", least, "--windows", windows,
        ],
        timeout=120,
    )  # fmt: skip
    return json.loads(out)


def _refuse(error: RuntimeError) -> dict[str, Any]:
    raise error


def niquests_python(say: Callable[[str], None]) -> Path | RuntimeError:
    """The interpreter that has niquests, or why there is none."""
    python = _NIQUESTS_ENV / "bin" / "python"
    requirements = HERE / "requirements-niquests.txt"
    stamp = _NIQUESTS_ENV / "installed"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    say("making benchmarks/.venv-niquests (niquests replaces urllib3: it gets an environment of its own)")
    maker = "venv" if importlib.util.find_spec("ensurepip") else "virtualenv"
    for command in (
        [sys.executable, "-m", maker, "--clear", _NIQUESTS_ENV],
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements],
    ):
        done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, env=environment())
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
            return RuntimeError(f"its environment could not be made: {lines[-1]}")
    stamp.write_text(wanted)
    return python
