"""Keep the slots of one shared limit filled: book them in Redis, or give the process its share while Redis is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.limits.slots import HOLD, Slots
from asyncapi.stores.redis import Unavailable
from asyncapi.stores.redis_scripts import BOOK

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.stores.redis import RedisConnection

_US = 1_000_000
_KEPT = 600_000  # milliseconds that a quota is kept beyond the time in which it is whole again


class Leased:
    """One limit and its place in Redis.

    Args:
        slots: Those of this process.
        key: Names the limit in Redis.
        me: Names this process there.
        connection: Leads to Redis.
        clock: Times everything.

    Attributes:
        slots: The same.
        changed: Called when slots have come, or are due at other times.
    """

    __slots__ = ("__weakref__", "_args", "_clock", "_connection", "_keys", "_last", "changed", "slots")

    def __init__(self, slots: Slots, key: str, me: str, connection: RedisConnection, clock: Clock) -> None:
        self.slots: Slots = slots
        self.changed: Callable[[], object] = _nothing
        self._connection = connection
        self._clock = clock
        self._keys = (key, f"{key}:workers", f"{key}:second")
        self._args = (slots.interval * _US, int(slots.late * _US), int(slots.grace * _US))
        self._last = (slots.rate * HOLD, me)
        slots.ask = self._ask

    def _ask(self) -> None:
        if self._connection.away:
            self.slots.go_alone(self._clock.now())
        else:
            self._connection.start(self._book())

    async def _book(self) -> None:
        """Ask Redis for a lease."""
        slots, clock = self.slots, self._clock
        asked_at = clock.now()
        ahead = slots.ahead(asked_at)
        known = "" if ahead is None else int(ahead * _US)
        want, need = slots.want(asked_at), slots.need
        expiry = _KEPT + int(slots.late * 1000)
        try:
            booked: bytes = await self._connection.run(
                BOOK, self._keys, (*self._args, want, need, *self._last, known, expiry)
            )
        except Unavailable:
            slots.go_alone(clock.now())
        except BaseException:
            slots.asking = False
            raise
        else:
            offset, count, seen = map(float, booked.split())
            slots.granted(asked_at, clock.now(), offset / _US, count, int(seen))
        self.changed()

    def came_back(self) -> None:
        """Take in that Redis is there again."""
        self.slots.came_back(self._clock.now())
        self.changed()


def _nothing() -> None:
    """Tell nobody."""
