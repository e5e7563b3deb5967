"""One token for any number of callers, renewed before anybody has to wait for it.

    age of the token                     a caller gets
    fresh                                it, at once
    in its last quarter (5 min at most)  it, at once; the first to notice starts a renewal beside it
    expired, or none yet                 the one that is being fetched, waited for together

1. One renewal is under way for any number of callers. It is a task of its own: a caller that leaves does not end it.
2. While the old token serves, a renewal that fails is nobody's error: it is tried again after a pause that grows.
3. A 401 has a new token fetched, once for all calls that were refused with the old one: they wait for it. Other calls
   go on with the old one meanwhile, for it may be the route that refuses every token; `sansio/auth/rejections.py` says
   when a 401 is believed.
4. Where the token endpoint says when to come back, calls wait for it within their deadline, and nobody asks before.

A token is whatever has a lifetime and can be written into a signature: an OAuth 2 token, a set of AWS keys.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from asyncapi.credentials.base import carried, route
from asyncapi.credentials.sources import hashed
from asyncapi.errors import AuthError
from asyncapi.redact import one_line
from asyncapi.sansio.auth.oauth import Refused
from asyncapi.sansio.auth.rejections import Rejections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from asyncapi.credentials.base import AuthContext, Signature
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

log = logging.getLogger("asyncapi")

_UNAUTHORIZED = 401
_SHARE, _AHEAD = 0.25, 300.0  # renewed in the last quarter of a token's life, at most so many seconds ahead
_SAFETY_SHARE, _SAFETY = 0.1, 5.0  # what is about to expire would on the way
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds after a renewal that failed
_LONGEST_TOLD = 300.0  # seconds that a token endpoint may send us away for
_LONGEST_WAIT, _ROUNDS = 60.0, 3  # seconds that a call waits for it to be asked again, and how often


class Renewable(Protocol):
    """What has a lifetime."""

    @property
    def lifetime(self) -> float:
        """Seconds; infinite where nobody says."""
        ...

    @property
    def expires_at(self) -> float:
        """Seconds since the Unix epoch."""
        ...


T = TypeVar("T", bound=Renewable)


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why there is no new token."""

    message: str
    cause: BaseException
    told: bool = False  # the token endpoint has said when to come back


