"""Hold one token for any number of callers, and renew it before anybody has to wait.

    age of the token                     a caller gets
    fresh                                the token, at once
    in its last quarter (5 min at most)  the token, at once; the first caller to notice starts a renewal beside it
    expired, or none yet                 the token that is being fetched; all callers wait for the same one

1. One renewal at a time serves any number of callers. It is a task of its own: a caller that leaves does not end it.
2. While the old token is valid, a failed renewal fails no call: it is retried after a pause that grows.
3. After a 401 a new token is fetched, once for all calls that were refused with the old one: they wait for it. Other
   calls use the old token meanwhile, because the route may refuse every token; `sansio/auth/rejections.py` decides when
   a 401 is believed.
4. If the token endpoint sends `Retry-After`, calls wait for that within their deadline, and nobody asks before.

A token is anything with a lifetime that can be written into a signature: an OAuth 2 token, a set of AWS keys.
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

log: logging.Logger = logging.getLogger("asyncapi")

_UNAUTHORIZED = 401
# A token is renewed in this last share of its lifetime, and at most so many seconds before it expires.
_RENEWAL_SHARE, _RENEWAL_AHEAD = 0.25, 300.0
# A token is not sent in this last share of its lifetime, at most so many seconds: it could expire under way.
_SAFETY_SHARE, _SAFETY = 0.1, 5.0
# A failed renewal is retried after so many seconds, which double each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# A Retry-After of the token endpoint that is longer, in seconds, is cut to this.
_LONGEST_RETRY_AFTER = 300.0
# A call waits out a Retry-After of at most so many seconds, and so many times.
_LONGEST_WAIT, _MAX_WAITS = 60.0, 3


class Renewable(Protocol):
    """A token or a set of keys with a lifetime."""

    @property
    def lifetime(self) -> float:
        """Seconds; infinite if unknown."""
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
    has_retry_after: bool = False  # whether the token endpoint has sent Retry-After


class Tokens(Generic[T]):
    """The token of one credential, whatever its grant.

    Args:
        name: The credential's class, for messages.
        fetch: Gets a new token, given the old one or None.
        write: Makes the signature of a token.
        look: Called with every response first; returns why the call should be sent again with the same token, or "".
        what: The token's name in messages.

    Attributes:
        max_resends: How often a call may be sent again, as in `Credential`.
        context: The context of the client that last started a renewal.
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
        # By the wall clock, seconds since the Unix epoch, as servers state them.
        self._renew_at = -inf
        self._usable_until = -inf
        self._task: asyncio.Task[T | _Failed] | None = None
        self._failures = 0
        # By the monotonic clock, which nobody sets: no renewal in the background before the first, none at all before
        # the second.
        self._paused_until = -inf
        self._refused_until = -inf
        self._failed: _Failed | None = None
        self._rejections = Rejections()
        self._doubted: T | None = None  # the token that is being renewed because a route refused it
        self._doubted_at: Hashable = None  # the route that refused `_doubted`
        self.context: AuthContext | None = None

    @property
    def token(self) -> T | None:
        """The current token."""
        return self._token

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature with the current token; None if it has expired, or was refused for this call."""
        now = context.clock.wall()
        if now >= self._usable_until:
            return None
        if self._doubted is not None and self._doubted is self._token and self._was_refused(request):
            # Rule 3: calls that were refused wait for the new token; all others use the old one.
            return None
        if now >= self._renew_at and context.clock.now() >= self._paused_until and not self._under_way():
            # Rule 2: in the background, while the old token is valid.
            self._start(context)
        return self._signature

    def _was_refused(self, request: Request) -> bool:
        for signature in request.call.refused:  # noqa: SIM110 - cheaper than a generator
            if carried(signature) is self._token:
                return True
        return False

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait for a token, and return the signature with it.

        Raises:
            AuthError: No token could be fetched.
        """
        waits = 0
        while True:
            left = self._refused_until - context.clock.now()
            if self._failed is not None and left > 0:
                waits += 1
                if not (
                    self._failed.has_retry_after and waits <= _MAX_WAITS and _worth_waiting(left, request, context)
                ):
                    raise self._error(self._failed)
                # Rule 4: this call has the time, and asks again when the token endpoint takes requests.
                await context.clock.sleep(left)
            task = self._task if self._task is not None and self._under_way() else self._start(context)
            # Rule 1: `wait` does not cancel the task when this caller is cancelled, as `await task` would.
            await asyncio.wait((task,))
            if task.cancelled():  # the client that started it was closed
                continue
            outcome = task.result()
            if isinstance(outcome, _Failed):
                # Rule 2: the old token may be valid after all, for a call that was not refused with it.
                signature = self.cached_signature(request, context)
                if signature is not None:
                    return signature
                if not outcome.has_retry_after or self._failed is None:
                    raise self._error(outcome)
                continue
            if self._signature is None:  # the new token was refused already
                continue
            return self._signature

    def on_response(
        self,
        signature: Signature,
        response: Response,
        refused: Sequence[Signature],
        context: AuthContext,
    ) -> str:
        """After a 401 that is believed, have a new token fetched, and the call sent again with it (rule 3)."""
        if self._look is not None and (why := self._look(response)):
            return why
        token: T = signature.source
        renewed = any(earlier.source is not token for earlier in refused)
        if response.effective_status != _UNAUTHORIZED:
            if renewed:
                self._rejections.renewal_helped(route(response))
            return ""
        if renewed:
            self._rejections.renewal_failed(route(response), token, context.clock.now())
            return ""
        return "401, a new token" if self._is_renewed(token, response, context) else ""

    def _is_renewed(self, token: T, response: Response, context: AuthContext) -> bool:
        """Whether there is another token than the one that was refused, or one is being fetched."""
        if not self.serves(token):
            return True
        # A renewal for another reason counts too: the refused call waits for its token.
        if self._under_way():
            self._doubted = token
            return True
        now, refusing = context.clock.now(), route(response)
        if context.closed or now < self._refused_until or not self._rejections.may_renew(refusing, now):
            return False
        self._doubted, self._doubted_at = token, refusing
        self._start(context)
        return True

    async def principal(self) -> str | None:
        """Identify the user, if each token may be another user's: by the token, as a hash."""
        return None if self._token is None else hashed(repr(self._token))

    def serves(self, token: T) -> bool:
        """Whether this is the current token, and valid."""
        return self._token is token and self._signature is not None

    def refused(self, token: T) -> None:
        """Stop using a token that the server refused, unless another has replaced it."""
        if self._token is token:
            self.invalidate()

    def forget(self) -> None:
        """Forget the token, and with it what would renew it."""
        self._token = None
        self.invalidate()

    def invalidate(self) -> None:
        """Send the current token no more, but keep what renews it."""
        self._signature, self._usable_until = None, -inf

    def _under_way(self) -> bool:
        task = self._task
        # A task of another event loop can't be awaited here: one credential may serve clients of several loops.
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    def _start(self, context: AuthContext) -> asyncio.Task[T | _Failed]:
        self.context = context
        self._task = context.start(self._renew(context))
        return self._task

    async def _renew(self, context: AuthContext) -> T | _Failed:
        try:
            token = await self._fetch(self._token, context)
            signature = replace(self._write(token), source=token)
        except (AuthError, Refused) as error:
            return self._fail(context, error)
        except Exception as error:  # from a callback or a store of the user's
            return self._fail(context, error)
        self._adopt(token, signature)
        return token

    def _adopt(self, token: T, signature: Signature) -> None:
        self._token, self._signature = token, signature
        self._usable_until = usable_until(token)
        ahead = min(_RENEWAL_AHEAD, token.lifetime * _RENEWAL_SHARE)
        self._renew_at = token.expires_at - ahead if token.lifetime < inf else inf
        self._failures, self._failed = 0, None
        self._paused_until = self._refused_until = -inf
        self._doubted = None

    def _fail(self, context: AuthContext, error: Exception) -> _Failed:
        why = one_line(error.message) if isinstance(error, AuthError | Refused) else type(error).__name__
        retry_after = min(_LONGEST_RETRY_AFTER, getattr(error, "retry_after", None) or 0.0)
        failed = _Failed(why, error, retry_after > 0)
        pause = max(retry_after, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._failures))  # rule 2
        self._failures += 1
        now = context.clock.now()
        self._failed, self._paused_until = failed, now + pause
        self._refused_until = now + max(retry_after, _FIRST_PAUSE)  # rule 4
        left = self._usable_until - context.clock.wall()
        if self._doubted is not None:
            self._rejections.renewal_failed(self._doubted_at, failed, now)
            log.warning("%s: no new %s yet (%s), and a route refuses the old", self._name, self._what, why)
        elif left > 0:
            log.warning("%s: no new %s yet (%s); the old is valid for %.0f s more", self._name, self._what, why, left)
        return failed

    def _error(self, failed: _Failed) -> AuthError:
        """Make an error for one caller: each gets its own, as an error collects its caller's traceback."""
        error = AuthError(f"{self._name}: could not get the {self._what}: {failed.message}")
        error.__cause__ = failed.cause
        return error


def _worth_waiting(seconds: float, request: Request, context: AuthContext) -> bool:
    """Whether the call has the time to wait until the token endpoint takes a request again."""
    max_wait, due = request.call.settings.max_wait, request.deadline
    return (
        seconds <= _LONGEST_WAIT
        and (max_wait is None or seconds <= max_wait)
        and (due is None or context.clock.now() + seconds < due)
    )


def usable_until(token: Renewable) -> float:
    """Return the time until which a token may be sent, seconds since the Unix epoch."""
    if token.lifetime == inf:
        return inf
    return token.expires_at - min(_SAFETY, token.lifetime * _SAFETY_SHARE)
