"""Troubles that a host may have: what learned retries are measured on.

A trouble says, for each attempt, what the host does with it: the status of its response, the seconds that takes, and
the response's headers. It knows the time, the path, the method and the host, and draws from its own seeded source, so
that it is the same trouble whoever calls. Troubles with a capacity (their `conditions`) run on `server.Server`.

Statuses that are none: `REFUSED` (no connection), `RESET` (the connection ends without a response), `HANGS` (nothing
comes back).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .server import TRIP, Condition

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED, RESET, HANGS = 0, -1, -2
UP, DOWN = 200, 503

Answer = tuple[int, float, dict[str, str]]


@dataclass
class World:
    """One run's host: its random source, and what it remembers of each path."""

    seed: int
    locks: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed * 7 + 1)

    def chance(self, share: float) -> bool:
        """Whether something happens that happens to this share."""
        return self._chance.random() < share

    def up(self, more: float = 0.0, times: float = 1.0) -> Answer:
        """A usual response."""
        return UP, (0.08 + 0.04 * self._chance.random()) * times + more, {}

    def locked(self, now: float, path: str, share: float, least: float, most: float) -> bool:
        """Whether this path is locked: a share of them are, for some time after they are first asked for."""
        until = self.locks.get(path)
        if until is None:
            seconds = least + (most - least) * self._chance.random()
            until = self.locks[path] = now + (seconds if self.chance(share) else 0.0)
        return now < until


@dataclass(frozen=True)
class Asked:
    """What an attempt asks for, and when."""

    now: float
    path: str
    method: str = "GET"
    host: str = "a"


@dataclass(frozen=True)
class Trouble:
    """A scenario.

    Attributes:
        title: For the table.
        answer: What the host does with an attempt; None where `conditions` say it.
        conditions: The life of a server with a capacity.
        poison: Share of the calls to routes that never work. They are counted apart: no policy can save them.
        paths: Gives each call its path, by its number.
        posts: Share of the calls that are POSTs without an idempotency key.
        rate: Calls a second.
        burst: They come so many at a time.
        pause: From when to when there are no calls.
        seconds: In all.
        total: Each call's deadline, seconds.
        attempt: The limit of one attempt, seconds.
        held_out: Whether nothing has been tuned on it.
    """

    title: str
    answer: Callable[[World, Asked], Answer] | None = None
    conditions: tuple[Condition, ...] = ()
    poison: float = 0.0
    paths: Callable[[int], str] = lambda _: "/items"
    posts: float = 0.0
    rate: float = 40.0
    burst: int = 1
    pause: tuple[float, float] = (0.0, 0.0)
    seconds: int = 120
    total: float = 10.0
    attempt: float = 5.0
    held_out: bool = False


def refused() -> Answer:
    """No connection."""
    return REFUSED, TRIP, {}


def status(code: int, headers: dict[str, str] | None = None, seconds: float = TRIP) -> Answer:
    """An error, at once."""
    return code, seconds, headers or {}


def blips(share: float, code: int = DOWN) -> Callable[[World, Asked], Answer]:
    """A share of the attempts fails at random."""
    return lambda world, _: status(code) if world.chance(share) else world.up()


def now_and_then(
    every: float, start: float, length: float, bad: Callable[[], Answer] = refused, share: float = 1.0
) -> Callable[[World, Asked], Answer]:
    """In every `every` seconds, from `start` on, a share of the attempts meets `bad` for `length` seconds."""

    def answer(world: World, asked: Asked) -> Answer:
        hit = start <= asked.now % every < start + length and world.chance(share)
        return bad() if hit else world.up()

    return answer


def once(
    start: float, end: float, bad: Callable[[], Answer] = refused, share: float = 1.0
) -> Callable[[World, Asked], Answer]:
    """One such trouble."""
    return now_and_then(1e9, start, end - start, bad, share)


def broken() -> Answer:
    """503, without a Retry-After."""
    return status(DOWN)


def poison(world: World, asked: Asked) -> Answer:
    """Some routes never work; elsewhere 3 % of the attempts fail."""
    if asked.path.startswith("/poison"):
        return status(500, seconds=0.05)
    return broken() if world.chance(0.03) else world.up()


def poison_and_restarts(world: World, asked: Asked) -> Answer:
    """Both at once."""
    if 10 <= asked.now % 20 < 12:
        return refused()
    return status(500, seconds=0.05) if asked.path.startswith("/poison") else world.up()


