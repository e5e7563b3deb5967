"""Share the state of a pool's keys with the other processes of a fleet that use the same keys.

1. A key is named by a hash of what it writes into a request: nothing of the key itself leaves the process.
2. The limits of a key hold for all processes together: its rates as a client's rate limits do, its quota in attempts by
   allotments. Until a process has used a key once, it does not know its name, and its limits are local there.
3. A key that rests after a 429 rests in every process. A quarantine (401, 403) is not shared: it may be the request's
   fault, and each process finds out by one call.
4. While Redis is away, rates go on at each process's share, and a quota in attempts goes on with what has been
   allotted: what nobody can count is not spent.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.limits.allotment import Allotment
from asyncapi.sharing.fleet import Limit
from asyncapi.stores.redis import Unavailable
from asyncapi.stores.redis_scripts import ALLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.sansio.limits.key_rotation import KeyState
    from asyncapi.sharing.fleet import Fleet

_MOST = 20  # attempts that are allotted at a time


class SharedKeys:
    """The keys of one pool.

    Args:
        fleet: Shares them.
        clock: Times waits.
        waiting: How many calls wait for a key.
    """

    def __init__(self, fleet: Fleet, clock: Clock, waiting: Callable[[], int]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._waiting = waiting
        self._keys: dict[int, _SharedKey] = {}
        self._changed = asyncio.Event()

    def share(self, index: int, state: KeyState, limits: Sequence[Any], written: object) -> None:
        """Share a key from now on, once it is known what it writes (rules 1 and 2)."""
        if index in self._keys:
            return
        name = sha256(f"{self._fleet.name}\0{written!r}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
        self._keys[index] = _SharedKey(state, self._changed)
        self._fleet.news.join(f"key:{name}", self._keys[index])
        if all(hasattr(limit, "amount") and hasattr(limit, "depth") for limit in limits):
            numbers = [Limit(limit.amount, limit.per, limit.depth) for limit in limits]
            leased = self._fleet.lease(numbers, f"key:{name}")
            for each in leased:
                each.changed = self._changed.set
                each.slots.waiting = self._waiting
            state.buckets = tuple(each.slots for each in leased)
        if state.quota is not None:
            self._allot(state, f"{{{self._fleet.name}}}:quota:{name}")

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        self._changed.clear()
        timer = self._clock.call_at(self._clock.now() + seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def _allot(self, state: KeyState, place: str) -> None:
        """Have a quota in attempts counted in Redis."""
        allotment, quota = Allotment(), state.quota
        state.allotment = allotment

        async def ask() -> None:
            try:
                allotment.granted(await self._fleet.connection.run(ALLOT, (place,), (quota, _MOST)))
            except Unavailable:
                allotment.went_wrong()
            self._changed.set()

        allotment.ask = lambda: self._fleet.connection.start(ask())


class _SharedKey:
    """One key, as `News` speaks to what may be paused."""

    active: bool = False

    def __init__(self, state: KeyState, changed: asyncio.Event) -> None:
        self._state = state
        self._changed = changed
        self.sharers: int = 1
        state.tell = self._tell
        self.tell: Callable[[float, bool, bool], object] | None = None

    @property
    def pacer(self) -> Any:
        """The same: it hears."""
        return self

    def hear(self, now: float, seconds: float, *, backlog: bool, explained: bool) -> None:  # noqa: ARG002
        """Take in that the key rests (rule 3)."""
        self._state.rests_until = max(self._state.rests_until, now + seconds)
        self._state.why = "429 of another process"

    def look_again(self) -> None:
        """Have those who wait for a key look again."""
        self._changed.set()

    def _tell(self, seconds: float) -> None:
        if self.tell is not None:
            self.tell(seconds, False, False)  # noqa: FBT003 - as a pacer calls it
