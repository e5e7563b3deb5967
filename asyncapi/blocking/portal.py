"""Run an event loop in a thread of its own, for code that does not await: the basis of `asyncapi.blocking`.

1. The thread starts with the first call and is a daemon: a script that forgets to close still ends.
2. A call waits for its coroutine. Ctrl-C in the waiting thread cancels the coroutine, waits until it has cleaned up,
   and is then raised as KeyboardInterrupt; a second Ctrl-C does not wait.
3. Ctrl-C may arrive between any two steps, also while the thread starts or ends. So starting and ending are the
   thread's own work: a caller may stop waiting for them, and nothing is left half done.
4. Inside a running event loop a call is refused, because everything in that loop would stop. A notebook's own loop, in
   which the code of every cell runs, does not count.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_EXIT_WAIT = 2.0  # seconds that an unclosed client may delay the end of a script
_CLOSED = "this client is closed: make a new Client (its connections are gone)"
_CLOSED_MEANWHILE = "the client was closed while this call was under way"


class Portal:
    """Runs coroutines in a thread of its own; any number of threads may call it.

    Args:
        last: Makes the coroutine that the loop ends with.

    Attributes:
        closers: What is open in the loop and must end before it does; touched in the loop alone.
        closed: Whether it is, or is about to be.
        outlasted: Whether nobody had closed it when the program ended.
    """

    def __init__(self, last: Callable[[], Awaitable[Any]]) -> None:
        self.closers: set[Callable[[], Awaitable[None]]] = set()
        self.closed: bool = False
        self.outlasted: bool = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._portal: Future[BlockingPortal] = Future()
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave = asyncio.Event()
        self._last = last
        self._failure: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether the thread was started in this process and is not ending."""
        return self._thread is not None and not self.closed and os.getpid() == self._process

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run the coroutine that `work` makes, and wait for it.

        Raises:
            ConfigError: Called inside a running event loop, after the end, or in a forked process.
        """
        self._refuse_inside_a_loop()
        portal, turn = self._started(), _Turn(work)
        try:
            answer: T = portal.start_task_soon(turn.run).result()
        except CancelledError:
            raise ConfigError(_CLOSED_MEANWHILE) from None
        except BaseException as error:
            turn.abandon(portal)  # a turn that is over raised this exception itself
            if isinstance(error, RuntimeError) and not turn.began and self.closed:
                raise ConfigError(_CLOSED_MEANWHILE) from None
            raise
        return answer

    def finish(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run a coroutine that cleans up, if the thread runs. Ctrl-C ends the waiting, not the coroutine.

        Args:
            work: Makes it; may be called twice.
        """
        if not self.running:
            return
        self._refuse_inside_a_loop()
        portal = self._started()
        try:
            portal.start_task_soon(work).result()
        except CancelledError:
            return  # the client is closing, which cleans up, too
        except RuntimeError:
            if not self.closed:
                raise
        except KeyboardInterrupt:
            portal.start_task_soon(work)
            raise

    def close(self, timeout: float | None = None) -> None:
        """Close what is open, run the last coroutine, cancel what is still under way, and end the thread.

        May be called twice.

        Args:
            timeout: Seconds to wait for the thread's end; None for as long as it takes.
        """
        self.closed, thread = True, self._thread  # in this order: a thread that is just starting sees it
        if thread is None or os.getpid() != self._process:
            return
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has already ended
                self._loop.call_soon_threadsafe(self._leave.set)
        if thread is threading.current_thread() or thread.ident is None:
            return  # called by the garbage collector in the loop's own thread, or never started
        atexit.unregister(self._at_exit)
        thread.join(timeout)  # it may have ended by now: its failure is raised all the same, once
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _at_exit(self) -> None:
        self.outlasted = self.running
        self.close(_EXIT_WAIT)

    def _started(self) -> BlockingPortal:
        if os.getpid() != self._process:
            raise ConfigError(
                "this client was made before a fork, and its thread is in the parent: make a client in each process"
            )
        with self._lock:
            if self.closed:
                raise ConfigError(_CLOSED)
            if self._thread is None or not self._thread.is_alive():
                ready: Future[BlockingPortal] = Future()
                self._portal = ready
                self._thread = threading.Thread(target=self._live, args=(ready,), name="asyncapi-blocking", daemon=True)
                atexit.register(self._at_exit)
                self._thread.start()
        return self._portal.result()

    def _live(self, ready: Future[BlockingPortal]) -> None:
        """Run the loop; do nothing where the starter was interrupted and another thread has started since."""
        with self._lock:
            if self.closed:
                ready.set_exception(ConfigError(_CLOSED))
            if self.closed or self._portal is not ready:
                return
        try:
            anyio.run(self._serve, ready)
        except BaseException as error:
            if ready.done():
                self._failure = error
            else:
                ready.set_exception(error)

    async def _serve(self, ready: Future[BlockingPortal]) -> None:
        async with BlockingPortal() as portal:
            self._leave, self._loop = asyncio.Event(), asyncio.get_running_loop()
            if self.closed:
                self._leave.set()
            ready.set_result(portal)
            await self._leave.wait()
            try:
                for close in list(self.closers):
                    await close()
                await self._last()
            except Exception as error:
                self._failure = error  # raised by close(); raised here, it would be inside an ExceptionGroup
            finally:
                await portal.stop(cancel_remaining=True)

    def _refuse_inside_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if threading.current_thread() is self._thread or not _in_notebook():
            raise ConfigError(
                "asyncapi.blocking inside a running event loop would make everything in it stand still: "
                "use asyncapi.Client there, and await it"
            )


class _Turn:
    """One coroutine in the portal's loop, which the waiting thread may abandon.

    Attributes:
        began: Whether it has been begun.
    """

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.began = False
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self._abandoned = False
        self._over = threading.Event()

    async def run(self) -> Any:
        self.began, self._task = True, asyncio.current_task()
        try:
            if not self._abandoned:
                return await self._work()
        finally:
            self._over.set()

    def abandon(self, portal: BlockingPortal) -> None:
        """Cancel the coroutine, and wait until it has ended."""
        if self._over.is_set():
            return
        self._abandoned = True
        try:
            portal.call(self._cancel)
        except (RuntimeError, CancelledError):  # the loop has ended, and the coroutine with it
            return
        self._over.wait()

    def _cancel(self) -> None:
        if self._task is None:
            self._over.set()  # the coroutine has not begun, and will not
        elif not self._over.is_set():
            self._task.cancel()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", bool)()
    return getattr(shell, "kernel", None) is not None
