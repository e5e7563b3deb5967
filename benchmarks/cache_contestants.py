"""What takes part in `cache.py`: clients with and without a cache, over mock transports that all respond alike.

Every contestant is a context manager that gives a `Caller`. Its `get` sends a GET and has read the body when it
returns; `said` is how the response came: "fresh", "revalidated", or "" for the whole response from the server.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

_ORIGIN = "https://api.example.com"
_DATE = formatdate(usegmt=True)
_BODIES = {size: (b'{"id":1,"text":"' + b"x" * size)[: size - 2] + b'"}' for size in (200, 8192)}
_LIFETIMES = {"fresh": "max-age=86400", "stale": "max-age=0"}


def respond(path: str, condition: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for a path such as /fresh/200/7, and for the ETag that the client has."""
    _, lifetime, size, _ = path.split("/")
    headers = {
        "Date": _DATE, "Cache-Control": _LIFETIMES[lifetime], "ETag": '"v1"', "Content-Type": "application/json",
    }  # fmt: skip
    return (304, headers, b"") if condition == '"v1"' else (200, headers, _BODIES[int(size)])


@dataclass
class Caller:
    """A client that is ready.

    Attributes:
        get: Sends a GET for a path.
        said: How a response came.
        body: The body of a response.
        waits: Whether `get` is to be awaited.
        settled: Returns when all that was stored is written.
    """

    get: Callable[[str], Any]
    said: Callable[[Any], str]
    body: Callable[[Any], bytes]
    waits: bool = True
    settled: Callable[[], Awaitable[object]] | None = None


def _ours(store: Callable[[Path, str], Any] | None, *, cached: bool = True) -> Any:
    @asynccontextmanager
    async def opened(folder: Path, redis: str) -> AsyncIterator[Caller]:
        from asyncapi import Cache, Client
        from asyncapi.testing import MockTransport
        from asyncapi.types import Response

        def handler(request: Any) -> Response:
            status, headers, body = respond(request.url.path, request.headers.get("If-None-Match"))
            return Response(status, headers, body)

        kept = Cache(store=store(folder, redis) if store is not None else None) if cached else None
        async with Client(_ORIGIN, transport=MockTransport(handler), cache=kept) as client:

            async def settled() -> None:
                lasting: Any = client._state.lasting
                while len(getattr(lasting, "_unwritten", ())) or getattr(lasting, "_writes", ()):
                    await asyncio.sleep(0.02)

            yield Caller(client.get, lambda one: one.from_cache, lambda one: one.content, settled=settled)

    return opened


def _sqlite(folder: Path, redis: str) -> Any:
    from asyncapi import SQLiteStore

    return SQLiteStore(folder / "asyncapi")


def _redis(folder: Path, redis: str) -> Any:
    from asyncapi import RedisStore
    from asyncapi.stores import FileStore

    if not redis:
        raise RuntimeError("redis-server is not installed")
    return RedisStore(redis, name="ours", key=FileStore.new_key())


def _httpx(make: Callable[[Path, str, Any], Any] | None, *, waits: bool) -> Any:
    @asynccontextmanager
    async def opened(folder: Path, redis: str) -> AsyncIterator[Caller]:
        import httpx

        def handler(request: httpx.Request) -> httpx.Response:
            status, headers, body = respond(request.url.path, request.headers.get("If-None-Match"))
            return httpx.Response(status, headers=headers, content=body)

        transport: Any = httpx.MockTransport(handler)
        if make is not None:
            transport = make(folder, redis, transport)
        said = _said_by_hishel if make is not None else lambda _: ""
        if waits:
            async with httpx.AsyncClient(base_url=_ORIGIN, transport=transport) as client:
                yield Caller(client.get, said, lambda one: one.content)
        else:
            with httpx.Client(base_url=_ORIGIN, transport=transport) as blocking:
                yield Caller(blocking.get, said, lambda one: one.content, waits=False)

    return opened


def _said_by_hishel(response: Any) -> str:
    status = response.extensions["caching"]
    return "revalidated" if status["revalidated"] else "fresh" if status["from_cache"] else ""


def _hishel(folder: Path, redis: str, transport: Any) -> Any:
    import hishel.httpx

    return hishel.httpx.CacheTransport(
        transport,
        storage=hishel.SqliteStorage(database_path=folder / "hishel"),
        rfc=hishel.CacheOptions(shared=False),
    )


def _hishel_async(folder: Path, redis: str, transport: Any) -> Any:
    import hishel.httpx

    return hishel.httpx.AsyncCacheTransport(
        transport,
        storage=hishel.AsyncSqliteStorage(database_path=folder / "hishel-async"),
        rfc=hishel.CacheOptions(shared=False),
    )


def _hishel_redis(folder: Path, redis: str, transport: Any) -> Any:
    import hishel.httpx
    from redis.asyncio import Redis

    if not redis:
        raise RuntimeError("redis-server is not installed")
    return hishel.httpx.AsyncCacheTransport(
        transport, storage=hishel.AsyncRedisStorage(Redis.from_url(redis)), rfc=hishel.CacheOptions(shared=False)
    )


def _requests(*, cached: bool) -> Any:
    @asynccontextmanager
    async def opened(folder: Path, redis: str) -> AsyncIterator[Caller]:
        if cached:
            from requests_cache import CachedSession, SQLiteCache

            session: Any = CachedSession(backend=SQLiteCache(folder / "requests", wal=True), cache_control=True)
        else:
            from requests import Session

            session = Session()

        def said(response: Any) -> str:
            if getattr(response, "revalidated", False):
                return "revalidated"
            return "fresh" if getattr(response, "from_cache", False) else ""

        session.trust_env = False
        session.mount(_ORIGIN, _adapter())
        with session:
            yield Caller(lambda path: session.get(_ORIGIN + path), said, lambda one: one.content, waits=False)

    return opened


def _adapter() -> Any:
    """What stands in for the network in `requests`: a response of urllib3, as its own adapter has one."""
    from io import BytesIO

    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPResponse

    class Adapter(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            status, headers, body = respond(request.path_url, request.headers.get("If-None-Match"))
            return self.build_response(
                request,
                HTTPResponse(
                    BytesIO(body), headers, status, preload_content=False, decode_content=False, request_url=request.url
                ),
            )

    return Adapter()


def redis_command() -> list[str] | None:
    """The command that starts a Redis server, without its port; None where none is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    return None if program is None else [program, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


FLOOR, MEMORY, SQLITE = "asyncapi, no cache", "asyncapi, memory", "asyncapi, SQLite"
CONTESTANTS: Mapping[str, Any] = {
    FLOOR: _ours(None, cached=False),
    MEMORY: _ours(None),
    SQLITE: _ours(_sqlite),
    "asyncapi, Redis": _ours(_redis),
    "httpx, no cache": _httpx(None, waits=True),
    "httpx with hishel, SQLite": _httpx(_hishel_async, waits=True),
    "httpx with hishel, Redis": _httpx(_hishel_redis, waits=True),
    "httpx, blocking, no cache": _httpx(None, waits=False),
    "httpx, blocking, with hishel, SQLite": _httpx(_hishel, waits=False),
    "requests, no cache": _requests(cached=False),
    "requests-cache, SQLite": _requests(cached=True),
}
