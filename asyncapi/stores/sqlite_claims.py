"""The claims of one client in a SQLite file: which process fetches what several of them miss."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from asyncapi.stores import sqlite_statements as statements
from asyncapi.stores.responses import RENEW
from asyncapi.stores.sqlite_unwritten import Change

if TYPE_CHECKING:
    import sqlite3

    from asyncapi.stores.responses import Claimed
    from asyncapi.stores.sqlite_writer import Writer

_PAUSE, _TRIES = 0.005, 20  # seconds between two tries to get a lock; for a tenth of a second in all


class Claims:
    """The claims of one client: they are renewed until they are released.

    Args:
        writer: Writes what is not waited for.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._me = uuid4().hex
        self._renewals: dict[bytes, asyncio.TimerHandle] = {}

    async def take(self, base: sqlite3.Connection, place: bytes) -> Claimed:
        """Ask for a claim; "free" where the lock can't be had.

        Raises:
            sqlite3.Error: The file can't be read or written.
        """
        for _ in range(_TRIES):
            state = statements.claimed(base, place, self._me)
            if state != "mine":
                return state
            if statements.at_once(base, partial(statements.claim, name=place, holder=self._me)):
                state = statements.claimed(base, place, self._me)
                if state == "mine":
                    self._renew_later(place)
                return state
            await asyncio.sleep(_PAUSE)
        return "free"

    def release(self, place: bytes, shared: float) -> None:
        """Give a claim back, if it is held; nobody needs it for `shared` seconds."""
        timer = self._renewals.pop(place, None)
        if timer is not None:
            timer.cancel()
            self._writer.add(Change("release", "", 0, place, self._me, shared), urgent=True)

    def close(self) -> None:
        """Renew none any more."""
        for timer in self._renewals.values():
            timer.cancel()
        self._renewals.clear()

    def _renew_later(self, place: bytes) -> None:
        def renew() -> None:
            self._writer.add(Change("renew", "", 0, place, self._me), urgent=True)
            self._renew_later(place)

        self._renewals[place] = asyncio.get_running_loop().call_later(RENEW, renew)
