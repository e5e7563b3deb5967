"""asyncapi with everything on, called from the same hand-written pool as the peers: `await api.get(url, model=Row)`.

Retry with its budget, a rate limit too high to wait for, the concurrency limit, deadline and attempt timeouts,
attempt records and statistics, the model. Nothing of it should ever have to act here.
"""

from __future__ import annotations

from row import Row

from asyncapi import Client, RateLimit, Retry, Timeout
from contestants.pool import workers

PACKAGES = ("asyncapi-sdk", "aiohttp")


def client(concurrency):
    return Client(
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=concurrency,
        timeout=Timeout(total=30, connect=5, attempt=10),
    )


async def run(urls, concurrency, took):
    async with client(concurrency) as api:

        async def fetch(url):
            took(await api.get(url, model=Row))

        await workers(fetch, urls, concurrency)
