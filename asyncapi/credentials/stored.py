"""Tokens that outlive the program: kept in a store, and renewed by one of several processes.

Whoever renews holds the store's lock, and looks first whether another process has been quicker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.tokens import usable_until
from asyncapi.sansio.oauth import Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.credentials.credential import Means
    from asyncapi.stores.tokens import TokenStore


class Stored:
    """Gets tokens as `fetch` does, and keeps them in a store, if there is one.

    Args:
        fetch: Gets a new one.
        store: Where it is kept, or None.
        name: Its name there.
    """

    __slots__ = ("_fetch", "_name", "_store")

    def __init__(
        self, fetch: Callable[[Token | None, Means], Awaitable[Token]], store: TokenStore | None, name: str
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._name = name

    async def fetch(self, old: Token | None, means: Means) -> Token:
        """A new token, or the one that another process has put there meanwhile."""
        if self._store is None:
            return await self._fetch(old, means)
        async with self._store.lock():
            text = await self._store.load(self._name)
            kept = None if text is None else Token.load(text)
            quicker = kept is not None and (old is None or kept.access_token != old.access_token)
            if kept is not None and quicker and means.clock.wall() < usable_until(kept):
                return kept
            token = await self._fetch(kept or old, means)
            await self._store.save(self._name, token.dump())
            return token

    async def forget(self) -> None:
        """Forget what is kept."""
        if self._store is not None:
            await self._store.delete(self._name)
