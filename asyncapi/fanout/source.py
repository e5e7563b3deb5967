"""Pull the items of a fan-out: lazily, and no further ahead of the consumer than the window.

Rules:
1. A place in the window is taken before an item is pulled, and given back when its outcome is handed over.
2. A plain iterable is pulled by the workers themselves. An async source is pulled, and closed, by one task of its own,
   the feeder: generators may hold task-bound state. One item waits between the feeder and the workers.
3. An error of the source ends it, and waits for the consumer in `error`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Literal

from asyncapi.layers.concurrency import Gate
from asyncapi.messages.request import Request

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

Item = Request | str
Source = Iterable[Item] | AsyncIterable[Item]


class Exhausted(Exception):
    """There is no further item."""


class Puller:
    """Pulls items from a source.

    Args:
        window: How many items may be pulled and not yet handed over.

    Attributes:
        window: Places for such items.
        ended: Whether no more items are pulled.
        error: What the source raised.
        queue: Holds an item between the feeder of an async source and the workers; None for a plain iterable.
        feeder: The task that pulls from an async source.
        closed: Whether nobody takes items any more.
    """

    __slots__ = ("_feeding", "_items", "closed", "ended", "error", "feeder", "queue", "window")

    def __init__(self, window: int) -> None:
        self.window = Gate(window)
        self.ended = self.closed = False
        self.error: Exception | None = None
        self.queue: asyncio.Queue[Item | None] | None = None
        self.feeder: asyncio.Task[None] | None = None
        self._items: Iterator[Item] = iter(())
        self._feeding: Literal["", "asking", "done"] = ""  # "asking": the feeder waits for the source

    def open(self, source: Source) -> Coroutine[None, None, None] | None:
        """Begin with a source; the work of the feeder, if it needs one."""
        if isinstance(source, AsyncIterable):
            self.queue = asyncio.Queue(1)
            return self._feed(source, self.queue)
        self._items = iter(source)
        return None

    def stop(self) -> None:
        """Pull no more; what has been pulled can still be taken."""
        self.ended = True
        if self.feeder is not None and self._feeding == "asking":
            self.feeder.cancel()

    def close(self) -> None:
        """Close a source that is a generator; an async one is closed by the feeder."""
        if inspect.isgenerator(self._items):
            self._items.close()

    def take(self) -> Item:
        """Return the next item of a plain iterable; the caller has taken a place in the window.

        Raises:
            Exhausted: There is none.
        """
        if not self.ended:
            try:
                return next(self._items)
            except StopIteration:
                self.ended = True
            except Exception as error:
                self.ended, self.error = True, error  # rule 3
        self.window.leave()
        raise Exhausted

    async def next(self) -> Item:
        """Return the next item, once there is one and a place for it.

        Raises:
            Exhausted: There is none.
        """
        if self.closed:  # a handler swallowed its cancellation
            raise Exhausted
        if self.queue is None:
            await self.window.enter()  # rule 1
            return self.take()
        item = await self.queue.get()
        if self._feeding == "done" and self.queue.empty():
            self.queue.put_nowait(None)  # for the other workers
        if item is None:
            raise Exhausted
        return item

    async def _feed(self, source: AsyncIterable[Item], queue: asyncio.Queue[Item | None]) -> None:
        items = aiter(source)
        try:
            while True:
                await self.window.enter()  # rule 1
                if self.ended:
                    break
                self._feeding = "asking"
                item = await anext(items)
                self._feeding = ""
                await queue.put(item)
        except StopAsyncIteration:
            self.ended = True
        except Exception as error:
            self.ended, self.error = True, error  # rule 3
        finally:
            self._feeding = ""
            try:
                if inspect.isasyncgen(items):
                    await items.aclose()  # rule 2
            finally:
                self._feeding = "done"
                if queue.empty():  # else the worker that takes the last item adds it; nothing here may wait
                    queue.put_nowait(None)
