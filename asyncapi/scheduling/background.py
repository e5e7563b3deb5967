"""Run work that no call waits for: at most one piece for each key, at most so many in all, each with a time limit.

Rules:
1. A piece is a task of its own, in a context of its own: it is no child of the call that asked for it, whose
   cancellation and deadline it doesn't share.
2. Its time limit ends it. `aclose` cancels all, and waits for their end.
3. What it raises is counted, not raised: nobody would hear it. A bug in it reaches the loop's exception handler.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

    from asyncapi.clock import Clock

_MOST = 16


class Background:
    """The background work of one client.

    Args:
        clock: Times the limits.
        most: How many pieces may be under way; further ones are not started.

    Attributes:
        started: Pieces started so far.
        failed: Pieces that raised an error, or ran into their limit.
        cancelled: Pieces that were cancelled, as those are that run when it is closed.
    """

    def __init__(self, clock: Clock, *, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._closed = False
        self.started: int = 0
        self.failed: int = 0
        self.cancelled: int = 0

    def __len__(self) -> int:
        """Pieces under way."""
        return len(self._tasks)

    def start(self, key: Hashable, work: Callable[[], Coroutine[object, object, object]], seconds: float) -> bool:
        """Start a piece of work, unless one with this key is under way, or too many are.

        Args:
            key: What it is about.
            work: Makes its coroutine.
            seconds: Its time limit.

        Returns:
            Whether it was started.
        """
        if self._closed or key in self._tasks or len(self._tasks) >= self._most:
            return False
        self.started += 1
        task = asyncio.get_running_loop().create_task(self._run(work, seconds), context=Context())  # rule 1
        self._tasks[key] = task
        task.add_done_callback(lambda task: self._ended(key, task))
        return True

    def _ended(self, key: Hashable, task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        self.cancelled += task.cancelled()  # maybe before it began

    async def _run(self, work: Callable[[], Coroutine[object, object, object]], seconds: float) -> None:
        task, late = asyncio.current_task(), False

        def end() -> None:
            nonlocal late
            late = True
            if task is not None:
                task.cancel("its time is up")

        timer = self._clock.call_at(self._clock.now() + seconds, end)
        try:
            await work()
        except AsyncAPIError:
            self.failed += 1  # rule 3
        except asyncio.CancelledError:
            if not late or self._closed:
                raise
            self.failed += 1
        except Exception as error:
            self.failed += 1
            # without the task: from Python 3.12 on the handler would run in its context, which is entered already
            context = {"message": "work in the background failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        finally:
            timer.cancel()

    async def aclose(self) -> None:
        """Cancel what is under way, and wait for its end; nothing is started any more."""
        self._closed = True
        cancelled: asyncio.CancelledError | None = None
        while tasks := [task for task in self._tasks.values() if not task.done()]:
            for task in tasks:
                task.cancel("the client was closed")
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:  # cancelled while cleaning up: still leave nothing behind
                cancelled = error
        self._tasks.clear()
        if cancelled is not None:
            raise cancelled
