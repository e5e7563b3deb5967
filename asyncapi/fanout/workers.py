"""The worker pool of a fan-out: send what is pulled, and make an outcome of each item.

Rules:
1. At most `limit` workers, started only as items come; never a task per item. A worker that has pulled an item starts
   the next worker.
2. An item's failure is its outcome.
3. An item that is held back is no outcome yet (held_back.py). It is sent again by a task of its own, and its outcome
   then counts the attempts and the seconds of both times.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.errors import AsyncAPIError
from asyncapi.fanout.source import Exhausted
from asyncapi.messages.response import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncapi.fanout.held_back import Held, HeldBack
    from asyncapi.fanout.source import Item, Puller
    from asyncapi.messages.call import Attempt


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
        self.limit = limit
        self.count = 0
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
                    window.free -= 1
                    item = source.take()
                else:
                    item = await source.next()
            except Exhausted:
                return
            index = self._pulled
            self._pulled += 1
            if self.count < self.limit:
                self.add(consumer)  # rule 1
            if held is not None and held.waits(index, item):
                continue  # rule 3
            began = now()
            try:
                value, response = await call(item, consumer)
            except AsyncAPIError as error:
                outcome = _failed(index, item, error, error.attempts, now() - began)  # rule 2
            else:
                outcome = Outcome(
                    index, item, value, None, response.attempts, response.elapsed, response.status, response.degraded
                )
            if held is None or not held.takes(outcome, began):
                consumer.settle(outcome)

    async def send_again(self, item: Held, held: HeldBack, consumer: Consumer) -> None:
        """Send an item that was held back (rule 3)."""
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
            outcome = Outcome(item.index, item.item, value, None, attempts, elapsed, response.status, response.degraded)
        finally:
            held.leave()
        if not held.takes(outcome, item.began):
            consumer.settle(outcome)


def _failed(
    index: int, item: Item, error: AsyncAPIError, attempts: tuple[Attempt, ...], elapsed: float
) -> Outcome[Any]:
    status = next((attempt.status for attempt in reversed(attempts) if attempt.status is not None), None)
    return Outcome(index, item, None, error, attempts, elapsed, status)
