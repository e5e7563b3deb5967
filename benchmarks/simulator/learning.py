"""One policy in one trouble: calls come by a clock of their own, whatever becomes of them; and what is counted.

failed      of all calls but those to poison routes, which nothing can save
sent        attempts that reached the host, for each call
mean, p99   seconds of all calls that count, and of those that got a response
fresh       share that got a response of the usual host; the rest of the good ones is `degraded`
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi import AsyncAPIError, Client, ConnectError, ProtocolError, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

from .contenders import WAITS, Contender
from .server import Refused, Server
from .troubles import HANGS, REFUSED, RESET, TRIP, Asked, Trouble, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .troubles import Answer

FOREVER = 1e6  # seconds


@dataclass
class Counted:
    """What one run, or several together, came to."""

    calls: int = 0
    failed: int = 0
    degraded: int = 0
    poison: int = 0
    sent: int = 0
    late: int = 0  # calls that ended after their deadline
    seconds: float = 0.0
    took: list[float] = field(default_factory=list)  # of the calls that got a response

    def add(self, other: Counted) -> None:
        """Count another run in."""
        for name in ("calls", "failed", "degraded", "poison", "sent", "late", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.took += other.took

    def figures(self) -> dict[str, float]:
        """As the table shows it."""
        took = sorted(self.took) or [0.0]
        counted = max(1, self.calls - self.poison)
        return {
            "failed": self.failed / counted,
            "degraded": self.degraded / counted,
            "sent": self.sent / max(1, self.calls),
            "mean": self.seconds / counted,
            "p50": took[len(took) // 2],
            "p99": took[int(len(took) * 0.99)],
            "late": self.late,
        }


def measure(trouble: Trouble, policy: str | dict[str, Any], seeds: Sequence[int] = (1, 2, 3, 4, 5)) -> dict[str, float]:
    """Run one policy through one trouble: the name of a contender, or the settings of a Client."""
    whole = Counted()
    for seed in seeds:
        whole.add(run(_run(trouble, policy, seed)))
    return whole.figures()


class _Host:
    """The troubled host, as attempts reach it."""

    def __init__(self, trouble: Trouble, seed: int) -> None:
        self._trouble, self._world = trouble, World(seed)
        self._server = Server(list(trouble.conditions), seed) if trouble.conditions else None
        self._loop = asyncio.get_running_loop()
        self.sent = 0

    async def answer(self, path: str, method: str, host: str) -> Answer:
        """One attempt."""
        self.sent += 1
        if self._server is not None:
            try:
                status, headers = await self._server.serve()
            except Refused:
                return REFUSED, TRIP, {}
            return status, 0.0, headers
        assert self._trouble.answer is not None
        status, seconds, headers = self._trouble.answer(self._world, Asked(self._loop.time(), path, method, host))
        await asyncio.sleep(FOREVER if status == HANGS else seconds)
        return status, seconds, headers


async def _run(trouble: Trouble, policy: str | dict[str, Any], seed: int) -> Counted:
    loop, chance, counted = asyncio.get_running_loop(), random.Random(seed), Counted()
    host = _Host(trouble, seed)
    start = _contender if isinstance(policy, str) else _client
    call, close = start(trouble, policy, host, seed)  # type: ignore[arg-type]

    async def one(number: int) -> None:
        poisoned = trouble.poison > 0 and chance.random() < trouble.poison
        path = f"/poison/{number % 3}" if poisoned else trouble.paths(number)
        method = "POST" if trouble.posts and chance.random() < trouble.posts else "GET"
        began = loop.time()
        outcome = await call(path, method)
        took = loop.time() - began
        counted.calls += 1
        counted.late += took > trouble.total + 0.01
        if poisoned:
            counted.poison += 1
            return
        counted.failed += outcome == "failed"
        counted.degraded += outcome == "degraded"
        counted.seconds += took
        if outcome != "failed":
            counted.took.append(took)

    try:
        async with asyncio.TaskGroup() as tasks:
            number = 0
            while loop.time() < trouble.seconds:
                for _ in range(trouble.burst):
                    tasks.create_task(one(number))
                    number += 1
                await asyncio.sleep(chance.expovariate(trouble.rate / trouble.burst))
                if trouble.pause[0] <= loop.time() < trouble.pause[1]:
                    await asyncio.sleep(trouble.pause[1] - loop.time())
    finally:
        await close()
    counted.sent = host.sent
    return counted


Called = tuple["Callable[[str, str], Awaitable[str]]", "Callable[[], Awaitable[None]]"]


def _place(path: str) -> tuple[str, str]:
    """The host and the path of a call: "b/items" goes to another host than "/items"."""
    first, slash, rest = path.partition("/")
    return first or "a", slash + rest


def _contender(trouble: Trouble, name: str, host: _Host, seed: int) -> Called:
    client = Contender(name, seed)

    async def call(path: str, method: str) -> str:
        place, rest = _place(path)

        def attempt() -> Awaitable[Answer]:
            return host.answer(rest, method, place)

        ok = await client.call(attempt, limit=trouble.attempt, total=trouble.total, resends=method != "POST")
        return "good" if ok else "failed"

    return call, _nothing


def _client(trouble: Trouble, settings: dict[str, Any], host: _Host, seed: int) -> Called:
    clock = FakeClock(seed)

    async def handler(request: Any) -> Any:
        status, _, headers = await host.answer(request.url.path, request.method, request.url.host)
        if status == REFUSED:
            raise ConnectError("refused")
        if status == RESET:
            raise ProtocolError("the connection was closed")
        return reply(status, headers=headers)

    usual: dict[str, Any] = {
        "timeout": Timeout(total=trouble.total, attempt=min(trouble.attempt, trouble.total)),
        "concurrency": 1000,
        "transport": MockTransport(handler, clock=clock),
        "clock": clock,
    }
    client = Client("http://a", **(usual | settings))

    async def call(path: str, method: str) -> str:
        place, rest = _place(path)
        try:
            response = await client.request(method, f"http://{place}{rest}", route=rest.split("/")[1])
        except AsyncAPIError:
            return "failed"
        return "degraded" if response.degraded else "good"

    return call, client.aclose


async def _nothing() -> None:
    return None


CONTENDERS = tuple(WAITS)
