"""pyreqwest: Rust's reqwest behind an asyncio face. Its own thread does the network; its CPU time is counted too."""

from __future__ import annotations

from pyreqwest.client import ClientBuilder
from row import Row

from contestants.pool import workers

PACKAGES = ("pyreqwest",)


async def run(urls, concurrency, took, protocol=""):
    builder = ClientBuilder().max_connections(concurrency).error_for_status(True)
    async with (builder.http2(True) if protocol == "h2" else builder).build() as client:

        async def fetch(url):
            response = await client.get(url).build().send()
            took(Row.model_validate_json((await response.bytes()).to_bytes()))

        await workers(fetch, urls, concurrency)
