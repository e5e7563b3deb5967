"""One thread with one event loop, for code that does not await: the ground of `asyncapi.blocking`.

- The thread starts with the first call and is a daemon: a script that forgets to close still ends.
- A call waits for its coroutine. Ctrl-C in the waiting thread cancels the coroutine, waits until it has cleaned up,
  and goes on as KeyboardInterrupt; a second Ctrl-C does not wait.
- Inside a running event loop a call is refused, because everything in that loop would stand still. A notebook's own
  loop, in which the code of every cell runs, is no reason.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import start_blocking_portal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from anyio.from_thread import BlockingPortal

T = TypeVar("T")


class Portal:
    """Runs coroutines in a thread of its own, any number of threads may call.

    Attributes:
        closers: What is open in the loop and must end before it does; touched in the loop alone.
    """

    def __init__(self) -> None:
        self.closers: set[Callable[[], Awaitable[None]]] = set()
        self._lock = threading.Lock()
        self._thread: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._ident: int | None = None
        self._process = os.getpid()
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether the thread has been started and not yet ended."""
        return self._portal is not None

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run the coroutine that `work` makes, and wait for it.

        Raises:
            ConfigError: Called inside a running event loop, after the end, or in a forked process.
        """
        self._refuse_inside_a_loop()
        return self._run(self._started(), work)

    def close(self, last: Callable[[], Awaitable[Any]]) -> None:
        """End what is open, run a last coroutine, cancel what is still under way, and end the thread.

        May be called twice.
        """
        if threading.get_ident() == self._ident:  # the garbage collector came by in the loop's own thread
            threading.Thread(target=self.close, args=(last,)).start()
            return
        with self._lock:
            self._closed = True
            portal, thread = self._portal, self._thread
            self._portal = self._thread = None
        if portal is None or thread is None or os.getpid() != self._process:
            return
        try:
            self._run(portal, partial(self._end, last))
        finally:
            portal.call(portal.stop, True)  # noqa: FBT003 - anyio's cancel_remaining
            thread.__exit__(None, None, None)

    async def _end(self, last: Callable[[], Awaitable[Any]]) -> None:
        for close in list(self.closers):
            await close()
        await last()

    def _run(self, portal: BlockingPortal, work: Callable[[], Awaitable[T]]) -> T:
        turn = _Turn(work)
        try:
            answer: T = portal.start_task_soon(turn.run).result()
        except CancelledError:
            raise ConfigError("the client was closed while this call was under way") from None
        except BaseException:
            turn.abandon()  # unless it is over: then the exception is its own
            raise
        return answer

    def _started(self) -> BlockingPortal:
        with self._lock:
            if self._closed:
                raise ConfigError("this client is closed: make a new Client (its connections are gone)")
            if os.getpid() != self._process:
                raise ConfigError(
                    "this client was made before a fork, its thread is not here: make one in each process"
                )
            if self._portal is None:
                self._thread = start_blocking_portal(name="asyncapi-blocking")
                self._portal = self._thread.__enter__()
                self._ident = self._portal.call(threading.get_ident)
            return self._portal

    def _refuse_inside_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if threading.get_ident() == self._ident or not _in_notebook():
            raise ConfigError(
                "asyncapi.blocking inside a running event loop would make everything in it stand still: "
                "use asyncapi.Client there, and await it"
            )


class _Turn:
    """One coroutine in the portal's loop, that the waiting thread may give up on."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self._abandoned = False
        self._over = threading.Event()

    async def run(self) -> Any:
        self._task = asyncio.current_task()
        try:
            if not self._abandoned:
                return await self._work()
        finally:
            self._over.set()

    def abandon(self) -> None:
        """Cancel it, and wait until it is gone."""
        if self._over.is_set():
            return
        self._abandoned = True
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        self._over.wait()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", bool)()
    return getattr(shell, "kernel", None) is not None
