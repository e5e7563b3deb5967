"""Many workers, one pacer, one server that counts: virtual time, a seeded event heap.

Each worker always has a next request. They stand in one line before the pacer, as the rate layer has them stand; an
attempt takes a round trip with jitter, and the server counts it when it arrives, half-way.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil
from typing import TYPE_CHECKING, Protocol

from asyncapi.sansio.limits.ratelimit_headers import quotas

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.limits.pacing import Pacer

EPOCH = 1_700_000_000.0


class Server(Protocol):
    """What is hidden."""

    def answer(self, now: float) -> tuple[int, dict[str, str]]:
        """Status and headers of a request that arrives now."""
        ...


class TokenBucket:
    """`rate` a second, at most `burst` at once.

    Args:
        told: Headers of every answer, from (tokens left, seconds until full, now); none without.
        retry_after: Whether a 429 has it, in whole seconds.
    """

    def __init__(
        self,
        rate: float = 100.0,
        burst: float = 20.0,
        *,
        told: Callable[[float, float, float], dict[str, str]] | None = None,
        retry_after: bool = True,
    ) -> None:
        self.rate, self.burst, self._told, self._retry_after = rate, burst, told, retry_after
        self._tokens, self._at = burst, 0.0

    def answer(self, now: float) -> tuple[int, dict[str, str]]:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        ok = self._tokens >= 1
        self._tokens -= ok
        headers = self._told(self._tokens, (self.burst - self._tokens) / self.rate, now) if self._told else {}
        if not ok and self._retry_after:
            headers["Retry-After"] = str(ceil((1 - self._tokens) / self.rate))
        return (200 if ok else 429), headers


class FixedWindow:
    """`amount` a window; the windows follow each other from time 0."""

    def __init__(
        self,
        amount: int,
        window: float,
        *,
        told: Callable[[float, float, float], dict[str, str]] | None = None,
        retry_after: bool = True,
    ) -> None:
        self.rate, self._amount, self._window, self._told, self._retry_after = (
            amount / window, amount, window, told, retry_after,
        )  # fmt: skip
        self._number, self._used = 0, 0

    def answer(self, now: float) -> tuple[int, dict[str, str]]:
        if int(now / self._window) != self._number:
            self._number, self._used = int(now / self._window), 0
        ok = self._used < self._amount
        self._used += ok
        left = (self._number + 1) * self._window - now
        headers = self._told(self._amount - self._used, left, now) if self._told else {}
        if not ok and self._retry_after:
            headers["Retry-After"] = str(ceil(left))
        return (200 if ok else 429), headers


class Fickle:
    """Refuses a share of what comes, whatever the rate; asks `inner`, if there is one, for the rest."""

    def __init__(
        self, share: float, *, retry_after: str | None = "1", inner: Server | None = None, seed: int = 7
    ) -> None:
        self._share, self._retry_after, self._inner, self._chance = share, retry_after, inner, random.Random(seed)

    def answer(self, now: float) -> tuple[int, dict[str, str]]:
        if self._chance.random() < self._share:
            return 429, {} if self._retry_after is None else {"Retry-After": self._retry_after}
        return (200, {}) if self._inner is None else self._inner.answer(now)


class EachForItself:
    """Holds nobody: a refused request waits alone, as with `pace=False`. Asked as a `Pacer` is."""

    def __init__(self) -> None:
        self._number = 0

    def delay(self, now: float) -> float:
        return 0.0

    def take(self, now: float) -> None:
        """Nothing is counted."""

    def begin(self) -> int:
        self._number += 1
        return self._number

    def observe(self, now: float, **_: object) -> None:
        """Nothing is learned."""


@dataclass
class Seen:
    """What happened, by second of arrival at the server; and what must never happen."""

    ok: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    broken: int = 0  # attempts sent in a pause that concerns everybody, but for one a minute
    busiest: int = 0  # the most sent within one hundredth of a second, after the first pause

    def rate(self, start: int, end: int) -> float:
        """Accepted per second."""
        return sum(self.ok[start:end]) / (end - start)

    def refusals(self, start: int, end: int) -> float:
        """Share of 429s."""
        refused = sum(self.refused[start:end])
        return refused / max(1, refused + sum(self.ok[start:end]))


class Workers:
    """The whole simulation; `run` it once."""

    def __init__(
        self,
        pacer: Pacer | EachForItself,
        server: Server,
        *,
        workers: int = 200,
        round_trip: float = 0.05,
        seed: int = 1,
    ) -> None:
        self._pacer, self._server, self._count = pacer, server, workers
        self._round_trip, self._chance = round_trip, random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._number = 0
        self._line: deque[int] = deque(range(workers))
        self._timer = float("inf")
        self._not_before = self._asked_at = float("-inf")
        self._sent: deque[float] = deque()
        self.seen = Seen()

    def run(self, seconds: int) -> Seen:
        """Let it run."""
        self.seen.ok, self.seen.refused = [0] * (seconds + 10), [0] * (seconds + 10)
        self._serve(0.0)
        while self._events and self._events[0][0] < seconds:
            when, _, what, arguments = heappop(self._events)
            what(when, *arguments)
        return self.seen

    def _at(self, when: float, what: Callable[..., None], *arguments: object) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, what, arguments))

    def _serve(self, now: float) -> None:
        if now >= self._timer - 1e-9:
            self._timer = float("inf")
        while self._line:
            wait = self._pacer.delay(now)
            if wait > 1e-9:
                if now + wait < self._timer:
                    self._timer = now + wait
                    self._at(self._timer, self._serve)
                return
            self._line.popleft()
            self._send(now)

    def _send(self, now: float) -> None:
        self._pacer.take(now)
        self._check(now)
        if self._not_before > float("-inf"):
            self._sent.append(now)
            while self._sent[0] < now - 0.01:
                self._sent.popleft()
            self.seen.busiest = max(self.seen.busiest, len(self._sent))
        trip = self._round_trip * (0.8 + 0.4 * self._chance.random())
        self._at(now + trip / 2, self._arrive, self._pacer.begin(), now, trip / 2)

    def _check(self, now: float) -> None:
        pause = getattr(self._pacer, "pause", None)
        if pause is None or now >= pause.until - 1e-9:
            return
        self.seen.broken += now < self._asked_at + 60.0 - 1e-9
        self._asked_at = now

    def _arrive(self, now: float, number: int, sent_at: float, way_back: float) -> None:
        status, headers = self._server.answer(now)
        (self.seen.ok if status == 200 else self.seen.refused)[int(now)] += 1
        self._at(now + way_back, self._back, number, sent_at, status, headers)

    def _back(self, now: float, number: int, sent_at: float, status: int, headers: dict[str, str]) -> None:
        wait = float(headers["Retry-After"]) if "Retry-After" in headers else None
        if wait is not None:
            self._not_before = max(self._not_before, now + wait)
            self._asked_at = now
        stated = quotas(headers, EPOCH + now)
        self._pacer.observe(now, number=number, sent_at=sent_at, quotas=stated, status=status, retry_after=wait)
        if wait:  # the refused call itself waits for as long as it was told: layers/retry.py
            self._at(now + wait, self._stand, number)
        else:
            self._line.append(number)
        self._serve(now)

    def _stand(self, now: float, number: int) -> None:
        self._line.append(number)
        self._serve(now)
