"""An engine of processes on this machine: `local:4`. It needs nothing installed, and starts in a fraction of a second.

Rules:
1. A process that dies is replaced, and the chunks that were open in it are reported as killed.
2. A process that has not been heard of for `_SILENCE` seconds is killed: it is frozen, or its event loop hangs.
3. A process ends when its coordinator does: its stdin is closed then (process.py).
4. Ctrl-C goes to the coordinator alone: the processes have a session of their own.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import time
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.fleet.engines import OPEN, Report, WorkerDied
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Task

LENGTH_BYTES = 4

_SILENCE = 30.0  # seconds (rule 2)
_START = 120.0  # seconds that a process may take until it is first heard of
_LOOK = 1.0
_LAST_MOMENT = 1.7  # seconds that processes have to end, after a stop
_STARTS = 5  # in a row that may fail


async def read_message(reader: asyncio.StreamReader) -> Any:
    """Read one message of the other process.

    Raises:
        EOFError: It is gone.
    """
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process
    except (asyncio.IncompleteReadError, OSError):
        raise EOFError from None


def write_message(writer: asyncio.StreamWriter, message: Any) -> None:
    """Write one message to the other process; if it is gone, nothing happens."""
    data = pickle.dumps(message)
    with suppress(OSError, RuntimeError):
        writer.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)


class _Worker:
    """One process."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer
        self.tasks: dict[int, asyncio.Future[Done | None]] = {}
        self.heard = time.monotonic()
        self.was_alive = False
        self.alone = False

    def may_have(self, most: int) -> bool:
        """Whether one more chunk may be open here, where `most` may be."""
        return self.was_alive and not self.alone and len(self.tasks) < most

    def kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)  # not `send_signal`, which takes the exit code from asyncio


class Local:
    """Processes on this machine.

    Args:
        count: How many.

    Raises:
        ConfigError: This system can't start them.
    """

    def __init__(self, count: int) -> None:
        if os.name != "posix":
            raise ConfigError("local:N needs Linux or macOS: use dask:// on this system")
        self._count = count
        self._workers: set[_Worker] = set()
        self._queue: list[tuple[Task, asyncio.Future[Done | None]]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._heard: Callable[[Report], object] = lambda _: None
        self._number = 0
        self._stopping = False
        self._failed: ConfigError | None = None

    async def start(self, heard: Callable[[Report], object]) -> None:
        """Start the processes."""
        self._heard = heard
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._count)]
        self._watcher = asyncio.create_task(self._watch())

    def workers(self) -> int:
        """Return how many processes there are."""
        return len(self._workers) or self._count

    def submit(self, task: Task) -> asyncio.Future[Done | None]:
        """Run a chunk on the process that has the fewest."""
        future: asyncio.Future[Done | None] = asyncio.get_running_loop().create_future()
        if self._failed is not None:
            future.set_exception(self._failed)
        else:
            self._queue.append((task, future))
            self._hand_out()
        return future

    async def stop(self, run: str, why: str, code: int) -> None:
        """Stop all chunks."""
        for worker in self._workers:
            write_message(worker.writer, ("stop", run, why, code))

    async def aclose(self) -> None:
        """End the processes."""
        self._stopping = True
        for worker in self._workers:
            worker.writer.close()  # rule 3
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=_LAST_MOMENT)
        for worker in self._workers:
            worker.kill()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, *self._keepers, return_exceptions=True)

    def _hand_out(self) -> None:
        """Give each process the chunks that it can have open; a process that dies takes no other with it."""
        while self._hand_out_one():
            pass

    def _hand_out_one(self) -> bool:
        for place, (task, future) in enumerate(self._queue):
            most = 1 if task.alone else OPEN
            free = [worker for worker in self._workers if worker.may_have(most)]
            if not free:
                continue
            worker = min(free, key=lambda worker: len(worker.tasks))
            del self._queue[place]
            self._number += 1
            worker.alone = task.alone
            worker.tasks[self._number] = future
            write_message(worker.writer, ("task", self._number, task))
            return True
        return False

    async def _keep(self) -> None:
        """Keep one process running (rule 1)."""
        failures = 0
        while not self._stopping:
            worker = await _started()
            self._workers.add(worker)
            try:
                await self._listen(worker)
            finally:
                self._workers.discard(worker)
                worker.kill()
                worker.writer.close()
                for future in worker.tasks.values():
                    if not future.done():
                        future.set_exception(WorkerDied())
                with suppress(OSError):
                    await worker.writer.wait_closed()
                await worker.process.wait()
            failures = 0 if worker.was_alive else failures + 1
            if failures >= _STARTS:
                self._fail(
                    ConfigError(f"the processes of local:{self._count} end as soon as they start; see above why")
                )
                return

    def _fail(self, error: ConfigError) -> None:
        """End every chunk with an error: no process can be started."""
        self._failed = error
        queue, self._queue = self._queue, []
        for _, future in queue:
            if not future.done():
                future.set_exception(error)

    async def _listen(self, worker: _Worker) -> None:
        while True:
            try:
                kind, *rest = await read_message(worker.reader)
            except EOFError:
                return
            worker.heard = time.monotonic()
            if not worker.was_alive:
                worker.was_alive = True
                self._hand_out()
            if kind == "report":
                self._heard(rest[0])
            elif kind in {"done", "error"}:
                future = worker.tasks.pop(rest[0], None)
                worker.alone = worker.alone and bool(worker.tasks)
                self._hand_out()
                if future is not None and not future.done():
                    future.set_result(rest[1]) if kind == "done" else future.set_exception(rest[1])

    async def _watch(self) -> None:
        """Kill processes that are silent (rule 2)."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            frozen = now - last > _SILENCE / 2  # we were frozen ourselves
            last = now
            for worker in self._workers:
                if frozen:
                    worker.heard = now
                elif now - worker.heard > (_SILENCE if worker.was_alive else _START):
                    worker.kill()


async def _started() -> _Worker:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "asyncapi.bulk.fleet.process",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # rule 4
    )
    if process.stdin is None or process.stdout is None:  # pragma: no cover - they are pipes
        raise RuntimeError
    return _Worker(process, process.stdout, process.stdin)
