"""Fetch pages ahead of the consumer, in order, and end what is under way.

Each page is a task, in order. Where positions are known ahead, tasks fetch side by side; else each waits for the one
before it, to learn from its page where the next one is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncapi.errors import AsyncAPIError, ConfigError, RejectedError
from asyncapi.redact import redact_url
from asyncapi.sansio.http.pages import Page, PageStrategy, Position, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_LONGEST = 100


class Prefetcher(Generic[T]):
    """One run over the pages of a list: the pages under way, in order.

    Args:
        fetch: Fetches the page at a position; its second argument is the page's number in this run.
        strategy: Knows which position comes next.
        start: The first position.
        prefetch: Pages ahead of the consumer.
        concurrency: Pages ahead of the consumer where positions are known ahead.
        max_pages: Pages in all, or None.

    Attributes:
        waiting: Whether a consumer waits for a page.
        when_full: Called when the run ends at `max_pages`.
    """

    def __init__(
        self,
        fetch: Callable[[Position, int], Coroutine[Any, Any, Page[T]]],
        strategy: PageStrategy,
        start: Position,
        *,
        prefetch: int,
        concurrency: int,
        max_pages: int | None,
    ) -> None:
        self.waiting: bool = False
        self.when_full: Callable[[], object] = bool
        self._fetch = fetch
        self._strategy = strategy
        self._prefetch = prefetch
        self._concurrency = concurrency
        self._max_pages = max_pages
        self._seen = Seen()
        self._tasks: deque[asyncio.Task[Page[T] | None]] = deque()
        self._newest: asyncio.Task[Page[T] | None] | None = None
        self._tail: Position | None = start  # where the newest page is, as soon as that is known
        self._number = 0
        self._ended = bool(start.get("end"))
        self._closed = False

    async def next(self) -> Page[T] | None:
        """Return the next page, or None at the end; the last page may be empty."""
        if self._closed and not self._ended:
            raise ConfigError("this loop over the pages has ended: another loop has begun, or the pages were closed")
        if self._ended or not (self._tasks or self._extend()):
            return None
        self.waiting = True
        try:
            page = await self._tasks[0]
        finally:
            self.waiting = False
        self._tasks.popleft()
        if page is None or page.next is None:
            self._ended = True
            return page
        while len(self._tasks) < self._room() and self._extend():
            pass
        return page

    def _room(self) -> int:
        """Return how many pages may be requested ahead of the consumer."""
        certain = self._prefetch and self._tail is not None and self._strategy.ahead(self._tail) is not None
        return max(self._prefetch, self._concurrency) if certain else self._prefetch

    def _extend(self) -> bool:
        """Start fetching one more page, if there may be one."""
        if self._number == self._max_pages:
            if not self._tasks:
                self._ended = True
                self.when_full()
            return False
        self._number += 1
        work: Coroutine[Any, Any, Page[T] | None]
        if self._newest is None and self._tail is not None:
            self._seen.again(self._tail)
            work = self._fetch(self._tail, self._number)
        elif self._tail is not None and (sure := self._strategy.ahead(self._tail)) is not None:
            self._tail = sure
            work = self._fetch(sure, self._number)
        else:
            self._tail = None
            work = self._follow(self._newest, self._number)
        self._newest = asyncio.get_running_loop().create_task(work)
        self._tasks.append(self._newest)
        return True

    async def _follow(self, before: asyncio.Task[Page[T] | None] | None, number: int) -> Page[T] | None:
        """Fetch the page after another one, whose task may still be under way."""
        page = await before if before is not None else None
        position = None if page is None else page.next
        del page, before
        if position is None:
            return None
        if number == self._number:
            self._tail = position
        if self._strategy.key not in {"page", "offset"} and self._seen.again(position):
            error = RejectedError(f"the pages form a loop: the server names {_shown(position)} again")
            note_position(error, position, number)
            raise error
        return await self._fetch(position, number)

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it is gone."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while pending := [task for task in self._tasks if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:  # cancelled again while cleaning up: still leave nothing behind
                cancelled = error
        for task in self._tasks:
            if not task.cancelled():
                task.exception()  # retrieved: nobody will ask for that page any more
        self._tasks.clear()
        self._newest = None
        if cancelled is not None:
            raise cancelled


def note_position(error: Exception, position: Position, number: int) -> None:
    """Add to the error which page failed, and where to resume."""
    if isinstance(error, AsyncAPIError):
        error.position = position
    error.add_note(f"page {number} of this run failed, {_shown(position)}: resume there with start=")


def _shown(position: Position) -> str:
    shown = {key: redact_url(value) if key == "url" and value else value for key, value in position.items()}
    text = repr(shown)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
