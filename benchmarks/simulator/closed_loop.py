"""One client that always has work, against a server whose capacity is hidden and changes: a pure event heap.

It drives an adaptive limit (`asyncapi.sansio.limits.adaptive`) by itself: as many attempts in flight as the limit
says, the next one sent as soon as one ends, a rejected one included. Nothing stands between: the limit alone is seen.
The server has so many workers, a service time with jitter, and a queue with a bound; over it, it answers 503 at once.
When its capacity falls, what is being served is finished, and what waits stays in the queue.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

REJECTION = 0.005  # seconds until a 503 comes back
PATIENCE = 10.0  # seconds after which an attempt is given up


class Limit(Protocol):
    """What is driven: see `asyncapi.sansio.limits.adaptive`."""

    limit: float

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None: ...


@dataclass(frozen=True)
class Phase:
    """A stretch of the server's life: so many workers, each needing `service` seconds a request, from `start` on."""

    start: float
    workers: int
    service: float = 0.1


@dataclass
class Second:
    """What happened in one second."""

    capacity: float = 0.0
    busy: float = 0.0
    sent: int = 0
    ok: int = 0
    rejected: int = 0
    limit: float = 0.0
    latency: float = 0.0


@dataclass
class Seen:
    """What happened, second by second."""

    seconds: list[Second] = field(default_factory=list)

    def utilisation(self, start: float, end: float) -> float:
        """Share of the workers' time that was used."""
        part = self.seconds[round(start) : round(end)]
        return sum(one.busy for one in part) / sum(one.capacity for one in part)

    def rejections(self, start: float, end: float) -> float:
        """Share of what was sent that came back as 503."""
        part = self.seconds[round(start) : round(end)]
        return sum(one.rejected for one in part) / max(1, sum(one.sent for one in part))

    def latency(self, start: float, end: float) -> float:
        """Mean seconds of an accepted attempt."""
        part = self.seconds[round(start) : round(end)]
        return sum(one.latency for one in part) / max(1, sum(one.ok for one in part))

    def settled(self, start: float, end: float, least: float = 0.9, over: int = 3) -> float:
        """Seconds from `start` until all stretches of `over` seconds up to `end` used this share of the workers."""
        for first in reversed(range(round(start), round(end) - over + 1)):
            if self.utilisation(first, first + over) < least:
                return first + 1 - start
        return 0.0


def uniform(chance: random.Random) -> float:
    """+-30 %."""
    return 0.7 + 0.6 * chance.random()


def exponential(chance: random.Random) -> float:
    """As M/M/c: as often short as long, now and then very long."""
    return chance.expovariate(1.0)


def tailed(chance: random.Random) -> float:
    """Mostly even, every fiftieth ten times as long."""
    return (0.9 + 0.2 * chance.random()) * (10.0 if chance.random() < 0.02 else 1.0)


class ClosedLoop:
    """The whole simulation; `run` it once.

    Args:
        limit: What decides how many attempts are in flight; several for as many clients of one server.
        phases: The server's life, in order.
        queue: Requests that may wait at the server, as a share of its workers.
        shape: Draws a service time relative to its mean.
        errors: Share of requests answered 503 for no reason of load.
        demand: The most attempts the client has use for at a time.
        seed: Of everything.
    """

    def __init__(
        self,
        limit: Limit | Sequence[Limit],
        phases: Sequence[Phase],
        *,
        queue: float = 1.0,
        shape: Callable[[random.Random], float] = uniform,
        errors: float = 0.0,
        demand: int = 10_000,
        seed: int = 1,
    ) -> None:
        self._limits = [limit] if hasattr(limit, "on_sample") else list(limit)
        self._phases, self._queue, self._shape = list(phases), queue, shape
        self._errors, self._demand, self._chance = errors, demand, random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._number = self._busy = 0
        self._in_flight = [0] * len(self._limits)
        self._waiting: deque[tuple[int, float]] = deque()  # whose each is, and when it was sent
        self._now = 0.0
        self._phase = self._phases.pop(0)
        self.seen = Seen()
        self.ok, self.rejected = [0] * len(self._limits), [0] * len(self._limits)  # of each client

    def run(self, seconds: int) -> Seen:
        """Let it run."""
        self.seen.seconds = [Second() for _ in range(seconds + 1)]
        for phase in self._phases:
            self._at(phase.start, self._turn, phase)
        for client in range(len(self._limits)):
            self._fill(client)
        while self._events and self._events[0][0] < seconds:
            when, _, what, arguments = heappop(self._events)
            self._spend(when)
            what(*arguments)
        self._spend(seconds)
        self.seen.seconds.pop()
        return self.seen

    def _at(self, when: float, what: Callable[..., None], *arguments: object) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, what, arguments))

    def _spend(self, until: float) -> None:
        """Account for the workers' time up to `until`."""
        for start, end in _whole_seconds(self._now, until):
            one = self.seen.seconds[int(start)]
            one.busy += min(self._busy, self._phase.workers) * (end - start)
            one.capacity += self._phase.workers * (end - start)
            one.limit = sum(limit.limit for limit in self._limits)
        self._now = until

    def _turn(self, phase: Phase) -> None:
        self._phase = phase
        self._serve()

    def _fill(self, client: int) -> None:
        while self._in_flight[client] < min(int(self._limits[client].limit), self._demand):
            self._in_flight[client] += 1
            self._second.sent += 1
            self._arrive(client, self._now)

    @property
    def _second(self) -> Second:
        return self.seen.seconds[int(self._now)]

    def _arrive(self, client: int, sent: float) -> None:
        full = len(self._waiting) >= int(self._queue * self._phase.workers) and self._busy >= self._phase.workers
        if full or self._chance.random() < self._errors:
            self._at(self._now + REJECTION * (0.5 + self._chance.random()), self._end, client, sent, True)
            return
        self._waiting.append((client, sent))
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._busy < self._phase.workers:
            self._busy += 1
            self._at(self._now + self._phase.service * self._shape(self._chance), self._done, *self._waiting.popleft())

    def _done(self, client: int, sent: float) -> None:
        self._busy -= 1
        self._serve()  # who waits goes before the next to arrive
        self._end(client, sent, False)

    def _end(self, client: int, sent: float, rejected: bool) -> None:
        latency = self._now - sent
        self._second.rejected += rejected
        self._second.ok += not rejected
        self._second.latency += 0.0 if rejected else latency
        self.ok[client] += not rejected
        self.rejected[client] += rejected
        self._limits[client].on_sample(self._now, latency, self._in_flight[client], rejected or latency > PATIENCE)
        self._in_flight[client] -= 1
        self._fill(client)


def _whole_seconds(start: float, end: float) -> Iterable[tuple[float, float]]:
    while start < end:
        stop = min(end, int(start) + 1.0)
        yield start, stop
        start = stop
