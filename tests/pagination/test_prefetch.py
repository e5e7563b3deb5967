"""Pages fetched ahead: how many, when, and never before they are wanted."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from asyncapi import (
    Client,
    PageNumber,
)
from asyncapi.testing import MockTransport, reply
from gate import Gate, settle


class Item(BaseModel):
    id: int
    name: str


def numbered(total, size, *, also=None, told=True):
    """A handler of numbered pages that counts what it is asked."""
    asked = []

    def handler(request):
        page = int(request.url.query.get("page", 1))
        asked.append(page)
        low, high = (page - 1) * size, min(page * size, total)
        body = {"items": list(range(low + 1, high + 1))}
        return reply(json={**body, "total": total} if told else body) if also is None else also(page, body)

    return handler, asked


@pytest.mark.parametrize(
    ("told", "prefetch", "concurrency", "ahead"),
    [(True, 1, 4, 4), (True, 6, 4, 6), (True, 1, 1, 1), (True, 0, 4, 0), (False, 1, 4, 1), (False, 3, 4, 1)],
)
async def test_so_many_pages_are_asked_for_ahead_and_no_more(told, prefetch, concurrency, ahead):
    """Side by side where the total is known; one after another where each page must tell of the next."""
    handler, _ = numbered(1000, 10, told=told)
    gate = Gate(handler)
    async with Client("https://h", transport=MockTransport(gate)) as api:
        pages = api.paginate("/n", by=PageNumber(), prefetch=prefetch, concurrency=concurrency)
        async with pages:
            async for _ in pages.pages():
                await settle()
                assert gate.waiting == ahead
                break


async def test_prefetched_pages_wait_for_the_consumer():
    handler, asked = numbered(1000, 10, told=False)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber(), prefetch=3)
        async with pages:
            async for page in pages.pages():
                await settle()
                assert max(asked) == page.number + 3
                if page.number == 5:
                    break


async def test_nothing_is_asked_before_the_first_item_is_wanted():
    handler, asked = numbered(10, 10)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber())
        await settle()
        assert asked == []
        assert await anext(aiter(pages)) == 1
