"""The lanes of this project against bare clients: CPU per request, over HTTP/1.1 and HTTP/2, by load.

    python benchmarks/run.py --only lanes     HTTP/1.1 and HTTP/2, loads of every kind
    python benchmarks/run.py --only many      9,000 connections, and 9,000 hosts

"Full policy" is what every contestant of ours has on: four attempts and their budget, a rate limit, pacing, the
concurrency limit, three time limits, redirects, records and statistics. A pydantic model is read from every answer, but
for the large bodies: they would measure pydantic alone, so that all contestants read their bytes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rounds import CONTESTANTS_OF, Settings, interleave

import peers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server import Served

# name: (label, module in contestants/ and what it is told)
CONTESTANTS = {
    "bare": ("bare aiohttp", "aiohttp_load:{load}"),
    "aiohttp": ("aiohttp lane", "asyncapi_lane:aiohttp:{load}"),
    "native": ("native lane", "asyncapi_lane:native:{load}"),
    "map": ("native lane, `map`", "asyncapi_lane:native:map"),
    "single": ("native lane, heads written one by one", "asyncapi_lane:native-single:{load}"),
    "h2": ("native lane, HTTP/2", "asyncapi_lane:h2:{load}"),
    "h2-pure": ("native lane, HTTP/2, pure engine", "asyncapi_lane:h2-pure:{load}"),
    "pyreqwest": ("bare pyreqwest", "pyreqwest_pool"),
    "pyreqwest-h2": ("bare pyreqwest, HTTP/2", "pyreqwest_pool:h2"),
    "httpx2": ("bare httpx2", "httpx2_pool"),
    "niquests-h2": ("bare niquests, HTTP/2", "niquests_pool"),
}
CONTESTANTS_OF["lanes"] = tuple(CONTESTANTS)


class Table(NamedTuple):
    """Contestants that take turns, and what they do.

    Attributes:
        name: What the load is.
        contestants: Who takes turns.
        loop: The event loop.
        concurrency: How many requests at a time.
        tls: Whether over TLS.
        path: Where the server has what is asked for.
        load: What is done with it; see contestants/asyncapi_lane.py.
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


GET, HTTP2, BEST = "GET", "GET over TLS, and HTTP/2", "GET over TLS, each client with the cheaper of its protocols"
POST, TLS, LARGE, GZIP = "POST of a row", "GET over TLS", "GET of 1 MB", "GET of 150 KB in gzip"
NEW, NEW_TLS = "GET, a new connection each", "GET, a new TLS connection each"
LOADS = {
    POST: ("", "post", False),
    TLS: ("", "row", True),
    LARGE: ("/large", "bytes", False),
    GZIP: ("/gzip", "bytes", False),
    NEW: ("/close", "row", False),
    NEW_TLS: ("/close", "row", True),
}
LOOPS = ("asyncio", "uvloop")
TABLES = (
    *(Table(GET, ("bare", "native", "single"), loop, 16) for loop in LOOPS),
    *(Table(GET, ("bare", "native", "single", "aiohttp", "pyreqwest"), loop) for loop in LOOPS),
    *(Table(GET, ("bare", "native", "single", "map"), loop, 500) for loop in LOOPS),
    *(Table(HTTP2, ("bare", "native", "h2", "h2-pure"), loop, tls=True) for loop in LOOPS),
    *(
        Table(name, ("bare", "native"), loop, tls=tls, path=path, load=load)
        for loop in LOOPS
        for name, (path, load, tls) in LOADS.items()
    ),
    Table(BEST, ("bare", "aiohttp", "native", "h2", "pyreqwest-h2", "httpx2", "niquests-h2"), tls=True),
)
QUICK = (*TABLES[2:4], TABLES[6], TABLES[8])
HUNDRED, CONNECTIONS, HOSTS = "100 at once, one host", "9,000 at once, one host", "100 at once, 9,000 hosts"
MANY = (
    Table(HUNDRED, ("bare", "native", "aiohttp")),
    Table(CONNECTIONS, ("bare", "native", "aiohttp"), concurrency=9000),
    Table(HOSTS, ("bare", "native", "aiohttp"), hosts=9000),
)
_LEAST = 250  # requests of a window, however busy the machine is
_SETTLED = 1000  # connections; more than that are made and settle down at so many a second, at least


def run(served: Served, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per table."""
    niquests = peers.niquests_python(say) if settings.wants("lanes", "niquests-h2") and not settings.quick else None
    with _trusted(served.authority):
        return [
            _table(table, served, settings, say, {"niquests-h2": niquests})
            for table in (QUICK if settings.quick else TABLES)
        ]


def run_many(served: Served, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per table of many connections."""
    return [_table(table, served, settings, say, {}) for table in (MANY[:1] if settings.quick else MANY)]


def _table(
    table: Table, served: Served, settings: Settings, say: Callable[[str], None], pythons: dict[str, Any]
) -> dict[str, Any]:
    say(f"{table.name}, {table.loop}, concurrency {table.concurrency}")
    contestants = {
        name: partial(_measure, name, table, served, settings, pythons.get(name) or sys.executable)
        for name in table.contestants
        if table in MANY or settings.wants("lanes", name)
    }
    return {
        "name": table.name, "loop": table.loop, "concurrency": table.concurrency,
        "results": interleave(contestants, settings.rounds, say),
    }  # fmt: skip


def _measure(name: str, table: Table, served: Served, settings: Settings, python: Any) -> dict[str, Any]:
    base = served.tls if table.tls else served.url
    if base is None or (table.path and served.tls is None):
        raise RuntimeError("needs nginx and trustme, and one of them is not installed")
    if isinstance(python, RuntimeError):
        raise python
    connections = max(table.concurrency, table.hosts)
    return peers.measure(
        CONTESTANTS[name][1].format(load=table.load), f"{base}{table.path}",
        concurrency=table.concurrency, loop=table.loop, hosts=table.hosts, python=python,
        warmup=max(settings.warmup, connections / _SETTLED if connections > 100 else 0),
        least=_LEAST, windows=2 if connections > _SETTLED or settings.quick else 8,
        seconds=max(settings.seconds / 8, connections / 3 / _SETTLED if connections > _SETTLED else 0),
    )  # fmt: skip


@contextlib.contextmanager
def _trusted(authority: str | None) -> Iterator[None]:
    """Let the contestants trust the server: OpenSSL reads this variable, and so do most clients."""
    before = os.environ.get("SSL_CERT_FILE")
    if authority is not None:
        os.environ["SSL_CERT_FILE"] = authority
    try:
        yield
    finally:
        os.environ.pop("SSL_CERT_FILE", None)
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before
