"""Decide from what a page says which page of a list comes next; nothing is awaited.

Words:
- A *position* says which page to request, as plain JSON data: `{"page": 3}`, `{"offset": 40}`, `{"cursor": "abc"}`,
  `{"url": "https://..."}`; None in it is the first page. `"skip"` beside it counts the items of that page that have
  been handed over, `"size"` is how long pages are. `{"end": True}` is behind the last page.
- A *strategy* knows how to request a position, and which one comes after a page. One is made for each run over the
  pages.

When a list ends:
1. Cursors, links and URLs: when the page names no next one. Servers say so with null, false, 0, an empty text, list or
   object, or the text of one of these.
2. An empty page is no end there, because servers filter, unless it names itself.
3. Numbers and offsets: at an empty page; where the total is known, when it is reached; where it is not, at a page that
   is shorter than the first. A size that was requested proves nothing: servers cap it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from yarl import URL

from asyncapi.errors import ConfigError, DecodeError
from asyncapi.messages.uri import compose, join, parse, split
from asyncapi.sansio.http.link import link_to
from asyncapi.sansio.http.page_ends import NOTHING, kind_of, link_of, says_yes, whole

if TYPE_CHECKING:
    from asyncapi.messages.response import Response

T = TypeVar("T")

Position = dict[str, Any]
Turn = Callable[["Page[Any]"], "str | URL | Mapping[str, Any] | None"]

END: Position = {"end": True}

_WINDOW = 256  # how many of the last positions a loop is recognised in at once
_HEADER = "header:"


@dataclass(slots=True, eq=False)
class Page(Generic[T]):
    """One page.

    Attributes:
        number: 1 for the first page of this run.
        items: Its items; at the start of a run that is resumed within a page, those that are left of it.
        position: Where it is.
        next: Where the page after it is, or None at the end.
        data: The whole response: plain data, with models where the items are.
        response: The response itself.
        skipped: How many items at its beginning are left out of `items`.
    """

    number: int
    items: list[T]
    position: Position
    data: Any
    response: Response
    skipped: int = 0
    next: Position | None = None

    @property
    def count(self) -> int:
        """How many items the server sent."""
        return self.skipped + len(self.items)


class PageStrategy(Protocol):
    """How pages follow each other; `key` is the word of its positions."""

    key: str

    def ask(self, position: Position) -> tuple[str | None, dict[str, Any]]:
        """The URL to request, None for the list's own, and the parameters to set in it."""
        ...

    def after(self, page: Page[Any]) -> Position | None:
        """The position after a page that has been read, or None at the end.

        Raises:
            DecodeError: The page says something that can't be a next page.
        """
        ...

    def ahead(self, position: Position) -> Position | None:
        """The position after another one, where it is certain without the page, or None."""
        ...


class Counted:
    """Pages by number, or by the offset of their first item.

    Args:
        key: "page" or "offset".
        param: The parameter that takes the number.
        first: The number of the first page, or the offset of the first item.
        size_param: The parameter that takes the size of a page, or None.
        size: The size to request, or None for the server's own.
        total: Where the response has the number of items, or None.
        pages: Where it has the number of pages, or None.
        short_ends: Whether a page shorter than the first is the last, where no total is known.
    """

    def __init__(
        self,
        key: str,
        *,
        param: str,
        first: int,
        size_param: str | None,
        size: int | None,
        total: str | None,
        pages: str | None,
        short_ends: bool,
    ) -> None:
        self.key = key
        self._param = param
        self._first = first
        self._fixed = {} if size_param is None else {size_param: size}
        self._size = size
        self._total = None if total is None else path_of(total)
        self._pages = None if pages is None else path_of(pages)
        self._short_ends = short_ends
        self._length: int | None = None  # of the first page seen
        self._most_items: int | None = None
        self._most_pages: int | None = None

    def ask(self, position: Position) -> tuple[str | None, dict[str, Any]]:
        """As in `PageStrategy`."""
        number = position[self.key]
        return None, {**self._fixed, self._param: self._first if number is None else number}

    def after(self, page: Page[Any]) -> Position | None:
        """As in `PageStrategy`."""
        if not page.count:  # rule 3
            return None
        size = page.position.get("size") or (page.count if self._short_ends or not self._size else self._size)
        self._length = self._length or size
        self._learn(page, size)
        if self._most_items is not None or self._most_pages is not None:
            return self.ahead({**page.position, "size": size})
        number = self._first if page.position[self.key] is None else page.position[self.key]
        return None if self._short_ends and page.count < size else self._step(number, size)  # rule 3

    def ahead(self, position: Position) -> Position | None:
        """As in `PageStrategy`: from the total."""
        size = position.get("size") or self._length
        if size is None or (self._most_items is None and self._most_pages is None):
            return None
        number = self._first if position[self.key] is None else position[self.key]
        turns = number - self._first + 1
        if self._most_pages is not None:
            return self._step(number, size) if turns < self._most_pages else None
        before = turns * size if self.key == "page" else number - self._first + size
        return self._step(number, size) if self._most_items is not None and before < self._most_items else None

    def _step(self, number: int, size: int) -> Position:
        return {self.key: number + (1 if self.key == "page" else size), "size": size}

    def _learn(self, page: Page[Any], size: int) -> None:
        """Learn the totals that the page states; less than the page itself holds is nonsense."""
        items = None if self._total is None else whole(look(page, self._total))
        if items is not None and items >= min(page.count, size):
            self._most_items = items
        pages = None if self._pages is None else whole(look(page, self._pages))
        if pages:
            self._most_pages = pages


