"""A server in virtual time, with a hidden capacity and bad days: what storms break on.

It has workers, a service time with jitter, and a queue with a bound; over it, it answers 503 at once. A request whose
client has gone is served all the same, as most servers do: retries of what timed out are work on top of work. What is
wrong with it changes by a schedule: fewer workers (brown-out), no connection (outage), 503 for everything, some
answers very slow, or a quota with 429 and Retry-After.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from math import ceil

TRIP = 0.005  # seconds to the server and back

Answer = tuple[int, dict[str, str]]


class Refused(Exception):
    """No connection."""


@dataclass
class Condition:
    """How the server is from `start` on.

    Attributes:
        workers: Requests served at a time.
        refuses: It takes no connections.
        broken: It answers 503 to everything.
        quota: Requests per `window` seconds, the windows one after the other; None for no quota.
        tail: Share of answers that take `slow` seconds.
    """

    start: float = 0.0
    workers: int = 20
    service: float = 0.1
    queue: int = 100
    refuses: bool = False
    broken: bool = False
    quota: int | None = None
    window: float = 5.0
    tail: float = 0.0
    slow: float = 2.0


@dataclass
class Server:
    """The running server; made inside the loop."""

    conditions: list[Condition]
    seed: int = 1
    arrived: dict[int, int] = field(default_factory=dict)  # by second

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chance = random.Random(self.seed)
        self._now = self.conditions[0]
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._window, self._used = -1, 0
        for condition in self.conditions[1:]:
            self._loop.call_at(condition.start, self._turn, condition)

    async def serve(self) -> Answer:
        """One request.

        Raises:
            Refused: No connection.
        """
        now = self._loop.time()
        self.arrived[int(now)] = self.arrived.get(int(now), 0) + 1
        condition = self._now
        if condition.refuses:
            await asyncio.sleep(TRIP)
            raise Refused
        if condition.broken:
            await asyncio.sleep(TRIP)
            return 503, {}
        if condition.quota is not None and (wait := self._over(condition, now)) is not None:
            await asyncio.sleep(TRIP)
            return 429, {"Retry-After": str(ceil(wait))}
        if self._busy >= condition.workers and len(self._waiting) >= condition.queue:
            await asyncio.sleep(TRIP)
            return 503, {}
        done = self._loop.create_future()
        self._waiting.append(done)
        self._work()
        await done
        return 200, {}

    def _over(self, condition: Condition, now: float) -> float | None:
        """Seconds until the quota is whole again, if it is used up."""
        if int(now / condition.window) != self._window:
            self._window, self._used = int(now / condition.window), 0
        self._used += 1
        return None if self._used <= (condition.quota or 0) else (self._window + 1) * condition.window - now

    def _turn(self, condition: Condition) -> None:
        self._now = condition
        self._work()

    def _work(self) -> None:
        condition = self._now
        while self._waiting and self._busy < condition.workers:
            self._busy += 1
            seconds = condition.service * (0.7 + 0.6 * self._chance.random())
            if self._chance.random() < condition.tail:
                seconds = condition.slow
            self._loop.call_later(seconds + TRIP, self._done, self._waiting.popleft())

    def _done(self, done: asyncio.Future[None]) -> None:
        self._busy -= 1
        if not done.done():
            done.set_result(None)
        self._work()
