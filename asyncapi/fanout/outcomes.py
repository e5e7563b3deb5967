"""The fan-out: a source of any length, N workers, one consumer, and nothing unbounded between them.

Rules:
- Items are pulled lazily: at most `window` are pulled and not yet handed to the consumer, so the consumer's pace
  holds the source back, in completion order and in source order alike.
- N workers at most, started only as items come; never a task per item.
- An item's failure is its outcome. What goes wrong beside an item (the source raises) is raised to the consumer,
  after what was under way has been handed over.
- Leaving the block early, by break, exception or cancellation, cancels the workers, waits until they are gone, and
  closes the source: nothing stays behind.
- An item that `hold` holds back is no outcome yet: it is sent again (heldback.py).
- An async source is driven, and closed, by one task of its own (generators may hold task-bound state).
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from asyncapi.errors import AsyncAPIError, ConfigError
from asyncapi.fanout.held_back import AGAIN, Held, HeldBack, Judge
from asyncapi.layers.concurrency import Gate
from asyncapi.messages.request import Request
from asyncapi.messages.response import Outcome, Response
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from types import TracebackType

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.response import Failure, Success

T = TypeVar("T")

Item = Request | str
Source = Iterable[Item] | AsyncIterable[Item]
OnError = Literal["yield", "raise"]

_FEEDER = "asyncapi-map-feeder"


class Outcomes(Generic[T]):
    """The outcomes of a fan-out: `async with` it, then `async for` over it.

    Attributes:
        backlog: Whether more items wait than may be sent at a time.
        stopped: Why it ended before the source did, or None.
        window: How many items may be pulled and not yet handed over.
        hold: Who says which items are held back and sent again; set before it is opened.
    """

    hold: Judge | None = None
    _held: HeldBack | None = None

    __reduce_ex__ = refuse_copy

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
        self.backlog = False
        self._clock = clock
        self._call = call
        self._source = source
        self._now = clock.now
        self._most = workers
        self._ordered = ordered
        self._raises = on_error == "raise"
        self._max_errors = max_errors
        self._errors = 0
        self.window = 2 * workers
        self._window = Gate(self.window)  # a place is held from the pull to the hand-over
        self._items: Iterator[Item] = iter(())
        self._asking = False  # the feeder waits for the source
        self._fed = False  # the feeder puts no more into the queue
        self._queue: asyncio.Queue[Item | None] | None = None  # between the feeder of an async source and the workers
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers = 0
        self._wanted = self._starting = False
        self._live = self._pulled = self._turn = 0
        self._exhausted = self._closing = False
        self._ready: deque[Outcome[T]] = deque()
        self._early: dict[int, Outcome[T]] = {}  # ordered: done before its turn
        self._fatal: BaseException | None = None  # raised at once, instead of anything else
        self._source_error: Exception | None = None  # raised when all that was pulled has been handed over
        self._waker: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        if self._tasks or self._closing:
            raise ConfigError("this map has been run already: call client.map(...) again")
        if isinstance(self._source, AsyncIterable):
            self._queue = asyncio.Queue(1)
            self._spawn(self._feed(self._source, self._queue), _FEEDER)
        else:
            self._items = iter(self._source)
        if self.hold is not None:
            self._held = HeldBack(
                self.hold, self._clock, self._window,
                workers=self._most, ordered=self._ordered, spawn=self._spawn, send=self._send_again,
            )  # fmt: skip
        self._add_worker()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        if self._closing:
            raise ConfigError("this map has ended: call client.map(...) again")
        if not self._tasks:
            raise ConfigError(
                "open it first: `async with client.map(...) as outcomes:`, then `async for o in outcomes:`"
            )
        return self

    async def __anext__(self) -> Success[T] | Failure[T]:
        while True:
            if self._fatal is not None:
                raise self._fatal
            if self._ready:
                self._window.leave()
                return self._ready.popleft()  # type: ignore[return-value]  # every Outcome is one of the two
            if not self._live:
                if self._source_error is not None:
                    raise self._source_error
                raise StopAsyncIteration
            if self._waker is not None and not self._waker.done():
                raise ConfigError("two tasks iterate over one map: give each outcome to them from one loop instead")
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker

    def stop(self, why: str = "stopped") -> None:
        """Pull no more; what has been pulled is still sent and handed over, but for what is held back."""
        if self._held is not None:
            self._held.drop()
        if not self._exhausted:
            self._exhausted = True
            self.stopped = why
            for task in self._tasks:
                if self._asking and task.get_name() == _FEEDER:
                    task.cancel()

    async def aclose(self) -> None:
        """End it now: cancel what is under way, wait until it is gone, and close the source."""
        if not self._closing:
            self._exhausted = self._closing = True
            for task in self._tasks:
                task.cancel()  # once: a source's own clean-up is not broken off
        cancelled: asyncio.CancelledError | None = None
        while pending := [task for task in self._tasks if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:  # cancelled again while cleaning up: still leave nothing behind
                cancelled = error
        self._ready.clear()
        self._early.clear()
        try:
            if inspect.isgenerator(self._items):
                self._items.close()
        finally:
            if cancelled is not None:
                raise cancelled

    def _spawn(self, work: Coroutine[Any, Any, None], name: str | None = None) -> None:
        self._live += 1
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _add_worker(self) -> None:
        """One more; under an eager task factory it runs at once, and the next one it asks for is started from here."""
        self._wanted = True
        if self._starting:
            return
        self._starting = True
        while self._wanted and self._workers < self._most:
            self._wanted = False
            self._workers += 1
            self.backlog = self._workers == self._most
            self._spawn(self._work())
        self._starting = False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A worker or the feeder is gone: whatever ended it, even before it ran, the consumer learns of it."""
        self._live -= 1
        if task.get_name() == AGAIN:
            self._tasks.discard(task)
        if task.cancelled():
            stopped = self.stopped is not None and task.get_name() == _FEEDER
            if not self._closing and not stopped:
                self._fatal = self._fatal or ConfigError(
                    "a task of this map was cancelled from outside: items are lost"
                )
        elif (error := task.exception()) is not None:
            self._fatal = self._fatal or error
        self._wake()

    async def _work(self) -> None:
        call, now, held = self._call, self._now, self._held
        while True:
            try:
                if self._queue is None and self._window.free > 0:  # as below, without a coroutine
                    self._window.free -= 1
                    item = self._pull()
                else:
                    item = await self._wait_and_pull()
            except _Exhausted:
                return
            index = self._pulled
            self._pulled += 1
            if self._workers < self._most:
                self._add_worker()
            if held is not None and held.waits(index, item):
                continue
            began = now()
            try:
                value, response = await call(item, self)
            except AsyncAPIError as error:
                outcome = _failed(index, item, error, error.attempts, now() - began)
            else:
                outcome = Outcome(
                    index, item, value, None, response.attempts, response.elapsed, response.status, response.degraded
                )
            if held is None or not held.takes(outcome, began):
                self._settle(outcome)

    async def _send_again(self, held: Held) -> None:
        """Send an item that was held back; its outcome has the attempts that were made before, too."""
        began, line = self._now(), self._held
        if line is None:
            return
        try:
            ended = line.judge.again(held.item, began - held.began)
            if ended is not None:
                raise ended
            value, response = await self._call(held.item, self)
        except AsyncAPIError as error:
            made, elapsed = held.attempts + error.attempts, held.spent + self._now() - began
            outcome: Outcome[T] = _failed(held.index, held.item, error, made, elapsed)
        else:
            made, elapsed = held.attempts + response.attempts, held.spent + response.elapsed
            outcome = Outcome(held.index, held.item, value, None, made, elapsed, response.status, response.degraded)
        finally:
            line.leave()
        if not line.takes(outcome, held.began):
            self._settle(outcome)

    def _settle(self, outcome: Outcome[T]) -> None:
        """Count what came of an item, and hand it over."""
        if outcome.error is not None:
            self._errors += 1
            if self._raises:
                self._fatal, self._exhausted = self._fatal or outcome.error, True
            elif self._errors == self._max_errors:
                self.stop(f"{self._errors} errors (max_errors)")
        self._hand_over(outcome)

    def _hand_over(self, outcome: Outcome[T]) -> None:
        if self._ordered:
            self._early[outcome.index] = outcome
            while self._turn in self._early:
                self._ready.append(self._early.pop(self._turn))
                self._turn += 1
        else:
            self._ready.append(outcome)
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    def _pull(self) -> Item:
        """The next item of a plain iterable, into the place in the window that the caller has taken."""
        if not self._exhausted:
            try:
                return next(self._items)
            except StopIteration:
                self._exhausted = True
            except Exception as error:
                self._exhausted, self._source_error = True, error
        self._window.leave()
        raise _Exhausted

    async def _wait_and_pull(self) -> Item:
        """The next item, when there is one and a place for it."""
        if self._queue is None:
            await self._window.enter()
            return self._pull()
        if self._closing:  # a handler swallowed its cancellation
            raise _Exhausted
        item = await self._queue.get()
        if self._fed and self._queue.empty():
            self._queue.put_nowait(None)  # for the other workers
        if item is None:
            raise _Exhausted
        return item

    async def _feed(self, source: AsyncIterable[Item], queue: asyncio.Queue[Item | None]) -> None:
        """Pull from an async source, and close it, in one task."""
        items = aiter(source)
        try:
            while True:
                await self._window.enter()
                if self._exhausted:
                    break
                self._asking = True
                item = await anext(items)
                self._asking = False
                await queue.put(item)
        except StopAsyncIteration:
            self._exhausted = True
        except Exception as error:
            self._exhausted, self._source_error = True, error
        finally:
            self._asking = False
            try:
                if inspect.isasyncgen(items):
                    await items.aclose()
            finally:
                self._fed = True
                if queue.empty():  # else who takes the last item says so; none may be left, and nothing here may wait
                    queue.put_nowait(None)


def _failed(
    index: int, item: Item, error: AsyncAPIError, attempts: tuple[Attempt, ...], elapsed: float
) -> Outcome[Any]:
    status = next((one.status for one in reversed(attempts) if one.status is not None), None)
    return Outcome(index, item, None, error, attempts, elapsed, status)


class _Exhausted(Exception):
    """There is no further item."""
