"""Clients in virtual time at hosts that refuse: open loops with deadlines, closed loops of single calls, and maps.

The client is real, with all its layers; the host is a function of the time. What is counted is what the callers see,
and what the host sees: refusals, and refused calls that were sent again early.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi import AsyncAPIError, Client, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi import Request, Response

ROUND_TRIP = 0.1  # seconds, within a fifth
LIVES = 10.0  # seconds that a call of an open loop has


@dataclass
class Seen:
    """What the callers and the host saw.

    Attributes:
        ok: Calls answered.
        failed: Calls that were not.
        took: Seconds of each call.
        taken: Attempts that the host took.
        refused: Attempts that it refused.
        early: Attempts of a refused call sent again before the time that it was told.
        lasted: Seconds until all had ended.
    """

    ok: int = 0
    failed: int = 0
    took: list[float] = field(default_factory=list)
    taken: int = 0
    refused: int = 0
    early: int = 0
    lasted: float = 0.0

    @property
    def share(self) -> float:
        """Of the calls, those that failed."""
        return self.failed / max(1, self.ok + self.failed)

    @property
    def median(self) -> float:
        """Of the calls' seconds."""
        return sorted(self.took)[len(self.took) // 2]

    @property
    def refusals(self) -> float:
        """Of the attempts, those that were refused."""
        return self.refused / max(1, self.refused + self.taken)


class Host:
    """A host that refuses a share at random, and all that its bucket has no token for.

    Args:
        seed: Of everything.
        share: Refused at random.
        bucket: Attempts a second; None for any number.
        burst: At once.
        retry_after: What its refusals tell; None for nothing.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.0,
        bucket: float | None = None,
        burst: float = 20.0,
        retry_after: str | None = "1",
    ) -> None:
        self._chance = random.Random(seed * 7 + 1)
        self._share, self._bucket, self._burst, self._retry_after = share, bucket, burst, retry_after
        self._tokens, self._at = burst, 0.0
        self._not_before: dict[str, float] = {}
        self.seen = Seen()

    async def answer(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time()
        path = request.url.path
        self.seen.early += now < self._not_before.pop(path, 0.0) - 1e-9
        await asyncio.sleep(ROUND_TRIP * (0.8 + 0.4 * self._chance.random()))
        if self._takes():
            self.seen.taken += 1
            return reply(200)
        self.seen.refused += 1
        if self._retry_after is None:
            return reply(429)
        self._not_before[path] = asyncio.get_running_loop().time() + float(self._retry_after)
        return reply(429, headers={"Retry-After": self._retry_after})

    def _takes(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._bucket is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._bucket)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
        return self._chance.random() >= self._share


def _client(host: Host, seed: int, settings: dict[str, Any]) -> Client:
    clock = FakeClock(seed)
    settings = {"concurrency": 1000, **settings}
    return Client("http://h", transport=MockTransport(host.answer, clock=clock), clock=clock, **settings)


async def _call(api: Client, path: str, seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await api.get(path)
        seen.ok += 1
    except AsyncAPIError:
        seen.failed += 1
    seen.took.append(loop.time() - began)


def open_loop(rate: float, make: Callable[[], Host], *, seed: int, seconds: float = 120.0, **settings: Any) -> Seen:
    """Calls that come at this rate whether or not earlier ones have ended, each with ten seconds to live."""

    async def drive() -> Seen:
        loop, host, chance, number = asyncio.get_running_loop(), make(), random.Random(seed), 0
        limits = {"timeout": Timeout(total=LIVES, attempt=LIVES / 2), **settings}
        async with _client(host, seed, limits) as api, asyncio.TaskGroup() as calls:
            while loop.time() < seconds:
                await asyncio.sleep(chance.expovariate(rate))
                number += 1
                calls.create_task(_call(api, f"/{number}", host.seen))
        return host.seen

    return run(drive())


def callers(count: int, make: Callable[[], Host], *, seed: int, seconds: float = 60.0, **settings: Any) -> Seen:
    """So many callers, each with a next single call as soon as its last has ended."""

    async def drive() -> Seen:
        loop, host, number = asyncio.get_running_loop(), make(), 0

        async def caller(api: Client) -> None:
            nonlocal number
            while loop.time() < seconds:
                number += 1
                await _call(api, f"/{number}", host.seen)

        async with _client(host, seed, settings) as api, asyncio.TaskGroup() as calls:
            for _ in range(count):
                calls.create_task(caller(api))
        host.seen.lasted = loop.time()
        return host.seen

    return run(drive())


def fan_out(count: int, workers: int, make: Callable[[], Host], *, seed: int, **settings: Any) -> Seen:
    """A `map` over so many inputs."""

    async def drive() -> Seen:
        loop, host = asyncio.get_running_loop(), make()
        async with (
            _client(host, seed, settings) as api,
            api.map((f"/{number}" for number in range(count)), concurrency=workers) as outcomes,
        ):
            async for outcome in outcomes:
                host.seen.ok += outcome.ok
                host.seen.failed += not outcome.ok
                host.seen.took.append(outcome.elapsed)
        host.seen.lasted = loop.time()
        return host.seen

    return run(drive())
