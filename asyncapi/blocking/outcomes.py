"""Fan out without `await`: the caller's thread pulls the source, the portal's loop does the rest.

Rules:
1. The source is pulled in the thread that iterates, only when a worker asks for more, and never further ahead than the
   fan-out's window. Items cross in batches, of as many as arrive within two milliseconds.
2. Outcomes come back in batches, too: all that are done.
3. When the source raises, the outcomes of the items already pulled come first.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncIterable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar

from asyncapi.errors import ConfigError
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from asyncapi.blocking.portal import Portal
    from asyncapi.fanout.outcomes import Item, Source
    from asyncapi.fanout.outcomes import Outcomes as AsyncOutcomes
    from asyncapi.messages.response import Failure, Success

T = TypeVar("T")

_BATCH = 0.002  # seconds


class Outcomes(Generic[T]):
    """The outcomes of a fan-out: iterate over it, best in a `with` block."""

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, portal: Portal, start: Callable[[Source], AsyncOutcomes[T]], source: Source) -> None:
        self._portal = portal
        self._source = source
        plain = isinstance(source, Iterable) and not isinstance(source, str | AsyncIterable)
        self._bridge: _Bridge[T] = _Bridge(portal, start, None if plain else source)
        self._items: Iterator[Item] = iter(())
        self._exhausted = not plain
        self._error: Exception | None = None
        self._open = self._used = False
        self._outstanding = 0

    def __enter__(self) -> Self:
        if self._used:
            raise ConfigError("this map has been run already: call client.map(...) again")
        self._used = self._open = True
        try:
            self._portal.call(self._bridge.start)
            if not self._exhausted:
                self._items = iter(self._source)  # type: ignore[arg-type]  # it is plain
        except BaseException:  # Ctrl-C too: nobody else will close it
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Success[T] | Failure[T]]:
        if self._open:
            yield from self._each()
        else:
            with self:
                yield from self._each()

    @property
    def stopped(self) -> str | None:
        """Why the fan-out ended before the source did, or None."""
        return self._bridge.outcomes.stopped

    def stop(self, why: str = "stopped") -> None:
        """Pull no more items; those already pulled are still sent, and you get their outcomes."""
        self._exhausted = True
        self._portal.call(partial(self._bridge.stop, why))

    def close(self) -> None:
        """End the fan-out now: cancel what is under way, wait until it has ended, and close the source."""
        self._exhausted = True
        try:
            if self._open:
                self._portal.finish(self._bridge.aclose)
        finally:
            self._open = False
            if inspect.isgenerator(self._items):
                self._items.close()

    def _each(self) -> Iterator[Success[T] | Failure[T]]:
        hungry, bridge = True, self._bridge
        while True:
            batch = self._pull() if hungry and not self._exhausted else []
            step = partial(bridge.step, batch, ended=self._exhausted)
            ready, hungry, over = self._portal.call(step)
            for outcome in ready:
                self._outstanding -= 1
                yield outcome
            if over:
                break
        if bridge.error is not None:
            raise bridge.error
        if self._error is not None:
            raise self._error

    def _pull(self) -> list[Item]:
        """Pull as many items as the window takes and arrive at once, but at least one (rule 1)."""
        batch: list[Item] = []
        until = time.monotonic() + _BATCH
        while self._outstanding < self._bridge.outcomes.window:
            try:
                batch.append(next(self._items))
            except StopIteration:
                self._exhausted = True
                break
            except Exception as error:
                self._exhausted, self._error = True, error
                break
            self._outstanding += 1
            if time.monotonic() > until:
                break
        return batch


class _Bridge(Generic[T]):
    """The part in the loop: feeds items to the fan-out, and collects its outcomes.

    Attributes:
        outcomes: The fan-out.
        error: The failure that ended it, or None.
    """

    def __init__(self, portal: Portal, start: Callable[[Source], AsyncOutcomes[T]], source: Source | None) -> None:
        self._portal = portal
        self.error: Exception | None = None
        self._items: deque[Item] = deque()
        self._ready: deque[Success[T] | Failure[T]] = deque()
        self._ended = self._hungry = self._over = False
        self._more, self._news, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._collector: asyncio.Task[None] | None = None
        self.outcomes = start(self._feed() if source is None else source)

    async def start(self) -> None:
        self._portal.closers.add(self.aclose)
        await self.outcomes.__aenter__()
        self._collector = asyncio.get_running_loop().create_task(self._collect())

    async def step(self, batch: list[Item], *, ended: bool) -> tuple[list[Success[T] | Failure[T]], bool, bool]:
        """Take over items and wait; return (outcomes, whether more items are wanted, whether it is over)."""
        self._items.extend(batch)
        self._ended = ended
        if batch or ended:
            self._hungry = False
            self._more.set()
        while not (self._ready or self._hungry or self._over):
            self._news.clear()
            await self._news.wait()
        ready = list(self._ready)
        self._ready.clear()
        self._room.set()
        return ready, self._hungry, self._over

    async def stop(self, why: str) -> None:
        self.outcomes.stop(why)

    async def aclose(self) -> None:
        try:
            if self._collector is not None:
                self._collector.cancel()
                await asyncio.wait([self._collector])
        finally:  # cancelled meanwhile, perhaps
            self._portal.closers.discard(self.aclose)
            await self.outcomes.aclose()

    async def _feed(self) -> AsyncIterator[Item]:
        while True:
            while self._items:
                yield self._items.popleft()
            if self._ended:
                return
            self._hungry = True
            self._news.set()
            self._more.clear()
            await self._more.wait()

    async def _collect(self) -> None:
        """Collect outcomes; an async source is held back here, by the window."""
        try:
            async for outcome in self.outcomes:
                self._ready.append(outcome)
                self._news.set()
                while len(self._ready) >= self.outcomes.window:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:
            self.error = error
        finally:
            self._over = True
            self._news.set()
