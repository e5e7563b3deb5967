"""niquests with its `speedups` extra; its quickstart says to read typed answers from `content`.

It replaces urllib3 by another package of the same import name, so it lives in a virtual environment of its own.
"""

from __future__ import annotations

import niquests
from row import Row

from contestants.pool import workers

PACKAGES = ("niquests", "urllib3-future")


async def run(urls, concurrency, took):
    async with niquests.AsyncSession(pool_maxsize=concurrency) as session:

        async def fetch(url):
            response = await session.get(url)
            took(Row.model_validate_json(response.content))

        await workers(fetch, urls, concurrency)
