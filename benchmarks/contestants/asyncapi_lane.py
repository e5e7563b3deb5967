"""asyncapi with its full policy over one of its lanes, with one of the loads.

lane    "native" or "aiohttp"; "native-single" writes each head by itself, where the native lane writes those of one
        turn of the loop together; "h2" and "h2-pure" are HTTP/2, with the engine in C and with the one in Python
load    "row": GET and read a Row; "map": the same by `client.map`; "post": send a Row as JSON, too; "bytes": GET and
        read the whole body, which is no Row
"""

from __future__ import annotations

from row import BODY, Row

from asyncapi import Client, RateLimit, Retry, Timeout
from contestants.pool import workers

PACKAGES = ("asyncapi-sdk",)


async def run(urls, concurrency, took, lane="native", load="row"):
    async with client(concurrency, lane) as api:
        if load != "map":
            await workers(fetcher(api, load, urls, took), urls, concurrency)
            return
        async with api.map(urls, model=Row, concurrency=concurrency, on_error="raise") as outcomes:
            async for outcome in outcomes:
                took(outcome.value)


def client(concurrency, lane):
    return Client(
        transport="aiohttp" if lane == "aiohttp" else "native",
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=concurrency,
        # 9,000 connections at once take their time here; no limit has to act in any of the loads
        timeout=Timeout(total=300, connect=60, attempt=60),
        **more(lane),
    )


def more(lane):
    """What the lane needs besides its name."""
    if lane == "native-single":
        from asyncapi.transports.native.origins import Pool

        Pool.write_later = lambda pool, connection, head: connection.transport.write(head)
    if lane == "h2-pure":
        from asyncapi.transports.native.http2 import connection as http2_connection

        http2_connection.ENGINE = "pure"
    return {"http2": True} if lane.startswith("h2") else {}


def fetcher(api, load, urls, took):
    """How a worker sends a request and reads its answer."""

    async def row(url):
        took(await api.get(url, model=Row))

    async def post(url):
        took(await api.post(url, json=document, model=Row))

    async def whole(url):
        urls.took_bytes((await api.get(url)).content)

    document = Row.model_validate_json(BODY).model_dump(mode="json")
    return {"row": row, "post": post, "bytes": whole}[load]
