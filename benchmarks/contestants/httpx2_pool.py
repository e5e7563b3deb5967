"""httpx2: one AsyncClient, a pool and keep-alive as large as the concurrency (its page on resource limits)."""

from __future__ import annotations

import httpx2
from row import Row

from contestants.pool import workers

PACKAGES = ("httpx2", "httpcore2")


async def run(urls, concurrency, took, protocol=""):
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    # The default of 5 s is too little for 500 new connections at once here; a timeout is no part of the comparison.
    async with httpx2.AsyncClient(limits=limits, timeout=30, http2=protocol == "h2") as client:

        async def fetch(url):
            response = await client.get(url)
            took(Row.model_validate_json(response.content))

        await workers(fetch, urls, concurrency)
