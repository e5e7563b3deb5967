"""Processes for tests of jobs on several workers: a server that counts, a coordinator, Dask, Redis; and what kills them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.support.daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SERVER = """
import asyncio, collections, sys
from aiohttp import web

seen = collections.Counter()
delay = float(sys.argv[2])

async def handle(request):
    seen[f"{request.method} {request.path}"] += 1
    await request.read()
    await asyncio.sleep(delay)
    return web.json_response({"n": request.path.rpartition("/")[2]})

async def stats(request):
    return web.json_response(dict(seen))

app = web.Application()
app.router.add_get("/stats", stats)
app.router.add_route("*", "/{rest:.*}", handle)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""

COORDINATOR = """
import asyncio, json, sys
from asyncapi.bulk import Job
from asyncapi.bulk.cluster import run_on

settings = json.loads(sys.argv[1])
on = settings.pop("on")
if __name__ == "__main__":
    summary = asyncio.run(run_on(Job(**settings), on))
    print(json.dumps({"ok": summary.ok, "failed": summary.failed, "unknown": summary.unknown, "code": summary.exit_code,
                      "skipped": summary.skipped, "stopped": summary.stopped}), flush=True)
    sys.exit(10 if summary.stopped else 0)
"""


class Victim:
    """A process that is started again when it has died."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, done: Callable[[int], bool] = lambda _: False
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.starts = 0
        self.is_done = False
        self._done = done
        self.start()

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)

    def supervise(self) -> None:
        """Start it again if it has ended, unless it is done."""
        code = self.process.poll()
        if code is None or self.is_done:
            return
        if self._done(code):
            self.is_done = True
        else:
            self.start()

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def end(self) -> None:
        self.send(signal.SIGCONT)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Chaos:
    """Kills and freezes processes at random, and lets them go on."""

    def __init__(self, victims: Sequence[Victim], seed: int, *, pause: tuple[float, float], freeze: float) -> None:
        self.victims = victims
        self.events: list[tuple[float, str, str]] = []
        self._random = random.Random(seed)
        self._pause = pause
        self._freeze = freeze
        self._frozen: list[tuple[float, Victim]] = []
        self._next = time.monotonic() + self._random.uniform(*pause)

    def turn(self, *, more: bool = True) -> None:
        """Let go on what was frozen for long enough, start what has died, and kill or freeze if it is time."""
        now = time.monotonic()
        for until, victim in self._frozen:
            if until <= now:
                victim.send(signal.SIGCONT)
        self._frozen = [entry for entry in self._frozen if entry[0] > now]
        for victim in self.victims:
            victim.supervise()
        if now < self._next or not more:
            return
        self._next = now + self._random.uniform(*self._pause)
        victim = self._random.choice(self.victims)
        if victim.is_done or any(entry[1] is victim for entry in self._frozen):
            return
        if self._random.random() < 0.6:
            victim.send(signal.SIGKILL)
            self.events.append((now, victim.name, "killed"))
        else:
            seconds = self._random.uniform(0.3, self._freeze)
            victim.send(signal.SIGSTOP)
            self._frozen.append((now + seconds, victim))
            self.events.append((now, victim.name, f"frozen for {seconds:.1f} s"))


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def stats(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=30) as response:
        return json.loads(response.read())


def wait_for(is_true: Callable[[], Any], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while True:
        with suppress(OSError):
            if is_true():
                return
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def write_mixed(path: Path, port: int, rows: int) -> None:
    """Write requests, every second of them a POST without a key."""
    with path.open("w") as file:
        for row in range(rows):
            kind: dict[str, Any] = {"url": f"http://127.0.0.1:{port}/items/{row}"}
            if row % 2:
                kind = {"method": "POST", "url": f"http://127.0.0.1:{port}/pay/{row}", "json": {"n": row}}
            file.write(json.dumps(kind) + "\n")


__all__ = ["COORDINATOR", "SERVER", "Chaos", "Victim", "free_port", "python", "stats", "wait_for", "write_mixed"]
