"""The program of one process of local.py: it runs the chunks that come by stdin, and ends when that is closed.

It is alive as long as it says so once a second, so that a process that hangs can be told from one that is busy. Stdout
is for what it has to say to the coordinator: whatever else is printed goes to stderr.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import sys
import threading
from typing import IO, TYPE_CHECKING, Any

from asyncapi.bulk.engine import GRACE
from asyncapi.bulk.fleet import worker
from asyncapi.bulk.fleet.local import read_message, write_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.bulk.fleet.engines import Task

_ALIVE = 1.0  # seconds between signs of life
_INTERRUPTED = 130
_COLLECT_AFTER = 10_000  # new objects
_BEHIND = 1 << 20  # bytes that wait for a coordinator that is frozen; then reports are dropped


async def serve(read: IO[bytes], write: IO[bytes]) -> None:
    """Run chunks until the pipe that they come by is closed."""
    reader, writer = await _streams(read, write)
    alive = asyncio.create_task(_live(writer))
    tasks: set[asyncio.Task[None]] = set()
    runs: set[str] = set()
    try:
        while True:
            kind, *rest = await read_message(reader)
            if kind == "task":
                number, task = rest
                runs.add(task.run)
                tasks.add(running := asyncio.create_task(_run(number, task, writer)))
                running.add_done_callback(tasks.discard)
            elif kind == "stop":
                worker.stop(*rest)
    except EOFError:
        _exit_soon()
        for run in runs:
            worker.stop(run, "the coordinator is gone", _INTERRUPTED)
        await asyncio.gather(*tasks, return_exceptions=True)
        for run in runs:
            await worker.finish(run)
    finally:
        alive.cancel()


async def _streams(read: IO[bytes], write: IO[bytes]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), read)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, write)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _run(number: int, task: Task, writer: asyncio.StreamWriter) -> None:
    def report(state: Any) -> None:
        if writer.transport.get_write_buffer_size() < _BEHIND:
            write_message(writer, ("report", state))

    try:
        done = await worker.work(task, f"process {os.getpid()}", report)
    except Exception as error:  # carried to the coordinator, and raised there
        write_message(writer, ("error", number, _portable(error)))
    else:
        write_message(writer, ("done", number, done))


def _portable(error: Exception) -> Exception:
    """Return an error that survives a pickle."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # anything may refuse
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


async def _live(writer: asyncio.StreamWriter) -> None:
    while True:
        if writer.transport.get_write_buffer_size() < _BEHIND:
            write_message(writer, ("alive",))
        await asyncio.sleep(_ALIVE)


def _exit_soon() -> None:
    """Exit in any case, also if something hangs: what is not written is in the journal."""
    last = threading.Timer(GRACE + 0.5, os._exit, (_INTERRUPTED,))
    last.daemon = True
    last.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Run the process."""
    read, write = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.path.insert(0, "")  # the user's modules, as the command line has it
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)  # as `asyncapi fetch` does
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(read, write))


if __name__ == "__main__":
    main()
