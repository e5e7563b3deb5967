"""The server behind the daemons: it runs in the test, answers as the test says, and remembers what came and when."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from servers import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@dataclass(frozen=True)
class Arrival:
    """One request that came in.

    Attributes:
        method: Its method.
        path: Its path and query.
        at: When, on the monotonic clock.
        wall: When, in seconds since the Unix epoch.
        visit: How often it has come, this time included: by method and path.
        beside: Requests under way when it came, itself included.
    """

    method: str
    path: str
    at: float
    wall: float
    visit: int
    beside: int


async def plain(request: web.Request, arrival: Arrival) -> web.StreamResponse:
    """The usual answer."""
    return web.json_response({"path": arrival.path}, headers={"X-Visit": str(arrival.visit)})


@dataclass
class Upstream:
    """What is behind the daemons."""

    answer: Callable[[web.Request, Arrival], Awaitable[web.StreamResponse]] = plain
    address: str = ""  # host:port
    arrivals: list[Arrival] = field(default_factory=list)
    visits: Counter[tuple[str, str]] = field(default_factory=Counter)
    inside: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        key = request.method, request.path_qs
        self.visits[key] += 1
        self.inside += 1
        arrival = Arrival(*key, time.monotonic(), time.time(), self.visits[key], self.inside)
        self.arrivals.append(arrival)
        try:
            await request.read()
            return await self.answer(request, arrival)
        finally:
            self.inside -= 1


@asynccontextmanager
async def serving() -> AsyncIterator[Upstream]:
    """A listening upstream."""
    upstream = Upstream()
    async with application(web.route("*", "/{path:.*}", upstream.serve)) as url:
        upstream.address = url.removeprefix("http://")
        yield upstream
