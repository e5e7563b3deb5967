"""The worker pool of a fan-out: pull items, no further ahead of the consumer than the window, and send each.

Rules:
1. A place in the window is taken before an item is pulled, and given back when its outcome is handed over.
2. A plain iterable is pulled by the workers themselves. An async source is pulled, and closed, by one task of its own,
   the feeder: generators may hold task-bound state. One item waits between the feeder and the workers.
3. An error of the source ends it, and waits for the consumer in `error`.
4. At most `limit` workers, started only as items come; never a task per item. A worker that has pulled an item starts
   the next worker.
5. An item's failure is its outcome.
6. An item that is held back is no outcome yet (held_back.py). It is sent again by a task of its own, and its outcome
   then counts the attempts and the seconds of both times.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from asyncapi.errors import AsyncAPIError
from asyncapi.layers.concurrency import Gate
from asyncapi.messages.request import Request
from asyncapi.messages.response import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from asyncapi.fanout.held_back import Held, HeldBack
    from asyncapi.messages.call import Attempt

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

    closed: bool
    ended: bool

    def __init__(self, window: int) -> None:
        self.window: Gate = Gate(window)
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


class Consumer(Protocol):
    """What outcomes go to."""

    def settle(self, outcome: Outcome[Any]) -> None:
        """Take the outcome of an item."""
        ...

    def ended(self, task: asyncio.Task[None]) -> None:
        """Learn that a task of the fan-out has ended, and how."""
        ...


class Workers:
    """The tasks of one fan-out.

    Args:
        call: Sends an item for the fan-out that is its second argument; gives its value and its response.
        source: Where items come from.
        now: The client's clock, seconds.
        limit: How many workers there may be.

    Attributes:
        count: Workers started so far.
        limit: How many there may be.
        held: Holds items back; None where nobody decides on it.
        tasks: The workers, the feeder and what sends items again, until they have ended.
    """

    __slots__ = ("_call", "_now", "_pulled", "_source", "_wanted", "count", "held", "limit", "tasks")

    def __init__(self, call: Callable[..., Any], source: Puller, now: Callable[[], float], *, limit: int) -> None:
        self.limit: int = limit
        self.count: int = 0
        self.held: HeldBack | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._call = call
        self._source = source
        self._now = now
        self._pulled = 0
        self._wanted: bool | None = None  # None: `add` isn't running

    def spawn(self, work: Coroutine[Any, Any, None], consumer: Consumer, name: str | None = None) -> asyncio.Task[None]:
        """Start a task of the fan-out; the consumer learns how it ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(consumer.ended)
        return task

    def add(self, consumer: Consumer) -> None:
        """Start a worker, unless there are enough.

        Under an eager task factory it runs at once: the next one that it wants is then started from here, not from
        within it.
        """
        if self._wanted is not None:
            self._wanted = True
            return
        self._wanted = True
        while self._wanted and self.count < self.limit:
            self._wanted = False
            self.count += 1
            self.spawn(self._work(consumer), consumer)
        self._wanted = None

    async def _work(self, consumer: Consumer) -> None:
        source, call, now, held = self._source, self._call, self._now, self.held
        window = source.window
        while True:
            try:
                if source.queue is None and window.free > 0:  # as `source.next`, without a coroutine
                    if source.ended:
                        return
                    window.free -= 1
                    item = source.take()
                else:
                    item = await source.next()
            except Exhausted:
                return
            index = self._pulled
            self._pulled += 1
            if self.count < self.limit:
                self.add(consumer)  # rule 4
            if held is not None and held.waits(index, item):
                continue  # rule 6
            began = now()
            try:
                value, response = await call(item, consumer)
            except AsyncAPIError as error:
                outcome = _failed(index, item, error, error.attempts, now() - began)  # rule 5
            else:
                outcome = Outcome(
                    index, item, value, None, response.attempts, response.elapsed, response.status, response.degraded,
                    response.from_cache,
                )  # fmt: skip
            if held is None or not held.takes(outcome, began):
                consumer.settle(outcome)

    async def send_again(self, item: Held, held: HeldBack, consumer: Consumer) -> None:
        """Send an item that was held back (rule 6)."""
        began = self._now()
        try:
            ended = held.judge.again(item.item, began - item.began)
            if ended is not None:
                raise ended
            value, response = await self._call(item.item, consumer)
        except AsyncAPIError as error:
            attempts, elapsed = item.attempts + error.attempts, item.spent + self._now() - began
            outcome: Outcome[Any] = _failed(item.index, item.item, error, attempts, elapsed)
        else:
            attempts, elapsed = item.attempts + response.attempts, item.spent + response.elapsed
            outcome = Outcome(
                item.index, item.item, value, None, attempts, elapsed, response.status, response.degraded,
                response.from_cache,
            )  # fmt: skip
        finally:
            held.leave()
        if not held.takes(outcome, item.began):
            consumer.settle(outcome)


def _failed(
    index: int, item: Item, error: AsyncAPIError, attempts: tuple[Attempt, ...], elapsed: float
) -> Outcome[Any]:
    status = next((attempt.status for attempt in reversed(attempts) if attempt.status is not None), None)
    return Outcome(index, item, None, error, attempts, elapsed, status)
