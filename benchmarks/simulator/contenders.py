"""The retry policies of other SDKs and libraries, from their public documentation: what is measured beside ours.

Each decides what to wait before a retry, or that there is none. All get the same deadline and the same limit for one
attempt as the SDK; where theirs has no deadline, that is in their favour.

    none            one attempt
    aws standard    AWS SDKs and Tools Reference Guide, "Retry behavior": three attempts, full jitter over 1, 2 s up to
                    20; a quota of 500: a retry costs 5, one after a time-out 10; success pays back
    aws adaptive    the same, and a rate for the client that falls to 0.7 on a throttling response (429) and grows
                    by CUBIC after it
    openai-python   two retries of 408, 409, 429, 5xx and no response; 0.5 s doubling to 8 s, less up to a quarter;
                    Retry-After up to a minute
    azure-core      RetryPolicy: ten retries, backoff 0.8 s doubling to 120 s without jitter; 429, 5xx; Retry-After
    polly http      Microsoft.Extensions.Http.Resilience: three retries, 2 s exponential with jitter; 5xx, 408, 429
    resilience4j    Retry: three attempts, 0.5 s apart; of exceptions, which 5xx and no response are
    urllib3         Retry(total=3, backoff_factor=0.5): 0, 1, 2 s; 429, 500, 502, 503, 504; Retry-After
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .troubles import Answer

REFUSED, TIMED_OUT = 0, -2  # and -1, reset
_SERVER = frozenset({500, 502, 503, 504})
_NO_RESPONSE = frozenset({REFUSED, -1, TIMED_OUT})


@dataclass(frozen=True)
class Failure:
    """What an attempt came to: a status, 0 for no connection, -1 for a reset, -2 for a time-out."""

    status: int
    asked: float | None  # Retry-After


class Contender:
    """One client with such a policy; its quota and its rate are shared by all calls.

    Args:
        seed: Of its jitter.
        name: Which policy.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.random = random.Random(seed).random
        self.quota = 500.0
        self._waits = WAITS[name]
        self._throttle = _Throttle() if name == "aws adaptive" else None

    async def call(
        self, attempt: Callable[[], Awaitable[Answer]], *, limit: float, total: float, resends: bool
    ) -> bool:
        """Make one call: whether it got a good response."""
        try:
            async with asyncio.timeout(total):
                return await self._call(attempt, limit, resends=resends)
        except TimeoutError:
            return False

    async def _call(self, attempt: Callable[[], Awaitable[Answer]], limit: float, *, resends: bool) -> bool:
        retries, cost = 0, 0.0
        while True:
            if self._throttle is not None:
                await self._throttle.take()
            failure = await _try(attempt, limit)
            if self._throttle is not None:
                self._throttle.took(throttled=failure is not None and failure.status == 429)
            if failure is None:
                self.quota = min(500.0, self.quota + (cost if retries else 1.0))
                return True
            if not resends and failure.status not in {REFUSED, 429}:  # the same rule of safety for all
                return False
            wait = self._waits(self, retries, failure)
            if wait is None:
                return False
            cost = 10.0 if failure.status == TIMED_OUT else 5.0
            retries += 1
            await asyncio.sleep(wait)


async def _try(attempt: Callable[[], Awaitable[Answer]], limit: float) -> Failure | None:
    try:
        async with asyncio.timeout(limit):
            status, _, headers = await attempt()
    except TimeoutError:
        return Failure(TIMED_OUT, None)
    if status == 200:
        return None
    return Failure(status, float(headers["Retry-After"]) if "Retry-After" in headers else None)


class _Throttle:
    """The client's rate in AWS's adaptive mode: no limit until the first throttling response."""

    def __init__(self) -> None:
        self._rate = self._most = self._tokens = self._shrunk = self._filled = 0.0
        self._on = False
        self._sent: list[float] = []

    async def take(self) -> None:
        if not self._on:
            return
        while self._fill() < 1.0 - 1e-9:
            await asyncio.sleep(max(1e-3, (1.0 - self._tokens) / self._rate))
        self._tokens -= 1.0

    def took(self, *, throttled: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._sent = [at for at in self._sent if at > now - 1.0] + [now]
        measured = float(len(self._sent))
        if throttled:
            self._most = min(self._rate, measured) if self._on else measured
            rate = 0.7 * self._most
            self._shrunk, self._on = now, True
        elif self._on:  # CUBIC: a plateau at the old rate, then on
            plateau = (self._most * 0.3 / 0.4) ** (1 / 3)
            rate = 0.4 * (now - self._shrunk - plateau) ** 3 + self._most
        else:
            return
        self._rate = max(0.5, min(rate, 2 * measured))
        self._tokens = min(self._tokens, self._rate)

    def _fill(self) -> float:
        now = asyncio.get_running_loop().time()
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        return self._tokens


def _none(_: Contender, __: int, ___: Failure) -> float | None:
    return None


def _aws(self: Contender, retries: int, failure: Failure) -> float | None:
    cost = 10.0 if failure.status == TIMED_OUT else 5.0
    if retries >= 2 or not _usual(failure) or self.quota < cost:
        return None
    self.quota -= cost
    return self.random() * min(2.0**retries, 20.0)


def _openai(self: Contender, retries: int, failure: Failure) -> float | None:
    if retries >= 2 or not (_usual(failure) or failure.status in {408, 409}):
        return None
    if failure.asked is not None and 0 < failure.asked <= 60:
        return failure.asked
    return min(0.5 * 2**retries, 8.0) * (1 - 0.25 * self.random())


def _azure(_: Contender, retries: int, failure: Failure) -> float | None:
    if retries >= 10 or not _usual(failure):
        return None
    return failure.asked if failure.asked is not None else min(0.8 * 2**retries, 120.0)


def _polly_http(self: Contender, retries: int, failure: Failure) -> float | None:
    if retries >= 3 or not _usual(failure):
        return None
    return failure.asked if failure.asked is not None else 2.0 * 2**retries * (0.5 + self.random())


def _resilience4j(_: Contender, retries: int, failure: Failure) -> float | None:
    return 0.5 if retries < 2 and _usual(failure) and failure.status != 429 else None


def _urllib3(_: Contender, retries: int, failure: Failure) -> float | None:
    if retries >= 3 or not _usual(failure):
        return None
    if failure.asked is not None and failure.status in {429, 503}:
        return failure.asked
    return 0.5 * 2**retries if retries else 0.0


def _usual(failure: Failure) -> bool:
    return failure.status in _NO_RESPONSE or failure.status in _SERVER or failure.status == 429


WAITS: dict[str, Callable[[Contender, int, Failure], float | None]] = {
    "none": _none,
    "aws standard": _aws,
    "aws adaptive": _aws,
    "openai-python": _openai,
    "azure-core": _azure,
    "polly http": _polly_http,
    "resilience4j": _resilience4j,
    "urllib3": _urllib3,
}
