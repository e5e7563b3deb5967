"""Tokens that outlive the program: kept in a store, and renewed by one of several processes.

1. Whoever renews holds the store's lock, and looks first whether another process has been quicker.
2. A token that could be had is used, whatever the store does. Where it can't be saved, it is kept here and saved as
   soon as the store lets us: at once, after pauses that grow, and when the client closes. Until then the store is
   behind: what it has is not taken for another process' doing, and its refresh token is not sent again (RFC 6749
   section 6: a server may have replaced it).
3. A store that can't be read, or says nothing in time, stops nobody who has a token already, or needs none of what is
   kept. Others are told: a first refresh token that was replaced long ago would end the session for good (RFC 9700
   section 4.14.2).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.tokens import usable_until
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.credentials.base import AuthContext
    from asyncapi.stores.tokens import TokenStore

log = logging.getLogger("asyncapi")

_READ, _ASK = 5.0, 60.0  # seconds for reading: beside a token that we have; and where a person may have to unlock it
_WRITE = 5.0  # seconds for writing
_LOCK = 660.0  # seconds for another process' renewal: a person may be logging in there
_LONGEST_PAUSE = 60.0  # seconds between two tries to save


class Stored:
    """Gets tokens as `fetch` does, and keeps them in a store, if there is one.

    Args:
        fetch: Gets a new one.
        store: Where it is kept, or None.
        name: Its name there.
        who: The credential's class, for messages.
        check: Raises `AuthError` for a token that can't be sent.
        needed: Whether what is kept is needed to get another, as refresh tokens are.
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
        self._latest = ""  # the text of a token that the store has not taken yet, or ""
        self._known: str | None = None  # what the store has, as far as we know
        self._saving: asyncio.Task[None] | None = None

    async def fetch(self, old: Token | None, context: AuthContext) -> Token:
        """A new token, or the one that another process has put there meanwhile.

        Raises:
            AuthError: None could be had; or the store, whose refresh token is needed, can't be read.
        """
        if self._store is None:
            return await self._fetch(old, context)
        stack = AsyncExitStack()
        try:
            await self._lock(stack, self._store)
            text = await self._load(self._store, old)
            behind = self._latest not in {"", text} and text == self._known
            kept = None if text is None or behind else self._read(text)
            self._known = text
            if kept is not None:
                self._latest = ""  # another process has renewed it since: ours is no longer the last
                quicker = old is None or kept.access_token != old.access_token
                if quicker and self._can_be_sent(kept) and context.clock.wall() < usable_until(kept):
                    return kept
                old = kept
            token = await self._fetch(old, context)
            with context.finishing():
                await self._keep(token.dump(), context)
            return token
        finally:
            await self._unlock(stack)

    async def forget(self) -> None:
        """Forget what is kept."""
        self._latest, self._known = "", None
        if self._store is not None:
            await self._store.delete(self._name)

    async def _lock(self, stack: AsyncExitStack, store: TokenStore) -> None:
        try:
            async with asyncio.timeout(_LOCK):
                await stack.enter_async_context(store.lock())
        except Exception as error:  # a store of the user's
            log.warning("%s: the token store can't be locked (%s): going on without", self._who, _said(error))

    async def _unlock(self, stack: AsyncExitStack) -> None:
        try:
            await stack.aclose()
        except Exception as error:  # the same
            log.warning("%s: the token store can't be unlocked (%s)", self._who, _said(error))

    async def _load(self, store: TokenStore, old: Token | None) -> str | None:
        try:
            async with asyncio.timeout(_ASK if old is None else _READ):
                return await store.load(self._name)
        except Exception as error:  # the same
            said = _said(error)
            alone = old is None and self._needed
        if alone:
            raise AuthError(f"the token store can't be read ({said}), and the session that it may have is not risked")
        log.warning("%s: the token store can't be read (%s): going on without", self._who, said)
        return self._known

    def _read(self, text: str) -> Token | None:
        kept = Token.load(text)
        if kept is None:
            log.warning("%s: what the token store has is no token: taken as empty", self._who)
        return kept

    def _can_be_sent(self, token: Token) -> bool:
        try:
            self._check(token)
        except AuthError:
            return False
        return True

    async def _keep(self, text: str, context: AuthContext) -> None:
        """Save it now, or as soon as that is possible."""
        self._latest = text
        context.at_close(self._at_close)
        failed = await self._save()
        if failed and not context.closed and (self._saving is None or self._saving.done()):
            log.warning(
                "%s: the new token can't be saved (%s): it is used, and saving it is tried again", self._who, failed
            )
            self._saving = context.start(self._save_later(context))

    async def _save(self) -> str:
        """Save what is not saved yet; why it failed, or ""."""
        while self._store is not None and (text := self._latest):
            try:
                async with asyncio.timeout(_WRITE):
                    await self._store.save(self._name, text)
            except Exception as error:  # a store of the user's
                return _said(error)
            self._known = text
            if text == self._latest:  # else a newer one has come meanwhile, and may have been overwritten
                self._latest = ""
        return ""

    async def _save_later(self, context: AuthContext) -> None:
        pause = 0.0
        while self._latest and await self._save_locked():
            pause = min(_LONGEST_PAUSE, 2.0 * pause or 1.0)
            await context.clock.sleep(pause)

    async def _at_close(self) -> None:
        if self._latest and (failed := await self._save_locked()):
            log.warning("%s: the last token could not be saved (%s): it is lost with this program", self._who, failed)

    async def _save_locked(self) -> str:
        """The same as `_save`, beside other processes: what one of them has put there is newer, and stays."""
        store = self._store
        if store is None:
            return ""
        try:
            async with asyncio.timeout(_WRITE), store.lock():
                text = await store.load(self._name)
                if text not in {None, self._known} and Token.load(text or "") is not None:
                    self._latest = ""
                return await self._save()
        except Exception as error:  # a store of the user's
            return _said(error)


def _said(error: Exception) -> str:
    if isinstance(error, AuthError):
        return error.message
    return "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