def locks(world: World, asked: Asked) -> Answer:
    """A fifth of the items are locked for a while: 503 until then."""
    return broken() if world.locked(asked.now, asked.path, 0.2, 1.5, 2.5) else world.up()


def long_locks(world: World, asked: Asked) -> Answer:
    """A tenth of the items are locked for longer: 409-like, said as 503."""
    return broken() if world.locked(asked.now, asked.path, 0.1, 3.0, 5.0) else world.up()


def ramp(world: World, asked: Asked) -> Answer:
    """Every 20 s: down for a second, then four seconds in which it gets better and better."""
    at = asked.now % 20 - 10
    if 0 <= at < 1:
        return refused()
    return broken() if 1 <= at < 5 and world.chance((5 - at) / 4) else world.up()


def slow_ramp(world: World, asked: Asked) -> Answer:
    """The share of 503s rises to nine tenths over a minute, and falls again over the next."""
    share = max(0.0, 0.9 * (1 - abs(asked.now - 75) / 60))
    return broken() if world.chance(share) else world.up()


def hang(world: World, _: Asked) -> Answer:
    """Two in a hundred get no response."""
    return (HANGS, 0.0, {}) if world.chance(0.02) else world.up()


def one_broken_place(world: World, _: Asked) -> Answer:
    """One of five places behind a balancer fails for ever."""
    return broken() if world.chance(0.2) else world.up()


def drift(world: World, asked: Asked) -> Answer:
    """A retry pays for 100 s; then the host is dead for the rest."""
    if asked.now >= 100:
        return broken()
    return broken() if world.chance(0.2) else world.up()


def spikes(world: World, asked: Asked) -> Answer:
    """Every 20 s the responses take 40 times as long for two seconds; nothing fails."""
    return world.up(times=40.0 if 10 <= asked.now % 20 < 12 else 1.0)


def per_route(world: World, asked: Asked) -> Answer:
    """Three routes that recover at their own pace: refused 0.5 s, 503 for 2 s, 500 for 4 s, at odd periods."""
    if asked.path == "/quick":
        return refused() if asked.now % 7 < 0.5 else world.up()
    if asked.path == "/middle":
        return broken() if asked.now % 13 < 2 else world.up()
    return status(500) if asked.now % 29 < 4 else world.up()


def limited(asks: str) -> Callable[[World, Asked], Answer]:
    """Every 15 s a second of 429s, with or without a Retry-After."""
    headers = {"Retry-After": asks} if asks else None
    return now_and_then(15, 5, 1.0, lambda: status(429, headers))


def goaway(world: World, asked: Asked) -> Answer:
    """Every 10 s the host closes its connections: nine of ten attempts of 0.3 s end without a response."""
    return (RESET, 0.02, {}) if asked.now % 10 < 0.3 and world.chance(0.9) else world.up()


def flapping(world: World, asked: Asked) -> Answer:
    """Up and down by turns for a minute: one second each."""
    return refused() if 30 <= asked.now < 90 and asked.now % 2 < 1 else world.up()


def two_hosts(world: World, asked: Asked) -> Answer:
    """One of two hosts is restarted now and then; the other is well."""
    return refused() if asked.host == "b" and 10 <= asked.now % 20 < 12 else world.up()


