"""The settings of pagination: how the pages of a list follow each other.

A place in an answer is written "data.items" (keys; -1 for the last element of a list: "data.-1.id") or
"header:X-Total-Count".
"""

from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import AfterValidator, Field

from asyncapi.errors import ConfigError
from asyncapi.sansio.http.pages import Counted, Linked, Marked, by_link, by_url, path_of
from asyncapi.settings.base import settings


def _place(text: str) -> str:
    path_of(text)
    return text


Name = Annotated[str, Field(min_length=1)]
Place = Annotated[str, AfterValidator(_place)]
Size = Annotated[int, Field(ge=1)]


@settings
class PageNumber:
    """Pages by number: `?page=1`, `?page=2` ...

    With the total known, pages are fetched concurrently. They end at an empty page, where the total is reached, or,
    where none is known, at a page shorter than the first.

    Attributes:
        param: The parameter that takes the number.
        start: The number of the very first page.
        size_param: The parameter that takes the size, such as "per_page"; needs `size`.
        size: Items per page to ask for.
        total: Where the answer has the number of all items, or None if it has not.
        pages: Where it has the number of all pages.
        short_ends: False goes on behind a short page, to the first empty one: for servers that filter a page after
            cutting it.
    """

    param: Name = "page"
    _: KW_ONLY
    start: Annotated[int, Field(ge=0)] = 1
    size_param: Name | None = None
    size: Size | None = None
    total: Place | None = "total"
    pages: Place | None = None
    short_ends: bool = True

    def strategy(self) -> Counted:
        """The rules of one run.

        Raises:
            ConfigError: A parameter for the size, but no size.
        """
        if self.size_param is not None and self.size is None:
            raise ConfigError(f"PageNumber(size_param={self.size_param!r}): give size= too")
        return Counted(
            "page", param=self.param, first=self.start, size_param=self.size_param, size=self.size,
            total=self.total, pages=self.pages, short_ends=self.short_ends,
        )  # fmt: skip


@settings
class Offset:
    """Pages by the offset of their first item: `?offset=0&limit=50`, `?offset=50&limit=50` ...

    Attributes:
        param: The parameter that takes the offset.
        start: The offset of the very first item.
        size_param: The parameter that takes the size; sent only where `size` is given.
        size: Items per page to ask for.
        total: As in `PageNumber`.
        short_ends: As in `PageNumber`; offsets then go on by `size`, not by what came.
    """

    param: Name = "offset"
    _: KW_ONLY
    start: Annotated[int, Field(ge=0)] = 0
    size_param: Name = "limit"
    size: Size | None = None
    total: Place | None = "total"
    short_ends: bool = True

    def strategy(self) -> Counted:
        """The rules of one run."""
        return Counted(
            "offset", param=self.param, first=self.start, size_param=None if self.size is None else self.size_param,
            size=self.size, total=self.total, pages=None, short_ends=self.short_ends,
        )  # fmt: skip


@settings
class Cursor:
    """Pages by a cursor that the page before names: `?cursor=abc`. They end where there is none.

    Attributes:
        param: The parameter that takes it.
        at: Where the answer has the next one. `Cursor("starting_after", at="data.-1.id", more="has_more")` takes the
            id of the last item.
        first: What to send for the first page; nothing by default.
        more: Where the answer says whether there is a next page, for answers that always name a cursor: true or false,
            a number, or their text.
        end: What the server names where there is no next page, beside null, false and an empty text. By default 0, and
            texts such as "null", unless `at` is an item's own value or `more` says that there is more; "" for nothing
            else: 0 is a cursor then.
    """

    param: Name = "cursor"
    at: Place = "next_cursor"
    _: KW_ONLY
    first: str | None = None
    more: Place | None = None
    end: str | int | None = None

    def strategy(self) -> Marked:
        """The rules of one run."""
        return Marked(self.param, self.at, self.first, self.more, self.end)


@settings
class LinkHeader:
    """Pages by the `Link` header (RFC 8288): `<https://...?page=2>; rel="next"`.

    Attributes:
        rel: The relation of the next page.
    """

    rel: Name = "next"

    def strategy(self) -> Linked:
        """The rules of one run."""
        return Linked(by_link(self.rel))


@settings
class NextUrl:
    """Pages by the URL of the next one in the answer. They end where there is none (null, false, 0, an empty text).

    Attributes:
        at: Where the answer has it; of an object there, its "href".
    """

    at: Place = "next"

    def strategy(self) -> Linked:
        """The rules of one run."""
        return Linked(by_url(self.at))
