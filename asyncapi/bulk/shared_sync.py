"""Sync a file once for all who wait for it at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.bulk.feed import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable


class SharedSync:
    """A sync that all who wait for it share: whoever comes while one runs waits for the next.

    Args:
        sync: Syncs; it runs in a thread.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._next: asyncio.Future[BaseException | None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Wait for a sync that begins after this call.

        Raises:
            OSError: It has failed.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        waiting = self._next
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        error = await asyncio.shield(waiting)
        if error is not None:
            raise error

    async def _run(self) -> None:
        while (waiting := self._next) is not None:
            self._next = None
            try:
                await in_thread(self._sync)
            except BaseException as error:
                waiting.set_result(error)  # for all who wait
                if not isinstance(error, Exception):
                    raise
            else:
                waiting.set_result(None)
        self._task = None
