"""Items of a fan-out that are held back, and sent again when their turn has come.

Rules:
1. A `Judge` says of an item before it is sent, and of its outcome, whether it waits: then it is no outcome yet.
2. Each key (a host) has its own line, by the time from which an item may go; the judge gives turns to lines.
3. Who waits gives its place in the window to others, until `most` wait: from then on, and wherever outcomes come in the
   order of the source, it keeps it, and so pauses the source. Nothing here grows beyond that.
4. One task looks after all lines; at most as many items as there are workers are sent again at a time.
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

AGAIN = "asyncapi-map-again"
_SOON = 0.001  # seconds: a shorter wait may be none to the clock
_WINDOWS = 10  # so many windows of items may wait beside those in the window


class Verdict(NamedTuple):
    """An item waits.

    Attributes:
        wait: Seconds from now at the least.
        key: Its line.
        why: One word, for `Judge.turn`.
    """

    wait: float
    key: str
    why: str


class Judge(Protocol):
    """Who decides what is held back; `now` is seconds of the client's clock, `age` those since an item's start."""

    def key(self, item: Request | str) -> str:
        """The line of an item."""
        ...

    def before(self, item: Request | str, now: float) -> Verdict | None:
        """Whether an item waits before it is sent at all."""
        ...

    def after(self, outcome: Outcome[Any], age: float, now: float) -> Verdict | None:
        """Whether an item waits and is sent again; else the outcome stands."""
        ...

    def turn(self, key: str, why: str, now: float) -> float:
        """Seconds until the line of `key` may have a turn; 0: it has it now."""
        ...

    def again(self, item: Request | str, age: float) -> AsyncAPIError | None:
        """Called just before an item is sent again: what ends it instead."""
        ...


@dataclass(slots=True)
class Held:
    """An item that waits, and what became of it so far.

    Attributes:
        index: Its place in the source.
        item: As it was given.
        why: The judge's word.
        began: When it was first sent or held back.
        attempts: Those made.
        spent: Seconds its calls took.
        placed: Whether it has kept its place in the window.
    """

    index: int
    item: Request | str
    why: str
    began: float
    attempts: tuple[Attempt, ...] = ()
    spent: float = 0.0
    placed: bool = True


class Lines:
    """Items that wait, by key and time.

    Attributes:
        count: How many.
    """

    __slots__ = ("_at", "_keys", "_lines", "_number", "count")

    def __init__(self) -> None:
        self.count = 0
        self._lines: dict[str, list[tuple[float, int, Held]]] = {}
        self._keys: list[tuple[float, str]] = []  # when each line is looked at next; others than `_at` says are stale
        self._at: dict[str, float] = {}
        self._number = count()

    def add(self, held: Held, key: str, due: float) -> None:
        """Put an item into the line of `key`; it may go from `due` on."""
        heappush(self._lines.setdefault(key, []), (due, next(self._number), held))
        self.count += 1
        if due < self._at.get(key, float("inf")):
            self._look_at(key, due)

    def take(self, now: float, turn: Callable[[str, str, float], float]) -> Held | float:
        """The next item whose turn has come, or the seconds until there may be one (0 if none waits)."""
        while self._keys:
            at, key = self._keys[0]
            if self._at.get(key) != at:
                heappop(self._keys)
                continue
            if at > now:
                return at - now
            heappop(self._keys)
            line = self._lines[key]
            due, _, held = line[0]
            wait = due - now if due > now else turn(key, held.why, now)
            if wait > 0:
                self._look_at(key, now + max(wait, _SOON))
                continue
            heappop(line)
            self.count -= 1
            if line:
                self._look_at(key, line[0][0])
            else:
                del self._lines[key], self._at[key]
            return held
        return 0.0

    def look_again(self, key: str) -> None:
        """There may be a turn for this line sooner than was thought."""
        if key in self._lines:
            self._look_at(key, self._lines[key][0][0])

    def clear(self) -> None:
        """Let everybody go."""
        self._lines, self._keys, self._at, self.count = {}, [], {}, 0

    def _look_at(self, key: str, at: float) -> None:
        self._at[key] = at
        heappush(self._keys, (at, key))


class HeldBack:
    """What waits beside one fan-out.

    Args:
        judge: Decides.
        clock: Times the waits.
        window: The fan-out's.
        workers: How many are sent again at a time.
        ordered: Whether outcomes come in the order of the source.
        spawn: Starts a task of the fan-out.
        send: Sends one again; whoever does calls `leave` at its end.
    """

    def __init__(
        self,
        judge: Judge,
        clock: Clock,
        window: Gate,
        *,
        workers: int,
        ordered: bool,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        send: Callable[[Held], Coroutine[Any, Any, None]],
    ) -> None:
        self.judge = judge
        self._clock = clock
        self._window = window
        self._most = 0 if ordered else _WINDOWS * window.limit
        self._spawn = spawn
        self._send = send
        self._lines = Lines()
        self._places = Gate(workers)
        self._running = self._closed = False
        self._waker: asyncio.Future[None] | None = None

    def waits(self, index: int, item: Request | str) -> bool:
        """Whether an item that is about to be sent waits first."""
        now = self._clock.now()
        verdict = self.judge.before(item, now)
        if verdict is not None:
            self._keep(Held(index, item, verdict.why, now), verdict, now)
        return verdict is not None

    def takes(self, outcome: Outcome[Any], began: float) -> bool:
        """Whether an item waits to be sent again, instead of this outcome."""
        now = self._clock.now()
        verdict = self.judge.after(outcome, now - began, now)
        if verdict is None:
            if self._lines.count:
                self._lines.look_again(self.judge.key(outcome.request))
                self._wake()
            return False
        held = Held(outcome.index, outcome.request, verdict.why, began, outcome.attempts, outcome.elapsed)
        self._keep(held, verdict, now)
        return True

    def leave(self) -> None:
        """One that was sent again has come to its end."""
        self._places.leave()

    def drop(self) -> None:
        """Forget all that wait, and all that would."""
        self._closed = True
        self._lines.clear()
        self._wake()

    def _keep(self, held: Held, verdict: Verdict, now: float) -> None:
        if self._closed:
            self._window.leave()
            return
        held.placed = self._lines.count >= self._most
        if not held.placed:
            self._window.leave()
        self._lines.add(held, verdict.key, now + verdict.wait)
        if self._running:
            self._wake()
        else:
            self._running = True
            self._spawn(self._run(), AGAIN)

    async def _run(self) -> None:
        """Send who waits, each when its turn has come."""
        while self._lines.count:
            found = self._lines.take(self._clock.now(), self.judge.turn)
            if not isinstance(found, Held):
                await self._pause(found)
                continue
            await self._places.enter()
            if self._closed:
                break
            if not found.placed:
                self._window.free -= 1  # without waiting: those in the window may themselves wait for this task
            self._spawn(self._send(found), AGAIN)
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
