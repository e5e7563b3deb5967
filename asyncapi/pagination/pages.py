"""Iterate over a list that comes in pages: over its items, or over the pages.

Rules:
1. Each page is one call of the client: its limits, retries and deadline apply to each page alone.
2. Pages come in their order. At most `prefetch` pages are requested ahead of the consumer, or `concurrency` where it is
   known which pages there are. Pages that were consumed are released: memory does not grow.
3. `position` says how far the consumer is, as plain JSON data; `start=` resumes there.
4. A failure is raised when its page's turn comes. It carries `.position`, and a note that names the page.
5. Requests go to the origin of the list and to those in `allow_origins` alone: the client's headers, parameters and
   credentials go with every page, and a response must not send them elsewhere.
6. Leaving early, by break, exception or cancellation, cancels what is under way.
7. A list with a body is asked for by POST, and `by` sets its parameter in that body, not in the query.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from json import loads
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from asyncapi.calls.arguments import flat_params
from asyncapi.errors import ConfigError, RejectedError
from asyncapi.messages import encoding
from asyncapi.messages.uri import parse_url, with_pairs, with_replaced, with_user_info
from asyncapi.pagination.items import ItemsReader
from asyncapi.pagination.prefetch import Prefetcher, note_position
from asyncapi.redact import redact_url
from asyncapi.sansio.http.origin import Origin, origin
from asyncapi.sansio.http.pages import Linked, Page, PageStrategy, Position, Progress, Turn, start_of, without_echo
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.settings.pages import Cursor, LinkHeader, NextUrl, Offset, PageNumber

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable
    from types import TracebackType

    from yarl import URL

    from asyncapi.messages.response import Response
    from asyncapi.types import Params

T = TypeVar("T")

By = PageNumber | Offset | Cursor | LinkHeader | NextUrl | Turn
Ask = Callable[..., "Awaitable[Response]"]  # of a URL, and json= for a list with a body

log: logging.Logger = logging.getLogger("asyncapi")


class Pages(Generic[T]):
    """The items of a list that comes in pages: `async for` over it, or over `.pages()`.

    One loop at a time; the next loop resumes where the last one was left. Use `async with`, or call `aclose`, where
    what was under way must have ended before the next line runs.

    Attributes:
        stopped: Why the iteration ended before the list did, or None.
        progress: How much the consumer has got; `position` is made of it.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        ask: Ask,
        url: str | URL,
        *,
        by: By,
        items: str | None = None,
        model: Any = None,
        params: Params | None = None,
        body: Any = None,
        base_url: str = "",
        prefetch: int = 1,
        concurrency: int = 8,
        max_pages: int | None = 10_000,
        start: Mapping[str, Any] | None = None,
        allow_origins: Iterable[str] = (),
    ) -> None:
        if prefetch < 0 or concurrency < 1 or (max_pages is not None and max_pages < 1):
            raise ConfigError(
                f"prefetch={prefetch} (at least 0), concurrency={concurrency} (at least 1), "
                f"max_pages={max_pages} (at least 1, or None)"
            )
        self.stopped: str | None = None
        self._ask = ask
        self._list = _list_url(url, params)
        self._body = None if body is None else _object(body)
        self._home = self._list if self._list.absolute else parse_url(base_url)
        self._origins = {origin(self._home), *_origins(allow_origins)}
        self._reader = ItemsReader(items, model)
        self._strategy = _strategy_of(by)
        self._prefetch = prefetch
        self._concurrency = concurrency
        self._max_pages = max_pages
        self.progress: Progress[T] = Progress(start_of(start, self._strategy.key))
        self._run: Prefetcher[T] | None = None
        self._first_answer: int | None = None
        self._first_url: str | None = None

    def through(self, wrap: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]) -> None:
        """Have the call of every page go through another function, as declared clients do to read errors."""
        self._ask = wrap(self._ask)

    @property
    def position(self) -> Position:
        """Where to resume, as plain JSON data: all that you got lies before it.

        It counts the current item: save it when you are done with that item, and give it to `paginate(start=...)`.
        It may hold a URL or a cursor of the server's: keep it as safe as the list itself.
        """
        return self.progress.position

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Iterate over the items."""
        progress, run = self.progress, await self._begin()
        try:
            while (page := await run.next()) is not None:
                progress.page, progress.handed = page, 0
                for item in page.items:
                    progress.handed += 1
                    yield item
        finally:
            await run.aclose()

    async def pages(self) -> AsyncGenerator[Page[T], None]:
        """Iterate over the pages; an empty one that only marks the end is left out."""
        progress, run = self.progress, await self._begin()
        try:
            while (page := await run.next()) is not None:
                progress.page, progress.handed = page, len(page.items)
                if page.count or page.next is not None:
                    yield page
        finally:
            await run.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it is gone. May be called twice."""
        if self._run is not None:
            await self._run.aclose()

    async def _begin(self) -> Prefetcher[T]:
        """Begin a new run where the last one was left, and end what that had under way."""
        if self._run is not None:
            if self._run.waiting:
                raise ConfigError("two loops over the same pages: call client.paginate(...) for each")
            await self._run.aclose()
        self._run = Prefetcher(
            self._fetch,
            self._strategy,
            self.progress.position,
            prefetch=self._prefetch,
            concurrency=self._concurrency,
            max_pages=self._max_pages,
        )
        self._run.when_full = self._stop
        return self._run

    def _stop(self) -> None:
        self.stopped = f"{self._max_pages} pages (max_pages)"
        log.warning("%s: ended after %s pages (max_pages); the list has more", redact_url(self._list), self._max_pages)

    async def _fetch(self, position: Position, number: int) -> Page[T]:
        """Fetch one page, and find where the next one is."""
        try:
            url = self._url(position)
            response = await (self._ask(url) if self._body is None else self._ask(url, json=self._sent(position)))
            data, items = self._reader.read(response)
            skip = position.get("skip", 0)
            here = {key: value for key, value in position.items() if key != "skip"}
            page = Page(number, items[skip:], here, data, response, min(skip, len(items)))
            if self._strategy.key in {"page", "offset"} and items and number <= 2:  # noqa: PLR2004 - the first two
                self._compare(url, response.content)
            page.next = self._next(page, url)
        except Exception as error:
            note_position(error, position, number)
            raise
        return page

    def _next(self, page: Page[T], asked: URL) -> Position | None:
        """Find where the page after this one is."""
        found, sent, placed = self._strategy.after(page), page.response.url, page.response.placed
        if self._strategy.key != "url":
            return found
        if placed is not None:  # an endpoint that names itself means the API, which any other serves too
            sent = parse_url(placed.in_set(str(sent)))
            if found is not None and found.get("url") is not None:
                found = {**found, "url": placed.in_set(found["url"])}
        here = without_echo(str(sent), sent=sent, original=asked)
        if not any(page.position.values()):
            self._first_url = here
        if found is None or found.get("url") is None:
            return found
        following = without_echo(found["url"], sent=sent, original=asked)
        if following == here and not page.count:
            return None
        return {"url": None if following == self._first_url else following}  # None leads back to where the run began

    def _compare(self, url: URL, content: bytes) -> None:
        """Warn if the first two numbers give the same page: most likely the server does not know the parameter."""
        if self._first_answer is None:
            self._first_answer = hash(content)
        elif self._first_answer == hash(content):
            log.warning(
                "%s: byte for byte the same page as for the number before: does the server know the parameter?",
                redact_url(url),
            )

    def _sent(self, position: Position) -> dict[str, Any]:
        """Return the body of the page at a position (rule 7)."""
        return {**(self._body or {}), **self._strategy.ask(position)[1]}

    def _url(self, position: Position) -> URL:
        """Return the URL of the page at a position.

        Raises:
            RejectedError: It has another origin (rule 5).
        """
        target, params = self._strategy.ask(position)
        if target is None:
            return (
                with_replaced(self._list, tuple(flat_params(params))) if params and self._body is None else self._list
            )
        url = parse_url(target)
        if origin(url) not in self._origins:
            raise RejectedError(
                f"the next page is at {redact_url(url)!r}, not on {_shown(self._home)}: not requested, because this "
                f"client's headers and credentials would go there; allow_origins=[{_shown(url)!r}] if you trust it"
            )
        if self._home.raw_user is not None and origin(url) == origin(self._home):
            url = with_user_info(url, self._home)
        return url


