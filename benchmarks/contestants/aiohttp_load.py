"""Bare aiohttp as most people write it, as `aiohttp_pool` has it, for the loads that the lanes are measured with."""

from __future__ import annotations

import aiohttp
from row import BODY, Row

from contestants.pool import workers

PACKAGES = ("aiohttp",)


async def run(urls, concurrency, took, load="row"):
    document = Row.model_validate_json(BODY).model_dump(mode="json")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def row(url):
            async with session.get(url) as response:
                took(Row.model_validate(await response.json()))

        async def post(url):
            async with session.post(url, json=document) as response:
                took(Row.model_validate(await response.json()))

        async def whole(url):
            async with session.get(url) as response:
                urls.took_bytes(await response.read())

        await workers({"row": row, "post": post, "bytes": whole}[load], urls, concurrency)
