"""The settings of pagination: how the pages of a list follow each other.

A place in a response is written "data.items" (keys joined by dots; -1 for the last element of a list: "data.-1.id") or
"header:X-Total-Count".
"""

from dataclasses import KW_ONLY
from typing import Annotated

from asyncapi.errors import ConfigError
from asyncapi.sansio.http.pages import Counted, Linked, Marked, by_link, by_url, path_of
from asyncapi.settings.base import settings
from asyncapi.settings.checks import After, Bounds, Nonempty


def _place(text: str) -> str:
    path_of(text)
    return text


Name = Annotated[str, Nonempty()]
Place = Annotated[str, After(_place)]
Size = Annotated[int, Bounds(ge=1)]


@settings
class PageNumber:
    """Page by number: `?page=1`, `?page=2` ...

    Where the total is known, pages are fetched concurrently. The list ends at an empty page, where the total is
    reached, or, where no total is known, at a page shorter than the first.

    Attributes:
        param: The query parameter of the number; "page" by default.
        start: The number of the very first page; 1 by default.
        size_param: The query parameter of the page size, such as "per_page"; needs `size`.
        size: Items per page to ask for.
        total: The place of the number of all items in the response ("total" by default), or None if there is none.
        pages: The place of the number of all pages, or None if there is none.
        short_ends: Whether a short page is the last one. False continues to the first empty page: for servers that
            filter a page after they have cut it.
    """

    param: Name = "page"
    _: KW_ONLY
    start: Annotated[int, Bounds(ge=0)] = 1
    size_param: Name | None = None
    size: Size | None = None
    total: Place | None = "total"
    pages: Place | None = None
    short_ends: bool = True

    def strategy(self) -> Counted:
        """Make the rules of one run.

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
    """Page by the offset of the first item: `?offset=0&limit=50`, `?offset=50&limit=50` ...

    Attributes:
        param: The query parameter of the offset; "offset" by default.
        start: The offset of the very first item; 0 by default.
        size_param: The query parameter of the page size, "limit" by default; sent only where `size` is given.
        size: Items per page to ask for.
        total: As in `PageNumber`.
        short_ends: As in `PageNumber`. With False, offsets grow by `size`, not by the number of items received.
    """

    param: Name = "offset"
    _: KW_ONLY
    start: Annotated[int, Bounds(ge=0)] = 0
    size_param: Name = "limit"
    size: Size | None = None
    total: Place | None = "total"
    short_ends: bool = True

    def strategy(self) -> Counted:
        """Make the rules of one run."""
        return Counted(
            "offset", param=self.param, first=self.start, size_param=None if self.size is None else self.size_param,
            size=self.size, total=self.total, pages=None, short_ends=self.short_ends,
        )  # fmt: skip


@settings
class Cursor:
    """Page by a cursor that the page before names: `?cursor=abc`. The list ends where a page names none.

    Attributes:
        param: The query parameter of the cursor; "cursor" by default.
        at: The place of the next cursor in the response. `Cursor("starting_after", at="data.-1.id", more="has_more")`
            takes the id of the last item.
        first: The cursor of the first page; none is sent by default.
        more: The place that says whether there is a next page, for servers that always name a cursor: true or false, a
            number, or their text.
        end: The cursor by which the server says that there is no next page, beside null, false and an empty text. By
            default that is 0, and texts such as "null", unless `at` is an item's own value or `more` says that there is
            more. With "" nothing else ends the list: 0 is a cursor then.
    """

    param: Name = "cursor"
    at: Place = "next_cursor"
    _: KW_ONLY
    first: str | None = None
    more: Place | None = None
    end: str | int | None = None

    def strategy(self) -> Marked:
        """Make the rules of one run."""
        return Marked(self.param, self.at, self.first, self.more, self.end)


@settings
class LinkHeader:
    """Page by the `Link` header (RFC 8288): `<https://...?page=2>; rel="next"`.

    Attributes:
        rel: The relation type of the next page; "next" by default.
    """

    rel: Name = "next"

    def strategy(self) -> Linked:
        """Make the rules of one run."""
        return Linked(by_link(self.rel))


@settings
class NextUrl:
    """Page by the URL of the next page in the response. The list ends where there is none (null, false, 0, "").

    Attributes:
        at: The place of the URL in the response, "next" by default; of an object there, its "href" is taken.
    """

    at: Place = "next"

    def strategy(self) -> Linked:
        """Make the rules of one run."""
        return Linked(by_url(self.at))