class Marked:
    """Pages by a cursor that the page before names.

    Args:
        param: The parameter that takes it.
        at: Where the response has it.
        first: The cursor of the first page, or None.
        more: Where the response says whether there is a next page, or None.
        end: The value for no cursor, beside null, false and an empty text. None: 0 and the texts of nothing, but not
            where they are an item's own value, nor where `more` says that there is more.
    """

    key = "cursor"

    def __init__(self, param: str, at: str, first: str | None, more: str | None, end: str | int | None = None) -> None:
        self._param = param
        self._at = path_of(at)
        self._first = first
        self._more = None if more is None else path_of(more)
        ambiguous = more is not None or any(step.removeprefix("-").isdecimal() for step in self._at)
        self._ends = {str(end)} if end is not None else set() if ambiguous else {"0", *NOTHING}

    def ask(self, position: Position) -> tuple[str | None, dict[str, Any]]:
        """As in `PageStrategy`."""
        cursor = self._first if position["cursor"] is None else position["cursor"]
        return None, {} if cursor is None else {self._param: cursor}

    def after(self, page: Page[Any]) -> Position | None:
        """As in `PageStrategy`."""
        if self._more is not None and not says_yes(look(page, self._more)):
            return None
        cursor = look(page, self._at)
        if cursor is None or cursor is False or cursor in ("", [], {}):
            return None
        if not isinstance(cursor, str | int) or cursor is True:
            raise _unusable(page, f"the next cursor is {kind_of(cursor)}, not text or a whole number")
        text = str(cursor).strip()
        if text in self._ends or text.lower() in self._ends & NOTHING or not text:
            return None
        now = page.position["cursor"]
        if not page.count and cursor == (self._first if now is None else now):  # rule 2
            return None
        return {"cursor": None if self._first is not None and text == self._first else cursor}

    def ahead(self, position: Position) -> None:
        """As in `PageStrategy`: nothing is certain."""


class Linked:
    """Pages by the URL of the next one, in the response or in its `Link` header, or by what a function returns.

    Args:
        find: The next URL of a page, or parameters to set in the list's own, or None at the end; so are false, 0 and
            what is empty.
    """

    key = "url"

    def __init__(self, find: Turn) -> None:
        self._find = find

    def ask(self, position: Position) -> tuple[str | None, dict[str, Any]]:
        """As in `PageStrategy`."""
        return position.get("url"), position.get("params") or {}

    def after(self, page: Page[Any]) -> Position | None:
        """As in `PageStrategy`."""
        found = self._find(page)
        if not found:
            return None
        if isinstance(found, Mapping):
            return {"url": None, "params": dict(found)}
        if not isinstance(found, str | URL):
            raise _unusable(page, f"the next URL is {kind_of(found)}, not text")
        try:
            url = join(page.response.url, str(found))
        except ValueError:
            raise _unusable(page, "the next URL is not a URL") from None
        return {"url": str(url)}

    def ahead(self, position: Position) -> None:
        """As in `PageStrategy`: nothing is certain."""


def by_link(rel: str) -> Turn:
    """The target of the `Link` header with this relation."""
    return lambda page: link_to(page.response.headers.getall("Link", ()), rel)


def by_url(at: str) -> Turn:
    """The URL at this place of the response; of a link object its "href" (HAL section 5, JSON:API "Links")."""
    path = path_of(at)

    def find(page: Page[Any]) -> Any:
        try:
            return link_of(look(page, path), at)
        except ValueError as error:
            raise _unusable(page, f"the next URL is {error}") from None

    return find


# --- places in a response --------------------------------------------------------------------------------------


