"""aiohttp by someone who knows it well: no cookie jar, no timer per request, the model read from the bytes."""

from __future__ import annotations

import aiohttp
from row import Row

from contestants.pool import workers

PACKAGES = ("aiohttp",)


async def run(urls, concurrency, took):
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def fetch(url):
            async with session.get(url) as response:
                took(Row.model_validate_json(await response.read()))

        await workers(fetch, urls, concurrency)
