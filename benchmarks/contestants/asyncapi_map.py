"""asyncapi's own fan-out with everything on: `client.map` instead of the hand-written pool."""

from __future__ import annotations

from row import Row

from contestants import asyncapi_on

PACKAGES = asyncapi_on.PACKAGES


async def run(urls, concurrency, took):
    async with (
        asyncapi_on.client(concurrency) as api,
        api.map(urls, model=Row, concurrency=concurrency, on_error="raise") as outcomes,
    ):
        async for outcome in outcomes:
            took(outcome.value)
