"""Save tokens in a store, so that they outlive the program, and renew them in one of several processes.

1. Whoever renews holds the store's lock, and first looks whether another process has renewed already.
2. A new token is used, whatever the store does. If it can't be saved, it is held in memory and saved as soon as the
   store works: at once, after pauses that grow, and when the client closes. Until then the store is behind: its token
   is not taken for another process' renewal, and its refresh token is not sent again (RFC 6749 section 6: the server
   may have replaced it).
3. A store that can't be read, or does not reply in time, stops no credential that has a token already, or needs nothing
   from the store. Others get an error: a first refresh token that was replaced long ago could end the session for good
   (RFC 9700 section 4.14.2).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from asyncapi.credentials.token_renewal import usable_until
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.credentials.base import AuthContext
    from asyncapi.stores.tokens import TokenStore

log: logging.Logger = logging.getLogger("asyncapi")

_READ = 5.0  # seconds to read the store while there is a token
_FIRST_READ = 60.0  # seconds to read the store without a token: a person may have to unlock it
_WRITE = 5.0  # seconds to write to the store
_LOCK = 660.0  # seconds for another process' renewal: a person may be logging in there
_LONGEST_PAUSE = 60.0  # seconds between two attempts to save


class Stored:
    """Get tokens by a function, and save them in a store, if there is one.

    Args:
        fetch: Gets a new token, given the old one or None.
        store: Where the token is saved, or None.
        name: The token's name in the store.
        who: The credential's class, for messages.
        check: Raises `AuthError` for a token that can't be sent.
        needed: Whether the saved token is needed to get another, as a refresh token is.
    """

    __slots__ = ("_check", "_fetch", "_known", "_latest", "_name", "_needed", "_saving", "_store", "_who")

    def __init__(
        self,
        fetch: Callable[[Token | None, AuthContext], Awaitable[Token]],
        store: TokenStore | None,
        name: str,
        *,
        who: str,
        check: Callable[[Token], object],
        needed: bool,
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._name = name
        self._who = who
        self._check = check
        self._needed = needed
        self._latest = ""  # the text of a token that is not saved yet, or ""
        self._known: str | None = None  # the text that the store had when it was last read or written
        self._saving: asyncio.Task[None] | None = None

    async def fetch(self, old: Token | None, context: AuthContext) -> Token:
        """Get a new token, or the one that another process has saved meanwhile.

        Raises:
            AuthError: No token could be fetched; or the store, whose refresh token is needed, can't be read.
        """
        if self._store is None:
            return await self._fetch(old, context)
        stack = AsyncExitStack()
        try:
            await self._lock(stack, self._store)  # rule 1
            text = await self._load(self._store, old)
            # Rule 2: our own token is not saved yet, and nobody else has saved one since we last looked.
            behind = self._latest not in {"", text} and text == self._known
            saved = None if text is None or behind else self._read(text)
            self._known = text
            if saved is not None:
                # Rule 1: whatever the store has now is newer than ours, which another process has replaced.
                self._latest = ""
                renewed = old is None or saved.access_token != old.access_token
                if renewed and self._can_be_sent(saved) and context.clock.wall() < usable_until(saved):
                    return saved
                old = saved
            token = await self._fetch(old, context)
            # The server may have revoked the old refresh token by now (RFC 9700 section 4.14.2): saving is not cut.
            with context.finishing():
                await self._save_new(token.dump(), context)
            return token
        finally:
            await self._unlock(stack)

    async def forget(self) -> None:
        """Delete the token from the store, and from here."""
        self._latest, self._known = "", None
        if self._store is not None:
            await self._store.delete(self._name)

    async def _lock(self, stack: AsyncExitStack, store: TokenStore) -> None:
        try:
            async with asyncio.timeout(_LOCK):
                await stack.enter_async_context(store.lock())
        except Exception as error:  # from a store of the user's
            log.warning("%s: the token store can't be locked (%s): continuing without a lock", self._who, _why(error))

    async def _unlock(self, stack: AsyncExitStack) -> None:
        try:
            await stack.aclose()
        except Exception as error:  # from a store of the user's
            log.warning("%s: the token store can't be unlocked (%s)", self._who, _why(error))

    async def _load(self, store: TokenStore, old: Token | None) -> str | None:
        try:
            async with asyncio.timeout(_FIRST_READ if old is None else _READ):
                return await store.load(self._name)
        except Exception as error:  # from a store of the user's
            why = _why(error)
        # Rule 3, outside of the `except`: the store's own error may hold what it has read.
        if old is None and self._needed:
            raise AuthError(f"the token store can't be read ({why}), and the session that it may hold is not risked")
        log.warning("%s: the token store can't be read (%s): continuing without", self._who, why)
        return self._known

    def _read(self, text: str) -> Token | None:
        token = Token.load(text)
        if token is None:
            log.warning("%s: the token store holds something that is not a token: taken as empty", self._who)
        return token

    def _can_be_sent(self, token: Token) -> bool:
        try:
            self._check(token)
        except AuthError:
            return False
        return True

    async def _save_new(self, text: str, context: AuthContext) -> None:
        """Save a new token now, or as soon as that is possible (rule 2)."""
        self._latest = text
        context.at_close(self._at_close)
        failed = await self._save()
        if failed and not context.closed and (self._saving is None or self._saving.done()):
            log.warning(
                "%s: the new token can't be saved (%s): it is used, and saving it is retried", self._who, failed
            )
            self._saving = context.start(self._save_later(context))

    async def _save(self) -> str:
        """Save the latest token if it is not saved yet; return why that failed, or ""."""
        while self._store is not None and (text := self._latest):
            try:
                async with asyncio.timeout(_WRITE):
                    await self._store.save(self._name, text)
            except Exception as error:  # from a store of the user's
                return _why(error)
            self._known = text
            # Else a newer token has come while this one was written, and may have been overwritten: save it again.
            if text == self._latest:
                self._latest = ""
        return ""

    async def _save_later(self, context: AuthContext) -> None:
        pause = 0.0
        while self._latest and await self._save_locked():
            pause = min(_LONGEST_PAUSE, 2.0 * pause or 1.0)
            await context.clock.sleep(pause)

    async def _at_close(self) -> None:
        if self._latest and (failed := await self._save_locked()):
            log.warning("%s: the last token can't be saved (%s): it is lost when this program ends", self._who, failed)

    async def _save_locked(self) -> str:
        """Save the latest token under the lock, unless another process has saved a newer one."""
        store = self._store
        if store is None:
            return ""
        try:
            async with asyncio.timeout(_WRITE), store.lock():
                text = await store.load(self._name)
                if text not in {None, self._known} and Token.load(text or "") is not None:
                    self._latest = ""
                return await self._save()
        except Exception as error:  # from a store of the user's
            return _why(error)


def _why(error: Exception) -> str:
    if isinstance(error, AuthError):
        return error.message
    return "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