def path_of(text: str) -> tuple[str, ...]:
    """The steps of a place such as "data.items", "data.-1.id" or "header:X-Next".

    Raises:
        ConfigError: A step is empty.
    """
    if text.startswith(_HEADER):
        path: tuple[str, ...] = (_HEADER, text.removeprefix(_HEADER).strip())
    else:
        path = tuple(text.split("."))
    if not all(path):
        raise ConfigError(f"{text!r} names no place in the response: write it like 'data.items' or 'header:X-Next'")
    return path


def look(page: Page[Any], path: tuple[str, ...]) -> Any:
    """The value at a place of the response, or None."""
    if path[0] == _HEADER:
        return page.response.headers.get(path[1])
    found = page.data
    for step in path:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, Sequence) and not isinstance(found, str):
            found = _element(found, step)
        else:
            found = getattr(found, step, None)
        if found is None:
            return None
    return found


def _element(found: Sequence[Any], step: str) -> Any:
    try:
        return found[int(step)]
    except (ValueError, IndexError):
        return None


def _unusable(page: Page[Any], message: str) -> DecodeError:
    return DecodeError(message, body=page.response.content, request=page.response.request)


# --- one run ---------------------------------------------------------------------------------------------------


class Seen:
    """Recognise a position that was requested before, in constant memory.

    The last 256 are remembered as they are; longer loops are found by one mark that moves on at every power of two
    (Brent, "An improved Monte Carlo factorization algorithm", 1980), after at most three rounds.
    """

    def __init__(self) -> None:
        self._last: deque[str] = deque()
        self._known: set[str] = set()
        self._mark = ""
        self._count = 0

    def again(self, position: Position) -> bool:
        """Whether the position was seen before; from now on it was."""
        text = repr(sorted(position.items()))
        if text in self._known or text == self._mark:
            return True
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._mark = text
        self._last.append(text)
        self._known.add(text)
        if len(self._last) > _WINDOW:
            self._known.discard(self._last.popleft())
        return False


class Progress(Generic[T]):
    """How much of the pages has been handed over.

    Attributes:
        page: The last page handed over, whole or in part, or None.
        handed: How many of its items.
    """

    __slots__ = ("_start", "handed", "page")

    def __init__(self, start: Position) -> None:
        self._start = start
        self.page: Page[T] | None = None
        self.handed: int = 0

    @property
    def position(self) -> Position:
        """The position to resume from, as plain JSON data."""
        page = self.page
        if page is None:
            return dict(self._start)
        if self.handed >= len(page.items):
            return dict(page.next or END)
        return {**page.position, "skip": page.skipped + self.handed}


def start_of(start: Mapping[str, Any] | None, key: str) -> Position:
    """Check a saved position.

    Raises:
        ConfigError: It is not a position, or one of another strategy.
    """
    if start is None:
        return {key: None}
    if not isinstance(start, Mapping):
        raise ConfigError(f"start={start!r}: give a saved .position, such as {{{key!r}: ...}}")
    if start.get("end"):
        return dict(END)
    skip, size = start.get("skip", 0), start.get("size", 1)
    odd = set(start) - {key, "skip", "size", "params"}
    if (
        key not in start
        or odd
        or not all(isinstance(number, int) and number >= 0 for number in (skip, size))
        or not size
    ):
        raise ConfigError(f"start={dict(start)!r}: not a position of these pages; give one like {{{key!r}: ...}}")
    known = start[key]
    fits = isinstance(known, int) if key in {"page", "offset"} else isinstance(known, str | int)
    if known is not None and (not fits or isinstance(known, bool)):
        raise ConfigError(f"start={dict(start)!r}: {known!r} is not a valid {key}")
    return dict(start)


def without_echo(url: str, *, sent: URL, original: URL) -> str:
    """Strip from the next URL what the server repeats of our own additions: user-info, and query keys of the client.

    The client adds its parameters to every URL. They would double with each page, and a key among them would stand in
    saved positions.

    Args:
        url: As the server names it.
        sent: The URL that was sent for the page, with all additions.
        original: The URL before the additions.
    """
    found = parse(url)
    if found.raw_user is not None:
        found = found.with_user(None)
    if sent.raw_path.endswith(original.raw_path):  # else it was redirected: nothing is known
        ours = set(sent.query.items()) - set(original.query.items())
        pairs = found.raw_query_string.split("&")
        left = [pair for pair in pairs if not ours.intersection(parse_qsl(pair, keep_blank_values=True))]
        if len(left) < len(pairs):
            found = parse(compose(split(str(found))._replace(query="&".join(left) or None)))
    return str(found)
