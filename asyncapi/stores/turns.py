"""Let one of several processes fetch what all of them miss: the others wait for what it stores.

Rules:
1. Whoever holds a claim fetches. It renews the claim while it does; if the process dies, the claim ends within
   `responses.LEASE`, and one of those who wait takes it over.
2. Who waits looks again every few milliseconds, until what was stored can be used, and leaves at its own deadline.
3. What has turned out to be of no use for others (it may not be stored, or failed) keeps nobody waiting: they all go on
   by themselves, and for a while nobody claims it.
4. In one process, one call claims for all: those that come while it holds the claim go on, to share its request below;
   those that come while it waits do as it will do.
5. A store that can't say in time who holds a claim lets everybody go on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

from asyncapi.stores.responses import UNSHARED

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.stores.responses import Lasting

Outcome = Literal["useful", "useless", "failed", "left"]  # "left": the call was cancelled

_POLL, _LONGEST_POLL = 0.01, 0.05  # seconds between two looks
_FAILED = 1.0  # seconds for which nobody claims what has failed
_UNCLAIMED: dict[Outcome, float] = {"useful": 0.0, "useless": UNSHARED, "failed": _FAILED, "left": 0.0}
_MOST_REMEMBERED = 4096


class Turn:
    """The right to fetch; call `release` when it is done."""

    __slots__ = ("_name", "_turns")

    def __init__(self, turns: Turns | None = None, name: str = "") -> None:
        self._turns = turns
        self._name = name

    def release(self, outcome: Outcome) -> None:
        """Give the turn back; the outcome is what others can do with what is stored now."""
        if self._turns is not None:
            self._turns.release(self._name, outcome)


class Turns:
    """The turns of one client.

    Args:
        lasting: The store that several processes share.
        clock: Times the waits.
    """

    def __init__(self, lasting: Lasting, clock: Clock) -> None:
        self._lasting = lasting
        self._clock = clock
        self._held: set[str] = set()
        self._asking: dict[str, asyncio.Future[None]] = {}
        self._unshared: OrderedDict[str, float] = OrderedDict()  # until when nobody claims it

    async def take(self, name: str, key: str, look: Callable[[], bool]) -> Turn | None:
        """Wait for a turn; None where another process has stored what `look` finds useful.

        Args:
            name: What is to be fetched, for whom.
            key: Where it will be stored.
            look: Whether what is stored can be used.
        """
        while True:
            if name in self._held or self._unshared.get(name, 0.0) > self._clock.now():
                return Turn()
            asking = self._asking.get(name)
            if asking is None:
                break
            await asyncio.shield(asking)  # rule 4
            if look():
                return None
        self._asking[name] = asyncio.get_running_loop().create_future()
        try:
            return await self._ask(name, key, look)
        finally:
            self._asking.pop(name).set_result(None)

    async def _ask(self, name: str, key: str, look: Callable[[], bool]) -> Turn | None:
        pause = _POLL
        while True:
            state = await self._lasting.claim(name)
            if state == "mine":
                self._held.add(name)
                try:
                    came = await self._came(key, look)  # between the first look and the claim
                except BaseException:
                    self.release(name, "left")
                    raise
                if came:
                    self.release(name, "useful")
                    return None
                return Turn(self, name)
            if await self._came(key, look):
                return None
            if state == "free":
                self._leave(name, _FAILED)
                return Turn()
            await self._clock.sleep(pause)  # rule 2
            pause = min(_LONGEST_POLL, 1.5 * pause)

    async def _came(self, key: str, look: Callable[[], bool]) -> bool:
        if self._lasting.far:
            await self._lasting.bring(key)
        return look()

    def release(self, name: str, outcome: Outcome) -> None:
        """Give a turn back (rule 3)."""
        self._held.discard(name)
        shared = _UNCLAIMED[outcome]
        if shared:
            self._leave(name, shared)
        self._lasting.release(name, shared=shared)

    def _leave(self, name: str, seconds: float) -> None:
        """Remember that nobody is to claim something for a while."""
        self._unshared[name] = self._clock.now() + seconds
        self._unshared.move_to_end(name)
        if len(self._unshared) > _MOST_REMEMBERED:
            self._unshared.popitem(last=False)
