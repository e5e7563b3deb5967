"""One token for any number of callers, renewed before anybody has to wait for it.

    age of the token                     a caller gets
    fresh                                it, at once
    in its last quarter (5 min at most)  it, at once; the first to notice starts a renewal beside it
    expired, refused, or none yet        the one that is being fetched, waited for together

1. One renewal is under way for any number of callers. It is a task of its own: a caller that leaves does not end it.
2. While the old token serves, a renewal that fails is nobody's error: it is tried again after a pause that grows.
3. A 401 spoils the token that was sent, and no other: of a hundred calls that were refused with the same token, the
   first spoils it, the others find a newer one.
4. Where there is a store, a renewal holds its lock and looks first whether another process has been quicker.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from asyncapi.credentials.plain import bearer
from asyncapi.errors import AuthError
from asyncapi.sansio.oauth import Refused, Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asyncapi.credentials.credential import Means, Signature
    from asyncapi.stores.tokens import TokenStore
    from asyncapi.types import Request, Response

log = logging.getLogger("asyncapi")

_UNAUTHORIZED = 401
_SHARE, _AHEAD = 0.25, 300.0  # renewed in the last quarter of a token's life, at most so many seconds ahead
_SAFETY_SHARE, _SAFETY = 0.1, 5.0  # what is about to expire would on the way
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds after a renewal that failed


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why there is no new token."""

    message: str
    cause: BaseException


class Tokens:
    """The token of one credential, whatever its grant.

    Args:
        name: The credential's class, for messages.
        fetch: Gets a new token, given the old one or None.
        store: Where it is kept, and the name it has there.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[Token | None, Means], Awaitable[Token]],
        store: tuple[TokenStore, str] | None = None,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._store = store
        self._token: Token | None = None
        self._signature: Signature | None = None
        self._renew_at = -inf  # seconds since the epoch
        self._usable_until = -inf
        self._spoilt = ""
        self._task: asyncio.Task[Token | _Failed] | None = None
        self._failures = 0
        self._paused_until = -inf  # no renewal ahead of time before
        self._refused_until = -inf  # no other either: who asks now is told what the last one came to
        self._failed: _Failed | None = None
        self.means: Means | None = None

    @property
    def token(self) -> Token | None:
        """The one that is used now."""
        return self._token

    def ready(self, request: Request, means: Means) -> Signature | None:  # noqa: ARG002 - the same for all
        """The signature with the token, while it serves."""
        now = means.clock.wall()
        if now >= self._usable_until:
            return None
        if now >= self._renew_at and now >= self._paused_until and not self._under_way():
            self._start(means)
        return self._signature

    async def obtain(self, request: Request, means: Means) -> Signature:
        """The same, waited for.

        Raises:
            AuthError: None could be had.
        """
        if self._failed is not None and means.clock.wall() < self._refused_until:
            raise self._error(self._failed)
        while True:
            task = self._task if self._task is not None and self._under_way() else self._start(means)
            await asyncio.wait((task,))
            if task.cancelled():  # the client that had started it was closed
                continue
            outcome = task.result()
            if isinstance(outcome, _Failed):
                signature = self.ready(request, means)  # it may have served a little longer
                if signature is None:
                    raise self._error(outcome)
                return signature
            if self._signature is None:  # spoilt already
                continue
            return self._signature

    def answered(
        self,
        signature: Signature,
        response: Response,
        refused: Sequence[Signature],
        means: Means,  # noqa: ARG002 - the next attempt fetches it
    ) -> str:
        """A 401 spoils the token, and is worth one try with another."""
        if response.status != _UNAUTHORIZED:
            return ""
        token: Token = signature.by
        if self._token is not None and self._token.access_token == token.access_token:
            self.spoil()
        return "" if refused else "401, a new token"

    def spoil(self) -> None:
        """The token serves no more; what renews it is kept."""
        if self._token is not None:
            self._spoilt = self._token.access_token
        self._signature, self._usable_until = None, -inf

    async def forget(self) -> None:
        """Forget the token and what renews it, here and in the store."""
        self._token = None
        self.spoil()
        if self._store is not None:
            store, name = self._store
            await store.delete(name)

    def _under_way(self) -> bool:
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    def _start(self, means: Means) -> asyncio.Task[Token | _Failed]:
        self.means = means
        self._task = means.start(self._renew(means))
        return self._task

    async def _renew(self, means: Means) -> Token | _Failed:
        try:
            token = await self._renewed(means)
            signature = replace(bearer(token.access_token), by=token)
        except (AuthError, Refused) as error:
            return self._fail(means, error)
        except Exception as error:  # a callback of the user's
            return self._fail(means, error)
        self._adopt(token, signature)
        return token

    async def _renewed(self, means: Means) -> Token:
        if self._store is None:
            return await self._fetch(self._token, means)
        store, name = self._store
        async with store.lock():
            text = await store.load(name)
            kept = None if text is None else Token.load(text)
            if kept is not None:
                known = self._token.access_token if self._token is not None else ""
                if kept.access_token not in {known, self._spoilt} and means.clock.wall() < _usable_until(kept):
                    return kept  # another process has been quicker
            token = await self._fetch(kept or self._token, means)
            await store.save(name, token.dump())
            return token

    def _adopt(self, token: Token, signature: Signature) -> None:
        self._token, self._signature = token, signature
        self._usable_until = _usable_until(token)
        self._renew_at = token.expires_at - min(_AHEAD, token.lifetime * _SHARE) if token.lifetime < inf else inf
        self._failures, self._failed, self._paused_until = 0, None, -inf

    def _fail(self, means: Means, error: Exception) -> _Failed:
        said = error.message if isinstance(error, AuthError | Refused) else type(error).__name__
        failed = _Failed(said, error)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._failures)
        self._failures += 1
        now = means.clock.wall()
        self._failed, self._paused_until, self._refused_until = failed, now + pause, now + _FIRST_PAUSE
        left = self._usable_until - now
        if left > 0:
            log.warning("%s: no new token yet (%s); the old one serves %.0f s more", self._name, said, left)
        return failed

    def _error(self, failed: _Failed) -> AuthError:
        """An error of one's own for each caller."""
        error = AuthError(f"{self._name}: no token could be had: {failed.message}")
        error.__cause__ = failed.cause
        return error


def _usable_until(token: Token) -> float:
    if token.lifetime == inf:
        return inf
    return token.expires_at - min(_SAFETY, token.lifetime * _SAFETY_SHARE)