def _object(body: Any) -> dict[str, Any]:
    """Return a body as plain data.

    Raises:
        ConfigError: It is no object, in which `by` could set its parameter.
    """
    made = dict(body) if isinstance(body, Mapping) else loads(encoding.json(body))
    if not isinstance(made, dict):
        raise ConfigError(f"json={body!r:.80}: the body of a list in pages is an object: `by` sets its parameter in it")
    return made


def _strategy_of(by: Any) -> PageStrategy:
    if isinstance(by, PageNumber | Offset | Cursor | LinkHeader | NextUrl):
        return by.strategy()
    if isinstance(by, type) or not callable(by) or inspect.iscoroutinefunction(by):
        name, known = (
            (by.__name__, f"{by.__name__}()") if isinstance(by, type) else (repr(by)[:80], "PageNumber(), Cursor()")
        )
        raise ConfigError(f"by={name}: give {known}, or a plain function of the page that returns the next URL")
    return Linked(by)


def _list_url(url: str | URL, params: Params | None) -> URL:
    list_url = parse_url(url)
    pairs = () if params is None else tuple(flat_params(params))
    return with_pairs(list_url, pairs) if pairs else list_url


def _origins(allowed: Iterable[str]) -> Iterable[Origin]:
    if isinstance(allowed, str):
        raise ConfigError(f"allow_origins={allowed!r}: give a list, ['https://...']")
    for text in allowed:
        url = parse_url(text)
        if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_path != "/" or url.raw_query_string:
            raise ConfigError(
                f"allow_origins: {redact_url(url)!r} is not an origin: write https://host, without a path"
            )
        yield origin(url)


def _shown(url: URL) -> str:
    return str(url.origin()) if url.absolute else "the list's origin"
