"""The lanes of this project against bare clients: CPU per request, over HTTP/1.1 and HTTP/2, by load.

    python benchmarks/run.py --only lanes            these tables
    python benchmarks/run.py --only many             9,000 connections, and 9,000 hosts
    python benchmarks/run.py --only open             calls that come at a fixed rate, with a deadline (open_loop.py)

"Full policy" is what every contestant of ours has on: four attempts and their budget, a rate limit, pacing, the
concurrency limit, three time limits, redirects, records and statistics. A pydantic model is read from every answer; from
the large bodies, which would drown the client in JSON, the bytes are read by all alike.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from peers import measure
from rounds import CONTESTANTS_OF, Settings, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server import Served

BARE = "aiohttp_load"
LABELS = {
    BARE: "bare aiohttp",
    "asyncapi_lane:native": "native lane, full policy",
    "asyncapi_lane:native:map": "native lane, `map`",
    "asyncapi_lane:native-single": "native lane, heads written one by one",
    "asyncapi_lane:aiohttp": "aiohttp lane, full policy",
    "asyncapi_lane:h2": "native lane, HTTP/2",
    "asyncapi_lane:h2-pure": "native lane, HTTP/2, pure engine",
    "pyreqwest_pool": "bare pyreqwest",
    "httpx2_load": "bare httpx2",
    "niquests_load": "bare niquests",
}
NATIVE, MAP, SINGLE, AIOHTTP, H2, PURE = list(LABELS)[1:7]
PYREQWEST = "pyreqwest_pool"


class Table(NamedTuple):
    """Contestants that are measured together.

    Attributes:
        name: What the load is.
        contestants: Who takes turns.
        loop: The event loop.
        concurrency: How many requests at a time.
        tls: Whether over TLS.
        path: Where the server has what is asked for.
        load: What the contestants do with it; "" for those that know one thing only.
        hosts: How many hosts are called in turn.
    """

    name: str
    contestants: tuple[str, ...]
    loop: str = "asyncio"
    concurrency: int = 100
    tls: bool = False
    path: str = ""
    load: str = "row"
    hosts: int = 1


GET = "GET, a row"
_LOADS = (
    ("POST, a row each way", "", "post", False),
    ("GET over TLS, kept alive", "", "row", True),
    ("GET, 1 MB", "/large", "bytes", False),
    ("GET, 150 KB in gzip", "/gzip", "bytes", False),
    ("GET, a new connection each", "/close", "row", False),
    ("GET, a new TLS connection each", "/close", "row", True),
)
HTTP2 = "GET over TLS, HTTP/2 against HTTP/1.1"
AS_IT_COMES = "GET over TLS, each client with the best protocol that it has"
TABLES = (
    *(Table(GET, (BARE, NATIVE, SINGLE), loop, 16) for loop in ("uvloop", "asyncio")),
    *(Table(GET, (BARE, NATIVE, SINGLE, AIOHTTP, PYREQWEST), loop, 100) for loop in ("uvloop", "asyncio")),
    *(Table(GET, (BARE, NATIVE, SINGLE, MAP), loop, 500) for loop in ("uvloop", "asyncio")),
    *(Table(HTTP2, (BARE, NATIVE, H2, PURE), loop, tls=True) for loop in ("uvloop", "asyncio")),
    *(Table(name, (BARE, NATIVE, AIOHTTP), "asyncio", 100, tls, path, load) for name, path, load, tls in _LOADS),
    *(Table(name, (BARE, NATIVE), "uvloop", 100, tls, path, load) for name, path, load, tls in _LOADS),
)
MANY = (
    Table("100 connections", (BARE, NATIVE, AIOHTTP)),
    Table("9,000 connections", (BARE, NATIVE, AIOHTTP), concurrency=9000),
    Table("9,000 hosts, 100 at a time", (BARE, NATIVE, AIOHTTP), hosts=9000),
)
CHART = Table(
    AS_IT_COMES, (BARE, AIOHTTP, NATIVE, H2, "pyreqwest_load", "httpx2_load", "niquests_load"), tls=True
)  # fmt: skip
CONTESTANTS_OF["lanes"] = tuple(name for name in LABELS if name != PYREQWEST)
CONTESTANTS_OF["many"] = ()


def run(served: Served, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per table of HTTP/1.1, HTTP/2 and the loads."""
    return _run(TABLES[2:4] if settings.quick else TABLES, served, settings, say)


def run_many(served: Served, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per table of many connections."""
    return _run(MANY[:1] if settings.quick else MANY, served, settings, say)


def _run(
    tables: tuple[Table, ...], served: Served, settings: Settings, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    results = []
    with _trusted(served.authority):
        for table in tables:
            say(f"{table.name}, {table.loop}, concurrency {table.concurrency}")
            contestants = {
                name: partial(_measure, name, table, served, settings)
                for name in table.contestants
                if settings.wants("many" if table in MANY else "lanes", name) or table in MANY
            }
            results.append({
                "name": table.name, "loop": table.loop, "concurrency": table.concurrency, "hosts": table.hosts,
                "tls": table.tls, "results": interleave(contestants, settings.rounds, say),
            })  # fmt: skip
    return results


def _measure(name: str, table: Table, served: Served, settings: Settings) -> dict[str, Any]:
    base = served.tls if table.tls else served.url
    if base is None or (table.path and served.authority is None):
        raise RuntimeError("needs nginx, and trustme for TLS")
    contestant = name if name.count(":") > 1 or "_load" not in name + "_load" * (":" in name) else f"{name}:{table.load}"
    # connections have to be made, and to settle down, before anything is measured: each takes a millisecond at worst
    connections = max(table.concurrency, table.hosts)
    figures = measure(
        contestant, f"{base}{table.path}",
        concurrency=table.concurrency, loop=table.loop, hosts=table.hosts,
        warmup=max(settings.warmup, 0.001 * connections if connections > 100 else 0),
        seconds=max(settings.seconds, connections / 3000),
    )  # fmt: skip
    return figures


@contextlib.contextmanager
def _trusted(authority: str | None) -> Iterator[None]:
    """Let children trust the server's authority: OpenSSL, and those who follow it, read this variable."""
    if authority is None:
        yield
        return
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = authority
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
