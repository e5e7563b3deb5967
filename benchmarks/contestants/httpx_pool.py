"""httpx: one AsyncClient, as many connections as the concurrency (its page on resource limits).

Of those it keeps its default of 20 alive: with as many kept alive as opened it is six times slower here at 100, for
its pool looks at every idle connection for every request.
"""

from __future__ import annotations

import httpx
from row import Row

from contestants.pool import workers

PACKAGES = ("httpx", "httpcore")


async def run(urls, concurrency, took):
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=20)
    # The default of 5 s is too little for 500 new connections at once here; a timeout is no part of the comparison.
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:

        async def fetch(url):
            response = await client.get(url)
            took(Row.model_validate_json(response.content))

        await workers(fetch, urls, concurrency)
