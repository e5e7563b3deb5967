"""The program of one process of local.py: it runs the chunks that come by a socket, and ends when the socket does.

It is alive as long as it says so once a second, so that a process that hangs can be told from one that is busy.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

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


async def serve(descriptor: int) -> None:
    """Run chunks until the socket is closed."""
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor))
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
    sys.path.insert(0, "")  # the user's modules, as the command line has it
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)  # as `asyncapi fetch` does
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
