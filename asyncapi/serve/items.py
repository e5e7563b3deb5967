"""Typed rows, the same for an id in every run, singly and in pages of every common kind."""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from yarl import URL

from asyncapi.serve.query import whole, whole_in
from asyncapi.serve.replies import Refusal, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

_TAGS = ("new", "fragile", "organic", "handmade", "imported", "seasonal", "limited-edition", "refurbished", "bulky")
_HIGHEST = 10**12
_MOST = 10_000_000
_LARGEST_PAGE = 1_000


def row(number: int) -> dict[str, Any]:
    """The row of an id: about 120 bytes as JSON."""
    tags = [_TAGS[(number + step) % len(_TAGS)] for step in (0, 2, 4, 5, 7)]
    return {"id": number, "name": f"item {number}", "price": round(number * 1.01, 2), "tags": tags}


@lru_cache(maxsize=16_384)
def row_reply(text: str) -> Reply:
    """The ready-made response of `/items/{text}`."""
    return json_reply(row(whole(text, "an item's id", 0, _HIGHEST)))


class Listing:
    """A list of rows, singly and in pages of every common kind.

    Args:
        total: How many rows there are, unless `?total=` says otherwise.
        per_page: The size of a page, unless `?per_page=` or `?limit=` says otherwise.
    """

    def __init__(self, *, total: int, per_page: int) -> None:
        self.total = total
        self.per_page = per_page

    async def __call__(self, request: web.BaseRequest, rest: str) -> Reply:
        """One row, or a page: by cursor, by offset, or by number."""
        if rest:
            return row_reply(rest)
        query = request.query
        total = whole_in(query, "total", self.total, 0, _MOST)
        if "cursor" in query:
            return self._by_cursor(request, query, total)
        if "offset" in query or "limit" in query:
            return self._by_offset(query, total)
        return self._by_page(request, query, total)

    def _by_page(self, request: web.BaseRequest, query: Mapping[str, str], total: int) -> Reply:
        page, per_page = numbered_page(query, self.per_page)
        links = page_links(request, page, pages_of(total, per_page))
        data = {
            "items": _rows((page - 1) * per_page, per_page, total),
            "page": page, "per_page": per_page, "pages": pages_of(total, per_page), "total": total,
            "next": links.get("next"),
        }  # fmt: skip
        return json_reply(data, headers=[link_header(links)])

    def _by_offset(self, query: Mapping[str, str], total: int) -> Reply:
        offset = whole_in(query, "offset", 0, 0, _MOST)
        limit = whole_in(query, "limit", self.per_page, 1, _LARGEST_PAGE)
        return json_reply({"items": _rows(offset, limit, total), "offset": offset, "limit": limit, "total": total})

    def _by_cursor(self, request: web.BaseRequest, query: Mapping[str, str], total: int) -> Reply:
        start = _read_cursor(query["cursor"])
        end = start + whole_in(query, "per_page", self.per_page, 1, _LARGEST_PAGE)
        cursor = _write_cursor(end) if end < total else None
        following = None if cursor is None else _turn(request, cursor=cursor)
        return json_reply({"items": _rows(start, end - start, total), "next_cursor": cursor, "next": following})


def numbered_page(query: Mapping[str, str], per_page: int) -> tuple[int, int]:
    """The page that `?page=` and `?per_page=` ask for: its number and its size."""
    return whole_in(query, "page", 1, 1, _MOST), whole_in(query, "per_page", per_page, 1, _LARGEST_PAGE)


def pages_of(total: int, per_page: int) -> int:
    """How many pages so many rows take: at least one."""
    return max(1, -(-total // per_page))


def page_links(request: web.BaseRequest, page: int, pages: int) -> dict[str, str]:
    """The URLs of the first, previous, next and last page; those that do not exist are left out."""
    turns = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    return {rel: _turn(request, page=turn) for rel, turn in turns.items() if 1 <= turn <= pages}


def link_header(links: Mapping[str, str]) -> tuple[str, str]:
    """The `Link` header (RFC 8288) of these URLs."""
    return "Link", ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())


def _rows(start: int, count: int, total: int) -> list[dict[str, Any]]:
    return [row(number) for number in range(start + 1, min(start + count, total) + 1)]


def _turn(request: web.BaseRequest, **changes: str | int) -> str:
    return str(URL(f"{request.scheme}://{request.host}").join(request.rel_url).update_query(changes))


def _write_cursor(start: int) -> str:
    return base64.urlsafe_b64encode(b"after:%d" % start).decode()


def _read_cursor(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(cursor).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        word, number = "", ""
    if word != "after" or not number.isdigit():
        raise Refusal(
            400, f"unknown cursor {cursor!r}: send the next_cursor of the page before, or an empty one to start"
        )
    return whole(number, "a cursor", 0, _MOST + _LARGEST_PAGE)
