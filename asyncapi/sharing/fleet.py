"""Hold what one client shares with the other processes of its fleet.

A fleet is the processes that name the same Redis server and the same name. What they share, and why that and no more,
is in docs/shared-quota.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakValueDictionary

from asyncapi.sansio.limits.slots import Slots
from asyncapi.scheduling.token_queue import Limiter
from asyncapi.sharing.lease import Leased
from asyncapi.sharing.news import News
from asyncapi.stores.redis import RedisConnection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.clock import Clock

_EVERYBODY = -(2**63)  # a priority below all others


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate limit, in numbers.

    Attributes:
        amount: Tokens that come back per `per` seconds.
        per: Seconds.
        burst: Tokens that may be spent at once.
        weighted: Whether an attempt takes other numbers of tokens than 1.
    """

    amount: float
    per: float
    burst: float
    weighted: bool = False


class Fleet:
    """The connection of one client to its fleet.

    Args:
        url: The Redis server's.
        name: The fleet's.
        workers: How many processes it has, as far as is told.
        clock: Times everything.

    Attributes:
        name: The same.
        me: Names this client in Redis.
        connection: Leads there.
        news: What its processes tell each other of hosts.

    Raises:
        ConfigError: redis-py is not installed (extra `redis`), or the URL can't be read.
    """

    def __init__(self, url: str, name: str, workers: int, clock: Clock) -> None:
        self.name: str = name
        self.me: str = uuid4().hex[:12]
        self.connection: RedisConnection = RedisConnection(url)
        self._workers = workers
        self._clock = clock
        # of the limits that are in use: those of hosts are forgotten with their queues
        self._leased: WeakValueDictionary[str, Leased] = WeakValueDictionary()
        self.news: News = News(name, self.me, self.connection, clock)
        self.connection.on_return.append(self._came_back)

    def limiter(self, limits: Sequence[Limit], key: str = "client") -> Limiter:
        """Make a queue before limits that the whole fleet shares.

        Args:
            limits: They all hold.
            key: Names who they are for: "client", or "host " and a host.
        """
        leased = self.lease(limits, key)
        limiter = Limiter([each.slots for each in leased], self._clock)
        for kind, each in enumerate(leased):
            each.changed = limiter.look_again
            each.slots.waiting = _Waiting(limiter, kind)
        return limiter

    def lease(self, limits: Sequence[Limit], key: str) -> list[Leased]:
        """Have the whole fleet share limits; `key` names who they are for."""
        return [self._lease(limit, name) for limit, name in zip(limits, _names(limits, key), strict=True)]

    @property
    def seen(self) -> int:
        """How many processes have lately used the shared limits, this one included; 0 before Redis has said."""
        return max((each.slots.seen for each in self._leased.values()), default=0)

    @property
    def shared(self) -> dict[str, str | int | float]:
        """How it is, for `client.stats`."""
        slots = [each.slots for each in self._leased.values()]
        return {
            "workers": self.seen,
            "away": self.connection.away or self.connection.refusal,
            "slots": sum(each.used for each in slots),
            "lapsed": sum(each.lapsed for each in slots),
            "trips": self.connection.trips,
        }

    def describe(self) -> str:
        """One line for `explain()`."""
        seen = self.seen
        seen_now = f"{seen} worker{'s' * (seen != 1)} seen" if seen else "not asked yet"
        away = self.connection.away or self.connection.refusal
        state = f"away: {away}" if away else seen_now
        return f"shared as {self.name!r} by Redis at {self.connection.shown}, {state}"

    async def aclose(self) -> None:
        """Close the connection."""
        await self.connection.aclose()

    def _lease(self, limit: Limit, name: str) -> Leased:
        slots = Slots(limit.amount, limit.per, limit.burst, workers=self._workers)
        key = f"{{{self.name}}}:rate:{name}"
        leased = self._leased[name] = Leased(slots, key, self.me, self.connection, self._clock)
        return leased

    def _came_back(self) -> None:
        """Take in that Redis is there again."""
        for each in list(self._leased.values()):
            each.came_back()


class _Waiting:
    """How many tokens the calls in a queue wait for."""

    __slots__ = ("_kind", "_limiter")

    def __init__(self, limiter: Limiter, kind: int) -> None:
        self._limiter = limiter
        self._kind = kind

    def __call__(self) -> float:
        return self._limiter.queue.ahead(_EVERYBODY)[self._kind]


def _names(limits: Sequence[Limit], key: str) -> list[str]:
    """Name limits alike in each process, in whatever order they are given, and whatever their amounts are."""
    names: list[str] = []
    for limit in limits:
        name = f"{key}:{limit.per:g}s{':weighted' if limit.weighted else ''}"
        same = sum(other == name or other.startswith(f"{name}#") for other in names)
        names.append(f"{name}#{same + 1}" if same else name)
    return names
