"""asyncapi with every layer that can be switched off switched off."""

from __future__ import annotations

from row import Row

from asyncapi import Client
from contestants.pool import workers

PACKAGES = ("asyncapi-sdk", "aiohttp")


async def run(urls, concurrency, took):
    async with Client(retry=None, rate=None, concurrency=None, timeout=None, redirects=0) as api:

        async def fetch(url):
            took(await api.get(url, model=Row))

        await workers(fetch, urls, concurrency)