class Tokens(Generic[T]):
    """The token of one credential, whatever its grant.

    Args:
        name: The credential's class, for messages.
        fetch: Gets a new token, given the old one or None.
        write: The signature of a token.
        look: Looks at every answer first, and says why a call should be sent again with the token that it had.
        what: What messages call it.

    Attributes:
        max_resends: How often a call may be sent again, as in `Credential`.
        context: Those of the client that last had it renewed.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[T | None, AuthContext], Awaitable[T]],
        write: Callable[[T], Signature],
        *,
        look: Callable[[Response], str] | None = None,
        what: str = "token",
    ) -> None:
        self.max_resends = 1 if look is None else 2
        self._name = name
        self._fetch = fetch
        self._write = write
        self._look = look
        self._what = what
        self._token: T | None = None
        self._signature: Signature | None = None
        self._renew_at = -inf  # seconds since the epoch
        self._usable_until = -inf
        self._task: asyncio.Task[T | _Failed] | None = None
        self._failures = 0
        self._paused_until = -inf  # no renewal ahead of time before, by the clock that nobody sets
        self._refused_until = -inf  # no other either: who asks now is told what the last one came to
        self._failed: _Failed | None = None
        self._rejections = Rejections()
        self._doubted: T | None = None  # the token that is being renewed because it was refused,
        self._doubted_at: Hashable = None  # and by which route
        self.context: AuthContext | None = None

    @property
    def token(self) -> T | None:
        """The one that is used now."""
        return self._token

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """The signature with the token, while it serves; none for a call that was refused with it."""
        now = context.clock.wall()
        if now >= self._usable_until:
            return None
        if self._doubted is not None and self._doubted is self._token and self._was_refused(request):
            return None
        if now >= self._renew_at and context.clock.now() >= self._paused_until and not self._under_way():
            self._start(context)
        return self._signature

    def _was_refused(self, request: Request) -> bool:
        return any(carried(each) is self._token for each in request.call.refused)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """The same, waited for.

        Raises:
            AuthError: None could be had.
        """
        rounds = 0
        while True:
            left = self._refused_until - context.clock.now()
            if self._failed is not None and left > 0:
                rounds += 1
                if not (self._failed.told and rounds <= _ROUNDS and _worth_waiting(left, request, context)):
                    raise self._error(self._failed)
                await context.clock.sleep(left)
            task = self._task if self._task is not None and self._under_way() else self._start(context)
            await asyncio.wait((task,))
            if task.cancelled():  # the client that had started it was closed
                continue
            outcome = task.result()
            if isinstance(outcome, _Failed):
                signature = self.cached_signature(request, context)  # it may have served a little longer
                if signature is not None:
                    return signature
                if not outcome.told or self._failed is None:
                    raise self._error(outcome)
                continue
            if self._signature is None:  # spoilt already
                continue
            return self._signature

    def on_response(
        self,
        signature: Signature,
        response: Response,
        refused: Sequence[Signature],
        context: AuthContext,
    ) -> str:
        """A 401 that is believed has a new token fetched, and is worth one try with it."""
        if self._look is not None and (why := self._look(response)):
            return why
        token: T = signature.by
        renewed = any(each.by is not token for each in refused)
        if response.status != _UNAUTHORIZED:
            if renewed:
                self._rejections.renewal_helped(route(response))
            return ""
        if renewed:
            self._rejections.renewal_failed(route(response), token, context.clock.now())
            return ""
        return "401, a new token" if self._is_renewed(token, response, context) else ""

    def _is_renewed(self, token: T, response: Response, context: AuthContext) -> bool:
        """Whether there is another than the one that was refused, or one is on its way."""
        if not self.serves(token):
            return True
        if self._under_way():
            self._doubted = token
            return True
        now, place = context.clock.now(), route(response)
        if context.closed or now < self._refused_until or not self._rejections.may_renew(place, now):
            return False
        self._doubted, self._doubted_at = token, place
        self._start(context)
        return True

    async def principal(self) -> str | None:
        """The user, where each token may be another one's: as many as there are tokens."""
        return None if self._token is None else hashed(repr(self._token))

    def serves(self, token: T) -> bool:
        """Whether this is the one that is used now."""
        return self._token is token and self._signature is not None

    def refused(self, token: T) -> None:
        """The server refused this one: it serves no more, if it still does."""
        if self._token is token:
            self.spoil()

    def spoil(self) -> None:
        """The token serves no more; what renews it is kept."""
        self._signature, self._usable_until = None, -inf

    def forget(self) -> None:
        """Forget the token and what renews it."""
        self._token = None
        self.spoil()

    def _under_way(self) -> bool:
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    def _start(self, context: AuthContext) -> asyncio.Task[T | _Failed]:
        self.context = context
        self._task = context.start(self._renew(context))
        return self._task

    async def _renew(self, context: AuthContext) -> T | _Failed:
        try:
            token = await self._fetch(self._token, context)
            signature = replace(self._write(token), by=token)
        except (AuthError, Refused) as error:
            return self._fail(context, error)
        except Exception as error:  # a callback of the user's
            return self._fail(context, error)
        self._adopt(token, signature)
        return token

    def _adopt(self, token: T, signature: Signature) -> None:
        self._token, self._signature = token, signature
        self._usable_until = usable_until(token)
        self._renew_at = token.expires_at - min(_AHEAD, token.lifetime * _SHARE) if token.lifetime < inf else inf
        self._failures, self._failed = 0, None
        self._paused_until = self._refused_until = -inf
        self._doubted = None

    def _fail(self, context: AuthContext, error: Exception) -> _Failed:
        said = one_line(error.message) if isinstance(error, AuthError | Refused) else type(error).__name__
        told = min(_LONGEST_TOLD, getattr(error, "retry_after", None) or 0.0)
        failed = _Failed(said, error, told > 0)
        pause = max(told, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._failures))
        self._failures += 1
        now = context.clock.now()
        self._failed, self._paused_until, self._refused_until = failed, now + pause, now + max(told, _FIRST_PAUSE)
        left = self._usable_until - context.clock.wall()
        if self._doubted is not None:
            self._rejections.renewal_failed(self._doubted_at, failed, now)
            log.warning("%s: no new %s yet (%s), though the server refuses the old", self._name, self._what, said)
        elif left > 0:
            log.warning("%s: no new %s yet (%s); the old serves %.0f s more", self._name, self._what, said, left)
        return failed

    def _error(self, failed: _Failed) -> AuthError:
        """An error of one's own for each caller."""
        error = AuthError(f"{self._name}: no {self._what} could be had: {failed.message}")
        error.__cause__ = failed.cause
        return error


def _worth_waiting(seconds: float, request: Request, context: AuthContext) -> bool:
    """Whether the call has time until the token endpoint may be asked again."""
    max_wait, due = request.call.max_wait, request.deadline
    return (
        seconds <= _LONGEST_WAIT
        and (max_wait is None or seconds <= max_wait)
        and (due is None or context.clock.now() + seconds < due)
    )


def usable_until(token: Renewable) -> float:
    """Until when it may be sent, seconds since the Unix epoch."""
    if token.lifetime == inf:
        return inf
    return token.expires_at - min(_SAFETY, token.lifetime * _SAFETY_SHARE)
