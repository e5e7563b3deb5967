"""Bare aiohttp as most people write it: the yardstick."""

from __future__ import annotations

import aiohttp
from row import Row

from contestants.pool import workers

PACKAGES = ("aiohttp",)


async def run(urls, concurrency, took):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def fetch(url):
            async with session.get(url) as response:
                took(Row.model_validate(await response.json()))

        await workers(fetch, urls, concurrency)
