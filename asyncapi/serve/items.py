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
_TOTAL, _MOST = 1_000, 10_000_000
_PER_PAGE, _LARGEST_PAGE = 20, 1_000


def row(number: int) -> dict[str, Any]:
    """The row of an id: about 120 bytes as JSON."""
    tags = [_TAGS[(number + step) % len(_TAGS)] for step in (0, 2, 4, 5, 7)]
    return {"id": number, "name": f"item {number}", "price": round(number * 1.01, 2), "tags": tags}


@lru_cache(maxsize=16_384)
def row_reply(text: str) -> Reply:
    """The ready-made answer of `/items/{text}`."""
    return json_reply(row(whole(text, "an item's id", 0, _HIGHEST)))


async def items(request: web.BaseRequest, rest: str) -> Reply:
    """`/items/{id}`, or a page of `/items`."""
    if rest:
        return row_reply(rest)
    query = request.query
    total = whole_in(query, "total", _TOTAL, 0, _MOST)
    if "cursor" in query:
        return _by_cursor(request, query, total)
    if "offset" in query or "limit" in query:
        return _by_offset(query, total)
    return _by_page(request, query, total)


def _by_page(request: web.BaseRequest, query: Mapping[str, str], total: int) -> Reply:
    per_page = whole_in(query, "per_page", _PER_PAGE, 1, _LARGEST_PAGE)
    page = whole_in(query, "page", 1, 1, _MOST)
    pages = max(1, -(-total // per_page))
    turns = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    links = {rel: _turn(request, page=turn) for rel, turn in turns.items() if 1 <= turn <= pages}
    data = {
        "items": _rows((page - 1) * per_page, per_page, total),
        "page": page, "per_page": per_page, "pages": pages, "total": total, "next": links.get("next"),
    }  # fmt: skip
    return json_reply(data, headers=[("Link", ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items()))])


def _by_offset(query: Mapping[str, str], total: int) -> Reply:
    offset = whole_in(query, "offset", 0, 0, _MOST)
    limit = whole_in(query, "limit", _PER_PAGE, 1, _LARGEST_PAGE)
    return json_reply({"items": _rows(offset, limit, total), "offset": offset, "limit": limit, "total": total})


def _by_cursor(request: web.BaseRequest, query: Mapping[str, str], total: int) -> Reply:
    start = _read_cursor(query["cursor"])
    end = start + whole_in(query, "per_page", _PER_PAGE, 1, _LARGEST_PAGE)
    cursor = _write_cursor(end) if end < total else None
    following = None if cursor is None else _turn(request, cursor=cursor)
    return json_reply({"items": _rows(start, end - start, total), "next_cursor": cursor, "next": following})


def _rows(start: int, count: int, total: int) -> list[dict[str, Any]]:
    return [row(number) for number in range(start + 1, min(start + count, total) + 1)]


def _turn(request: web.BaseRequest, **changes: str | int) -> str:
    return str(URL(f"http://{request.host}").join(request.rel_url).update_query(changes))


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
