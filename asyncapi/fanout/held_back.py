"""Hold items of a fan-out back, and send them again when their turn has come.

Rules:
1. A `Judge` decides on an item before it is sent, and on its outcome, whether it waits: then it is no outcome yet.
2. Each key (a host) has its own queue, in the order of the time from which an item may go; the judge gives turns.
3. An item that waits gives its place in the window to others, until `_max_outside` wait. From then on, and wherever
   outcomes come in the order of the source, it keeps its place, and so pauses the source. Nothing here grows beyond.
4. One task looks after all queues; at most as many items as there are workers are sent again at a time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from asyncapi.layers.concurrency import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncapi.clock import Clock
    from asyncapi.errors import AsyncAPIError
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Outcome

_SOON = 0.001  # seconds: the clock may not notice a shorter wait
_WINDOWS = 10  # windows of items that may wait without a place in the window


class Verdict(NamedTuple):
    """Hold an item back.

    Attributes:
        wait: Seconds that it waits at least, from now.
        key: The queue that it waits in.
        why: What holds it back, in one word; handed to `Judge.turn`.
    """

    wait: float
    key: str
    why: str


class Judge(Protocol):
    """Decides what is held back. `now` is in seconds of the client's clock, `age` in seconds since an item's start."""

    def key(self, item: Request | str) -> str:
        """The queue of an item."""
        ...

    def before(self, item: Request | str, now: float) -> Verdict | None:
        """Decide whether an item waits before it is sent at all."""
        ...

    def after(self, outcome: Outcome[Any], age: float, now: float) -> Verdict | None:
        """Decide whether an item waits and is sent again; None: the outcome is final."""
        ...

    def turn(self, key: str, why: str, now: float) -> float:
        """Seconds until the queue of `key` may have a turn; 0: it has one now."""
        ...

    def again(self, item: Request | str, age: float) -> AsyncAPIError | None:
        """Note that an item is about to be sent again; an error ends it instead."""
        ...


@dataclass(slots=True)
class Held:
    """An item that waits, with the attempts it has made.

    Attributes:
        index: Its place in the source.
        item: The item as the source yielded it.
        why: What holds it back: the judge's word.
        began: When it was first sent or held back, seconds of the client's clock.
        attempts: The attempts made so far.
        spent: Seconds that its calls took.
        in_window: Whether it has kept its place in the window.
    """

    index: int
    item: Request | str
    why: str
    began: float
    attempts: tuple[Attempt, ...] = ()
    spent: float = 0.0
    in_window: bool = True


class HostQueues:
    """Queues of items that wait, one a key, each in the order of time.

    Attributes:
        count: How many items wait in all.
    """

    __slots__ = ("_looks", "_next_look", "_number", "_queues", "count")

    def __init__(self) -> None:
        self.count: int = 0
        self._queues: dict[str, list[tuple[float, int, Held]]] = {}
        self._next_look: dict[str, float] = {}  # when each queue is looked at next
        self._looks: list[tuple[float, str]] = []  # a heap of those; an entry that `_next_look` doesn't have is stale
        self._number = count()

    def add(self, held: Held, key: str, due: float) -> None:
        """Add an item to the queue of `key`; it may go from `due` on."""
        heappush(self._queues.setdefault(key, []), (due, next(self._number), held))
        self.count += 1
        if due < self._next_look.get(key, float("inf")):
            self._look_at(key, due)

    def take(self, now: float, turn: Callable[[str, str, float], float]) -> Held | float:
        """Return the next item whose turn has come, or the seconds until there may be one (0 if none waits)."""
        while self._looks:
            at, key = self._looks[0]
            if self._next_look.get(key) != at:
                heappop(self._looks)
                continue
            if at > now:
                return at - now
            heappop(self._looks)
            queue = self._queues[key]
            due, _, held = queue[0]
            wait = due - now if due > now else turn(key, held.why, now)
            if wait > 0:
                self._look_at(key, now + max(wait, _SOON))
                continue
            heappop(queue)
            self.count -= 1
            if queue:
                self._look_at(key, queue[0][0])
            else:
                del self._queues[key], self._next_look[key]
            return held
        return 0.0

    def look_again(self, key: str) -> None:
        """Look at the queue of `key` at once: it may have a turn sooner than was known."""
        if key in self._queues:
            self._look_at(key, self._queues[key][0][0])

    def clear(self) -> None:
        """Forget all items."""
        self._queues, self._looks, self._next_look, self.count = {}, [], {}, 0

    def _look_at(self, key: str, at: float) -> None:
        self._next_look[key] = at
        heappush(self._looks, (at, key))


class HeldBack:
    """The items of one fan-out that are held back.

    Args:
        judge: Decides which items wait.
        clock: Times the waits.
        window: The places of items that are pulled and not yet handed over.
        workers: How many items are sent again at a time.
        ordered: Whether outcomes come in the order of the source.
        spawn: Starts a task of the fan-out.
        send: Sends an item again, and calls `leave` when that has ended.
    """

    def __init__(
        self,
        judge: Judge,
        clock: Clock,
        window: Gate,
        *,
        workers: int,
        ordered: bool,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        send: Callable[[Held, HeldBack], Coroutine[Any, Any, None]],
    ) -> None:
        self.judge = judge
        self._clock = clock
        self._window = window
        self._max_outside = 0 if ordered else _WINDOWS * window.limit
        self._spawn = spawn
        self._send = send
        self._queues = HostQueues()
        self._places = Gate(workers)
        self._running = self._closed = False
        self._waker: asyncio.Future[None] | None = None

    def waits(self, index: int, item: Request | str) -> bool:
        """Hold an item back before it is sent, if the judge says so."""
        now = self._clock.now()
        verdict = self.judge.before(item, now)
        if verdict is not None:
            self._hold(Held(index, item, verdict.why, now), verdict, now)
        return verdict is not None

    def takes(self, outcome: Outcome[Any], began: float) -> bool:
        """Hold an item back after this outcome, if the judge says so."""
        now = self._clock.now()
        verdict = self.judge.after(outcome, now - began, now)
        if verdict is None:
            if self._queues.count:
                self._queues.look_again(self.judge.key(outcome.request))
                self._wake()
            return False
        held = Held(outcome.index, outcome.request, verdict.why, began, outcome.attempts, outcome.elapsed)
        self._hold(held, verdict, now)
        return True

    def leave(self) -> None:
        """Give back the place of an item that was sent again."""
        self._places.leave()

    def drop(self) -> None:
        """Forget all items that wait, and all that would."""
        self._closed = True
        self._queues.clear()
        self._wake()

    def _hold(self, held: Held, verdict: Verdict, now: float) -> None:
        if self._closed:
            self._window.leave()
            return
        held.in_window = self._queues.count >= self._max_outside  # rule 3
        if not held.in_window:
            self._window.leave()
        self._queues.add(held, verdict.key, now + verdict.wait)
        if self._running:
            self._wake()
        else:
            self._running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        """Send the items that wait, each when its turn has come (rule 4)."""
        while self._queues.count:
            found = self._queues.take(self._clock.now(), self.judge.turn)
            if not isinstance(found, Held):
                await self._pause(found)
                continue
            await self._places.enter()
            if self._closed:
                break
            if not found.in_window:
                self._window.free -= 1  # without waiting: items in the window may themselves wait for this task
            self._spawn(self._send(found, self))
        self._running = False

    async def _pause(self, seconds: float) -> None:
        self._waker = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + seconds, self._wake)
        try:
            await self._waker
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
