"""asyncapi with its full policy over one of its lanes, and one of the loads.

LANES name the transport; `native-single` is the native lane without its writing together: each head is written alone.
`h2` and `h2-pure` are HTTP/2, with the engine in C and with the one in Python.
"""

from __future__ import annotations

from row import BODY, Row

from asyncapi import Client, RateLimit, Retry, Timeout
from contestants.pool import workers

PACKAGES = ("asyncapi-sdk",)


async def run(urls, concurrency, took, lane="native", load="row"):
    async with client(concurrency, lane) as api:
        await workers(fetcher(api, load, urls, took), urls, concurrency)


def client(concurrency, lane):
    return Client(
        transport="aiohttp" if lane == "aiohttp" else "native",
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=concurrency,
        timeout=Timeout(total=30, connect=5, attempt=10),
        **more(lane),
    )


def more(lane):
    """What the lane needs besides its name."""
    if lane == "native-single":
        from asyncapi.transports.native.origins import Pool

        Pool.write_later = lambda pool, connection, head: connection.transport.write(head)
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
