"""What stands between a caller and the server: this SDK's real layers, and what people have today.

Each policy is a context manager that gives `call()`: True for an answer, False for a failure. The others are written
from their documentation and sources, over the same server, with an attempt's time limit of ten seconds as the SDK's:

    none         one attempt
    fixed x3     three retries a second apart, of whatever failed: the loop that everybody has written
    urllib3      Retry(total=3, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504]): no wait before the
                 first retry, then 1 and 2 s, without jitter; Retry-After of 413, 429 and 503 is followed
    openai       openai-python's default: two retries of 408, 409, 429, 5xx, no answer; 0.5 s doubling to 8 s, less up
                 to a quarter; Retry-After up to a minute
    aws          the AWS SDKs' standard mode: three attempts, full jitter over 1, 2 s; a quota of 500 of which a retry
                 costs 5 and one after a time-out 10, paid back by success, and by 1 for a call without a retry
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncapi import AsyncAPIError, Client, ConnectError
from asyncapi.testing import FakeClock, MockTransport, reply

from .server import Refused, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ATTEMPT = 10.0  # seconds


class Failed(Exception):
    """An attempt without a usable answer: `status` 0 is no connection, -1 a time-out."""

    def __init__(self, status: int, wait: float | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.wait = wait


async def _attempt(server: Server) -> None:
    try:
        async with asyncio.timeout(ATTEMPT):
            status, headers = await server.serve()
    except Refused:
        raise Failed(0) from None
    except TimeoutError:
        raise Failed(-1) from None
    if status != 200:
        raise Failed(status, float(headers["Retry-After"]) if "Retry-After" in headers else None)


class Today:
    """A retry loop: what differs is `waits`, what to wait before each retry, None for none."""

    def __init__(self, server: Server, seed: int, waits: Callable[[Today, int, Failed], float | None]) -> None:
        self.random = random.Random(seed).random
        self.quota = 500.0
        self._server, self._waits = server, waits

    async def call(self) -> bool:
        retries = 0
        while True:
            try:
                await _attempt(self._server)
            except Failed as failure:
                wait = self._waits(self, retries, failure)
                if wait is None:
                    return False
                await asyncio.sleep(wait)
                retries += 1
                cost = 10.0 if failure.status == -1 else 5.0
            else:
                self.quota = min(500.0, self.quota + (cost if retries else 1.0))
                return True


def _none(_: Today, __: int, ___: Failed) -> float | None:
    return None


def _fixed(_: Today, retries: int, __: Failed) -> float | None:
    return 1.0 if retries < 3 else None


def _urllib3(_: Today, retries: int, failure: Failed) -> float | None:
    if retries >= 3:
        return None
    if failure.wait is not None and failure.status in {413, 429, 503}:
        return failure.wait
    return 0.5 * 2**retries if retries else 0.0


def _openai(self: Today, retries: int, failure: Failed) -> float | None:
    if retries >= 2:
        return None
    if failure.wait is not None and 0 < failure.wait <= 60:
        return failure.wait
    return min(0.5 * 2**retries, 8.0) * (1 - 0.25 * self.random())


def _aws(self: Today, retries: int, failure: Failed) -> float | None:
    cost = 10.0 if failure.status == -1 else 5.0
    if retries >= 2 or self.quota < cost:
        return None
    self.quota -= cost
    return self.random() * min(2.0**retries, 20.0)


TODAY = {"none": _none, "fixed x3": _fixed, "urllib3": _urllib3, "openai": _openai, "aws": _aws}


@asynccontextmanager
async def policy(name: str, server: Server, seed: int, **settings: Any) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """A running policy; `settings` are the Client's, for the SDK."""
    if name in TODAY:
        yield Today(server, seed, TODAY[name]).call
        return
    clock = FakeClock(seed)

    async def handler(_: object) -> Any:
        try:
            status, headers = await server.serve()
        except Refused:
            raise ConnectError("refused") from None
        return reply(status, headers=headers)

    transport = MockTransport(handler, clock=clock)
    async with Client("http://server.invalid", transport=transport, clock=clock, **settings) as client:

        async def call() -> bool:
            try:
                await client.get("/")
            except AsyncAPIError:
                return False
            return True

        yield call
