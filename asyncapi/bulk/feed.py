"""Read the rows of a stream in a thread, so that a silent pipe never blocks the event loop.

The thread hands rows over in batches: when 100 have come, and before every read that may block. At most two batches
wait. It is a daemon thread: a read that never returns doesn't keep the process from exiting.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asyncapi.bulk.reader import Item, Reader

T = TypeVar("T")

_BATCH = 100  # rows
_WAITING = 2  # batches


class _NobodyReads(Exception):
    """The rows are no longer wanted."""


class _Pipe:
    """Hands batches over from the thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = threading.Semaphore(_WAITING)
        self._queue: asyncio.Queue[list[Item] | BaseException | None] = asyncio.Queue()
        self._closed = False

    def put(self, what: list[Item] | BaseException | None) -> bool:
        """Add a batch, from the thread; wait while two batches wait. Returns False once nobody takes any more."""
        self._room.acquire()
        if self._closed:
            self._room.release()
            return False
        self._loop.call_soon_threadsafe(self._queue.put_nowait, what)
        return True

    async def get(self) -> list[Item] | BaseException | None:
        """Take a batch, from the event loop."""
        what = await self._queue.get()
        self._room.release()
        return what

    def close(self) -> None:
        """Drop all further batches; called from the event loop."""
        self._closed = True
        self._room.release(_WAITING)


async def feed(reader: Reader) -> AsyncIterator[Item]:
    """Yield the rows of a stream as they come.

    Raises:
        InputError: A row is broken; the rows before it have been yielded.
    """
    pipe = _Pipe(asyncio.get_running_loop())
    threading.Thread(target=_pump, args=(reader, pipe), name="asyncapi-input", daemon=True).start()
    try:
        while (batch := await pipe.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            for item in batch:
                yield item
    finally:
        reader.close()
        pipe.close()


def _pump(reader: Reader, pipe: _Pipe) -> None:
    batch: list[Item] = []

    def hand_over() -> None:
        nonlocal batch
        if batch and not pipe.put(batch):
            raise _NobodyReads
        batch = []

    end: BaseException | None = None
    try:
        rows: Iterator[Item] = reader.items(hand_over)
        for item in rows:
            batch.append(item)
            if len(batch) >= _BATCH:
                hand_over()
    except _NobodyReads:
        return
    except BaseException as error:  # carried to the loop, and raised there
        end = error
    try:
        hand_over()
        pipe.put(end)
    except (_NobodyReads, RuntimeError):  # the loop is closed
        return


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a daemon thread, which the process doesn't wait for at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]  # T may itself be optional

    def run() -> None:
        try:
            value, error = work(), None
        except BaseException as raised:  # carried to the loop, and raised there
            value, error = None, raised
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:  # the loop is closed
            return

    threading.Thread(target=run, name="asyncapi-work", daemon=True).start()
    return await done
