"""The fan-out: a source of any length, N workers, one consumer, and nothing unbounded between them.

Rules, each with a place of its own:
1. Items are pulled lazily: at most `window` are pulled and not yet handed to the consumer, so the consumer's pace
   holds the source back, in completion order and in source order alike (workers.py).
2. N workers at most, started only as items come; an item's failure is its outcome (workers.py). An item that `hold`
   holds back is no outcome yet: it is sent again (held_back.py).
3. Outcomes leave as they complete, or in the order of the source (reorder.py).
4. What goes wrong beside an item is raised to the consumer: an error of the source once all that was pulled has been
   handed over, anything else at once.
5. Leaving the block early, by break, exception or cancellation, cancels the workers, waits until they are gone, and
   closes the source: nothing stays behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Generic, Literal, NoReturn, Self, TypeVar

from asyncapi.errors import ConfigError
from asyncapi.fanout.held_back import HeldBack, Judge
from asyncapi.fanout.reorder import ReorderBuffer
from asyncapi.fanout.workers import Item, Puller, Source, Workers
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    from types import TracebackType

    from asyncapi.clock import Clock
    from asyncapi.messages.response import Failure, Outcome, Response, Success

T = TypeVar("T")

OnError = Literal["yield", "raise"]

__all__ = ["Item", "OnError", "Outcomes", "Source"]


class Outcomes(Generic[T]):
    """The outcomes of a fan-out: `async with` it, then `async for` over it.

    Attributes:
        stopped: Why the fan-out ended before its source did, or None.
        window: How many items may be pulled and not yet handed over.
        hold: Decides which items are held back and sent again; set before the block is entered.
    """

    hold: Judge | None = None

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        call: Callable[[Item, Outcomes[T]], Awaitable[tuple[T, Response]]],
        source: Source,
        clock: Clock,
        *,
        workers: int,
        ordered: bool = False,
        on_error: OnError = "yield",
        max_errors: int | None = None,
    ) -> None:
        if on_error not in {"yield", "raise"}:
            raise ConfigError(f"on_error={on_error!r}: give 'yield' or 'raise'")
        if workers < 1 or (max_errors is not None and max_errors < 1):
            raise ConfigError(f"concurrency={workers}, max_errors={max_errors}: give at least 1")
        if isinstance(source, str) or not isinstance(source, Iterable | AsyncIterable):
            raise ConfigError(f"a source is an iterable of URLs or Requests, not {type(source).__name__}")
        self.stopped: str | None = None
        self.window: int = 2 * workers
        self._clock = clock
        self._source = source
        self._puller = Puller(self.window)
        self._workers = Workers(call, self._puller, clock.now, limit=workers)
        self._reorder = ReorderBuffer() if ordered else None
        self._raises = on_error == "raise"
        self._max_errors = max_errors
        self._errors = 0
        self._state: Literal["new", "open", "closed"] = "new"
        self._ready: deque[Outcome[T]] = deque()
        self._failure: BaseException | None = None  # raised at once, instead of anything else (rule 4)
        self._waker: asyncio.Future[None] | None = None

    @property
    def backlog(self) -> bool:
        """Whether more items wait than may be sent at a time: all workers are busy."""
        return self._workers.count == self._workers.limit

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ConfigError("this map has been run already: call client.map(...) again")
        feed = self._puller.open(self._source)
        self._state = "open"
        if feed is not None:
            self._puller.feeder = self._workers.spawn(feed, self)
        if self.hold is not None:
            self._workers.held = HeldBack(
                self.hold, self._clock, self._puller.window,
                workers=self._workers.limit, ordered=self._reorder is not None,
                spawn=lambda work: self._workers.spawn(work, self),
                send=lambda item, held: self._workers.send_again(item, held, self),
            )  # fmt: skip
        self._workers.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        if self._state == "closed":
            raise ConfigError("this map has ended: call client.map(...) again")
        if self._state == "new":
            raise ConfigError(
                "open it first: `async with client.map(...) as outcomes:`, then `async for o in outcomes:`"
            )
        return self

    async def __anext__(self) -> Success[T] | Failure[T]:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._ready:
                self._puller.window.leave()  # rule 1: handed over
                return self._ready.popleft()  # type: ignore[return-value]  # every Outcome is one of the two
            if not self._workers.tasks:
                if self._puller.error is not None:
                    raise self._puller.error  # rule 4
                raise StopAsyncIteration
            if self._waker is not None and not self._waker.done():
                raise ConfigError("two tasks iterate over one map: give each outcome to them from one loop instead")
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker

    def stop(self, why: str = "stopped") -> None:
        """Pull no more items. Items already pulled are still sent and handed over, except those held back."""
        if self._workers.held is not None:
            self._workers.held.drop()
        if not self._puller.ended:
            self.stopped = why
            self._puller.stop()

    async def aclose(self) -> None:
        """End the fan-out now: cancel all tasks, wait until they have ended, and close the source (rule 5)."""
        tasks = self._workers.tasks
        if self._state != "closed":
            self._state = "closed"
            self._puller.ended = self._puller.closed = True
            for task in tasks:
                task.cancel()  # once: a source's own clean-up is not broken off
        cancelled: asyncio.CancelledError | None = None
        while pending := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:  # cancelled again meanwhile: still leave nothing behind
                cancelled = error
        self._ready.clear()
        if self._reorder is not None:
            self._reorder.clear()
        try:
            self._puller.close()
        finally:
            if cancelled is not None:
                raise cancelled

    def settle(self, outcome: Outcome[T]) -> None:
        """Count the outcome of an item, and hand it over."""
        if outcome.error is not None:
            self._errors += 1
            if self._raises:
                self._failure, self._puller.ended = self._failure or outcome.error, True
            elif self._errors == self._max_errors:
                self.stop(f"{self._errors} errors (max_errors)")
        if self._reorder is None:
            self._ready.append(outcome)
        else:
            self._ready.extend(self._reorder.put(outcome))  # rule 3
        self._wake()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Tell the consumer that a worker or the feeder has ended, whatever ended it, even before it ran."""
        if task.cancelled():
            stopped = self.stopped is not None and task is self._puller.feeder
            if self._state != "closed" and not stopped:
                self._failure = self._failure or ConfigError(
                    "a task of this map was cancelled from outside: items are lost"
                )
        elif (error := task.exception()) is not None:
            self._failure = self._failure or error
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
