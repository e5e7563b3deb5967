"""Several keys to one API, used in turn: what one may not do, another does, and no request fails for it.

    no value    the key goes into quarantine, and another one is taken
    401, 403    the key goes into quarantine, and the call goes on at once with another key
    429         the key rests until it may come back, and the call goes on at once with another key; the same for a 403
                that is a rate limit's (GitHub's)
    otherwise   every key within its own rate limit and quota, and within what the server tells of them (`RateLimit`,
                `X-RateLimit-*` ...): a key that runs low slows down, and others go meanwhile

A 403 from every key is the request's fault, not the keys': none stays in quarantine for it. A 401 from every key is so
too, for those that the server has taken before: one route that refuses them all does not take the pool from the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Literal, Protocol

from asyncapi.credentials.renamed import with_new_names
from asyncapi.errors import AuthError, ConfigError
from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.key_rotation import KeyState, Ring, read_limit
from asyncapi.sansio.limits.ratelimit_headers import quotas
from asyncapi.scheduling.token_queue import refuse
from asyncapi.scheduling.wait_queue import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.credentials.base import AuthContext, Credential, Signature
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.bucket import Bucket

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429


class Limit(Protocol):
    """What a key takes as its rate: `asyncapi.RateLimit`."""

    def start(self) -> Bucket:
        """A running bucket."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a `KeyPool` with limits of its own.

    Attributes:
        credential: `ApiKey(...)`, `Bearer(...)` or any other.
        rate: One `RateLimit` or several that all hold for this key; `RateLimit(10_000, per=86400)` is a daily quota.
        quota: Attempts in all that the key is good for.
        name: What messages call it.
    """

    credential: Credential
    rate: Limit | Sequence[Limit] = ()
    quota: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.quota is not None and self.quota < 1:
            raise ConfigError(f"Key(quota={self.quota}): at least 1, or None for any number")


@dataclass(slots=True)
class _Use:
    """What a signature of the pool is known by: which key, its own signature, and what became of it."""

    index: int
    inner: Signature
    number: int
    sent_at: float
    status: int = 0


class KeyPool:
    """Several keys that take turns.

        KeyPool([ApiKey(Env("KEY_1")), Key(ApiKey(Env("KEY_2")), rate=RateLimit(5), quota=1000)])

    Args:
        keys: Credentials, or `Key`s with limits of their own.
        strategy: "round-robin" takes each in turn, "least-used" the one that has been used least.
        quarantine: Seconds a key is left alone after a 401 or 403; None for good.
        pace: Whether each key keeps to the limits that the server tells in its answers to it.

    Raises:
        ConfigError: There is no key, or a setting makes no sense.
    """

    def __init__(
        self,
        keys: Sequence[Credential | Key],
        *,
        strategy: Literal["round-robin", "least-used"] = "round-robin",
        quarantine: float | None = 600.0,
        pace: bool = True,
    ) -> None:
        if strategy not in {"round-robin", "least-used"}:
            raise ConfigError(f"KeyPool(strategy={strategy!r}): 'round-robin' or 'least-used'")
        if quarantine is not None and not quarantine >= 0:
            raise ConfigError(f"KeyPool(quarantine={quarantine!r}): seconds, or None for good")
        given = [_key(each) for each in keys]
        if not given:
            raise ConfigError("KeyPool: give a list of credentials, like [ApiKey(Env('A')), ApiKey(Env('B'))]")
        self._credentials = [key.credential for key in given]
        self._ring = Ring(
            [KeyState(key.name or f"key {n}", _buckets(key), key.quota, pace=pace) for n, key in enumerate(given, 1)],
            least_used=strategy == "least-used",
        )
        self._queue = WaitQueue(1)
        self._held = False  # somebody waits for a key: the first in line
        self._strategy = strategy
        self._quarantine = inf if quarantine is None else quarantine
        self.principal = None  # several keys of one user
        self.max_resends = sum(one.max_resends for one in self._credentials) + len(given) - 1

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """The signature of the next key, if one may go now and nobody waits for it."""
        now = context.clock.now()
        while not self._held:
            index = self._choose(now)
            state = self._ring.keys[index]
            if state.wait(now) > TOLERANCE:
                return None
            try:
                inner = self._credentials[index].cached_signature(request, context)
            except AuthError as error:
                state.bar(now + self._quarantine, error.message)
                continue
            if inner is None:
                return None
            self._ring.take(index, now)
            return self._signature(index, inner, now)
        return None

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """The signature of the key that may go first, waited for in line.

        Raises:
            AuthError: No key is left.
            RateExceeded: The call does not want to wait that long.
            RequestTimeout: The wait would pass its deadline.
        """
        while True:
            index = await self._take(request, context)
            credential, state, used = self._credentials[index], self._ring.keys[index], False
            try:
                inner = credential.cached_signature(request, context) or await credential.fetch_signature(
                    request, context
                )
                used = True
                return self._signature(index, inner, context.clock.now())
            except AuthError as error:
                state.bar(context.clock.now() + self._quarantine, error.message)
            finally:
                if not used:
                    state.give_back()

    async def _take(self, request: Request, context: AuthContext) -> int:
        """The first in line waits for a key; those behind, by priority, tenant and arrival, for the first."""
        call, began = request.call, context.clock.now()
        self._choose(began)
        if self._held:
            forecast = self._ring.forecast(began, 1.0 + self._queue.ahead(call.priority)[0])
            refuse(request, forecast, began, who="keys'")
            await self._queue.wait(self._hand_on, (1.0,), priority=call.priority, tenant=call.tenant)
        self._held = True
        try:
            while True:
                now = context.clock.now()
                index = self._choose(now)
                wait = self._ring.keys[index].wait(now)
                if wait <= TOLERANCE:
                    self._ring.take(index, now)
                    return index
                refuse(request, now - began + wait, began, who="keys'")
                await context.clock.sleep(wait)
        finally:
            self._hand_on()

    def _hand_on(self, _: object = None) -> None:
        """The next in line is the first."""
        self._held = self._queue.call()

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """Quarantine, or rest; and whether another key may do better at once."""
        use: _Use = signature.by
        use.status = response.status
        state, now = self._ring.keys[use.index], context.clock.now()
        told = quotas(response.headers, context.clock.wall())
        state.learn(now, told, number=use.number, sent_at=use.sent_at)
        earlier: list[_Use] = [each.by for each in refused]
        before = [each.inner for each in earlier if each.index == use.index]
        why = self._credentials[use.index].on_response(use.inner, response, before, context)
        if why:
            return why
        limited, seconds = read_limit(response.status, response.headers, response.content, context.clock.wall())
        if limited:
            use.status = _TOO_MANY
            state.rest(now, seconds, str(response.status))
        elif response.status in {_UNAUTHORIZED, _FORBIDDEN}:
            state.bar(now + self._quarantine, str(response.status))
        else:
            state.served()
            return ""
        if self._ring.any_ready(now, {use.index, *(each.index for each in earlier)}):
            return f"{response.status}, another key"
        self._pardon([*earlier, use])
        return ""

    def unused(self, signature: Signature) -> None:
        """The attempt carries a credential of its own: the key was not used."""
        use: _Use = signature.by
        self._ring.keys[use.index].give_back(use.number)

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"KeyPool of {len(self._credentials)}, {self._strategy}"

    def __repr__(self) -> str:
        return f"KeyPool({[*self._credentials]!r}, strategy={self._strategy!r})"

    def _signature(self, index: int, inner: Signature, now: float) -> Signature:
        number = self._ring.keys[index].begin()
        return replace(inner, by=_Use(index, inner, number, now), of_many=True)

    def _choose(self, now: float) -> int:
        index = self._ring.choose(now)
        if index is None:
            keys = "; ".join(f"{key.name}: {key.describe(now)}" for key in self._ring.keys)
            raise AuthError(f"no key of the pool may be used any more: {keys}")
        return index

    def _pardon(self, uses: Sequence[_Use]) -> None:
        """Where every key has had a 403 for this call, it is the request that is forbidden; a 401, as good as."""
        statuses = {use.status for use in uses}
        if len({use.index for use in uses}) < len(self._credentials) or not statuses <= {_UNAUTHORIZED, _FORBIDDEN}:
            return
        for state in [self._ring.keys[use.index] for use in uses]:
            (state.free if statuses == {_FORBIDDEN} else state.pardon)()


def _key(given: Credential | Key) -> Key:
    key = given if isinstance(given, Key) else Key(given)
    key = replace(key, credential=with_new_names(key.credential))
    if not hasattr(key.credential, "on_response") or isinstance(key.credential, type):
        raise ConfigError(
            f"KeyPool: {type(key.credential).__name__} is no credential: wrap each key, as in ApiKey('...')"
        )
    return key


def _buckets(key: Key) -> list[Bucket]:
    rates = [key.rate] if hasattr(key.rate, "start") else key.rate
    return [rate.start() for rate in rates]