def misleading(world: World, asked: Asked) -> Answer:
    """A 503 that passes at once on even minutes, and after four seconds on odd ones."""
    if (asked.now // 60) % 2 < 1:
        return broken() if world.chance(0.1) else world.up()
    return broken() if asked.now % 20 < 4 else world.up()


def _routes(number: int) -> str:
    return ("/quick", "/middle", "/slow")[number % 3]


def _items(number: int) -> str:
    return f"/items/{number}"


def _hosts(number: int) -> str:
    return f"{'ab'[number % 2]}/items"


TROUBLES: dict[str, Trouble] = {
    "healthy": Trouble("A healthy host", lambda world, _: world.up()),
    "blips": Trouble("1 % of the attempts get a 503", blips(0.01)),
    "restarts": Trouble("Restarts: no connection for 2 s of 20", now_and_then(20, 10, 2)),
    "brownouts": Trouble("Brown-outs: 70 % get a 503 for 3 s of 15", now_and_then(15, 5, 3, broken, 0.7)),
    "poison": Trouble("Poison routes: a fifth always gets a 500", poison, poison=0.2),
    "locks": Trouble("Locks: a fifth of the items gets 503s for 1.5 to 2.5 s", locks, paths=_items),
    "rolling": Trouble("A rolling restart: a third is refused for 6 s of 30", now_and_then(30, 10, 6, share=0.34)),
    "broken": Trouble("503 to everything for a minute", once(30, 90, broken)),
    "outage": Trouble("No connection for 20 s", once(40, 60)),
    "drift": Trouble("Drift: a retry pays for 100 s, then everything gets a 503", drift, seconds=180),
    "metastable": Trouble(
        "A dip: 6 of 16 places for 10 s, a queue without a bound",
        conditions=(Condition(workers=16, queue=10**9), Condition(20, workers=6, queue=10**9),
                    Condition(30, workers=16, queue=10**9)),
        rate=120.0, total=30.0, attempt=1.0, seconds=150,
    ),
    "overload": Trouble(
        "1.5 times what the server can do for 30 s",
        conditions=(Condition(workers=8), Condition(30, workers=3), Condition(60, workers=8)),
    ),
    "five of forty": Trouble("No connection for 5 s of 40", now_and_then(40, 20, 5), held_out=True),
    "ramp": Trouble("A ramp: down for 1 s, 4 s getting better, of 20", ramp, held_out=True),
    "hang": Trouble("2 % get no response (attempts of 3 s)", hang, attempt=3.0, held_out=True),
    "poison+restarts": Trouble("Poison routes and restarts", poison_and_restarts, poison=0.2, held_out=True),
    "one place": Trouble("One of five places is broken for ever", one_broken_place, held_out=True),
    "odd periods": Trouble("No connection for 1.3 s of 17.3", now_and_then(17.3, 5, 1.3), held_out=True),
    "short and often": Trouble("No connection for 0.4 s of 3.7", now_and_then(3.7, 1, 0.4), held_out=True),
    "odd 503s": Trouble("503 to everything for 2.7 s of 23.9", now_and_then(23.9, 9, 2.7, broken), held_out=True),
    "spikes": Trouble("Latency of 40 times for 2 s of 20", spikes, attempt=3.0, held_out=True),
    "per route": Trouble("Three routes that recover at their own pace", per_route, paths=_routes, held_out=True),
    "two hosts": Trouble("One of two hosts is restarted", two_hosts, paths=_hosts, held_out=True),
    "429": Trouble("429 without a Retry-After for 1 s of 15", limited(""), held_out=True),
    "429 asks": Trouble("429 with `Retry-After: 1` for 1 s of 15", limited("1"), held_out=True),
    "posts": Trouble("Restarts; half are POSTs without a key", now_and_then(20, 10, 2), posts=0.5, held_out=True),
    "post 503s": Trouble(
        "503 for 2 s of 20; half are POSTs without a key", now_and_then(20, 10, 2, broken), posts=0.5, held_out=True
    ),
    "idle": Trouble(
        "A day without calls, then restarts", now_and_then(20, 10, 2), pause=(60, 86_460), seconds=86_520, held_out=True
    ),
    "slow ramp": Trouble("503s rise to 90 % over a minute, and fall", slow_ramp, seconds=150, held_out=True),
    "bursts": Trouble("Restarts, calls in bursts of 80", now_and_then(20, 10, 2), burst=80, held_out=True),
    "resets": Trouble("90 % of the connections end for 0.3 s of 10", goaway, held_out=True),
    "flapping": Trouble("Up and down by turns, a second each, for a minute", flapping, held_out=True),
    "misleading": Trouble(
        "503s that pass at once, then ones that last 4 s", misleading, seconds=240, held_out=True
    ),
    "long locks": Trouble("A tenth of the items is locked for 3 to 5 s", long_locks, paths=_items, held_out=True),
    "short deadlines": Trouble("Restarts, deadlines of 3 s", now_and_then(20, 10, 2), total=3.0, held_out=True),
    "quiet restarts": Trouble("Restarts, 2 calls a second", now_and_then(20, 10, 2), rate=2.0, seconds=300),
    "quiet brownouts": Trouble(
        "Brown-outs, 2 calls a second", now_and_then(15, 5, 3, broken, 0.7), rate=2.0, seconds=300
    ),
    "quiet poison": Trouble("Poison routes, 2 calls a second", poison, poison=0.2, rate=2.0, seconds=300),
    "quiet locks": Trouble("Locks, 2 calls a second", locks, paths=_items, rate=2.0, seconds=300),
}  # fmt: skip
