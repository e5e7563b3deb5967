"""Use several keys of one API in turn: when one is refused, another takes over, and no request fails for it.

1. A key without a value goes into quarantine, and the call takes another key.
2. After a 401 or 403 the key goes into quarantine, and the call is sent again at once with another key.
3. After a 429, or a 403 that is a rate limit's (GitHub's), the key rests until the server takes it again, and the call
   is sent again at once with another key.
4. Every key keeps to its own rate limit and quota, and to the limits that the server's responses state (`RateLimit`,
   `X-RateLimit-*` ...): a key that runs low slows down, and others are used meanwhile.
5. A 403 for every key is the request's fault: no key stays in quarantine for it. Nor for a 401 for every key, if the
   server has accepted the key before: one route that refuses all keys does not take the pool from the other routes.
6. Where the client shares its limits with other processes (`shared=`), so do the keys (sharing/keys.py): their rates
   and quotas hold for all together, and a key that rests does so everywhere.
7. When no key may be used now, calls wait in a queue, by priority, then tenant; the first in it waits for a key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Literal, Protocol

from asyncapi.credentials.renamed import with_new_names, with_old_names
from asyncapi.credentials.sources import account_of
from asyncapi.errors import AuthError, ConfigError
from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.key_rotation import KeyState, Ring, read_limit
from asyncapi.sansio.limits.ratelimit_headers import quotas
from asyncapi.scheduling.token_queue import refuse
from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.settings.rate import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.credentials.base import AuthContext, Credential, Signature
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.bucket import Bucket
    from asyncapi.sharing.fleet import Fleet
    from asyncapi.sharing.keys import SharedKeys

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429


class Limit(Protocol):
    """The rate of a key: `asyncapi.RateLimit`."""

    def start(self) -> Bucket:
        """Start a token bucket."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a `KeyPool` with limits of its own.

    Attributes:
        credential: `ApiKey(...)`, `Bearer(...)` or any other.
        rate: One `RateLimit` or several that all hold for this key; `RateLimit(10_000, per=86400)` is a daily quota.
            Text such as "5" (a second) or "100/m" is read by `RateLimit.of`.
        quota: How many attempts the key may make in all.
        name: The name of the key in messages.
    """

    credential: Credential
    rate: Limit | str | Sequence[Limit | str] = ()
    quota: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.quota is not None and self.quota < 1:
            raise ConfigError(f"Key(quota={self.quota}): give at least 1, or None for no quota")


@dataclass(slots=True)
class _Use:
    """The source of a pool's signature: which key, the key's own signature, and the status it got."""

    index: int
    inner: Signature
    number: int
    sent_at: float
    status: int = 0


@with_old_names
class KeyPool:
    """Several keys that take turns.

        KeyPool([ApiKey(Env("KEY_1")), Key(ApiKey(Env("KEY_2")), rate=RateLimit(5), quota=1000)])

    Args:
        keys: Credentials, or `Key`s with limits of their own.
        strategy: "round-robin" takes each in turn, "least-used" the one that has been used least.
        quarantine: Seconds for which a key is not used after a 401 or 403; None for good.
        pace: Whether each key keeps to the limits that the server's responses to it state.

    Raises:
        ConfigError: There is no key, or a setting is out of range.
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
            raise ConfigError(f"KeyPool(strategy={strategy!r}): give 'round-robin' or 'least-used'")
        if quarantine is not None and not quarantine >= 0:
            raise ConfigError(f"KeyPool(quarantine={quarantine!r}): give seconds, or None for good")
        pool = [_key(each) for each in keys]
        if not pool:
            raise ConfigError("KeyPool: give a list of credentials, like [ApiKey(Env('A')), ApiKey(Env('B'))]")
        self._credentials = [key.credential for key in pool]
        self._limits = [_rates(key) for key in pool]
        self._shared: SharedKeys | None = None
        self._ring = Ring(
            [
                KeyState(key.name or f"key {n}", [rate.start() for rate in _rates(key)], key.quota, pace=pace)
                for n, key in enumerate(pool, 1)
            ],
            least_used=strategy == "least-used",
        )
        self._queue = WaitQueue(1)
        self._waiting = False  # whether a call, the first of the queue, waits for a key (rule 7)
        self._strategy = strategy
        self._quarantine = inf if quarantine is None else quarantine
        self.principal: None = None  # the keys belong to one user
        accounts = [getattr(each, "account", None) for each in self._credentials]
        self.account: str | None = None if None in accounts else account_of("KeyPool", *accounts)
        self.max_resends: int = sum(each.max_resends for each in self._credentials) + len(pool) - 1

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature of the next key, or None if a key or its value has to be waited for."""
        now = context.clock.now()
        # Rule 7: while calls wait for a key, nobody overtakes them.
        while not self._waiting:
            index = self._choose(now)
            state = self._ring.keys[index]
            if state.wait(now) > TOLERANCE:
                return None
            try:
                inner = self._credentials[index].cached_signature(request, context)
            except AuthError as error:  # rule 1
                state.bar(now + self._quarantine, error.message)
                continue
            if inner is None:
                return None
            self._ring.take(index, now)
            return self._signature(index, inner, now, context)
        return None

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait in the queue for a key, and return its signature.

        Raises:
            AuthError: No key is left.
            RateExceeded: The wait would be longer than the call's `wait=`.
            RequestTimeout: The wait would pass the call's deadline.
        """
        while True:
            index = await self._take(request, context)
            credential, state, used = self._credentials[index], self._ring.keys[index], False
            try:
                inner = credential.cached_signature(request, context) or await credential.fetch_signature(
                    request, context
                )
                used = True
                return self._signature(index, inner, context.clock.now(), context)
            except AuthError as error:  # rule 1
                state.bar(context.clock.now() + self._quarantine, error.message)
            finally:
                if not used:
                    state.give_back()

    async def _take(self, request: Request, context: AuthContext) -> int:
        """Take a key: the first of the queue waits for one, the others for the first (rule 7)."""
        call, began = request.call, context.clock.now()
        self._choose(began)
        if self._waiting:
            forecast = self._ring.forecast(began, 1.0 + self._queue.ahead(call.settings.priority)[0])
            if not any(key.asking for key in self._ring.keys):
                refuse(request, forecast, began, who="keys'")
            await self._queue.wait(self._hand_on, (1.0,), priority=call.settings.priority, tenant=call.settings.tenant)
        self._waiting = True
        try:
            while True:
                now = context.clock.now()
                index = self._choose(now)
                key = self._ring.keys[index]
                wait = key.wait(now)
                if wait <= TOLERANCE:
                    self._ring.take(index, now)
                    return index
                if not key.asking:
                    refuse(request, now - began + wait, began, who="keys'")
                await (context.clock if self._shared is None else self._shared).sleep(wait)
        finally:
            # Also when this call has left, or was refused: the next one of the queue becomes the first.
            self._hand_on()

    def _hand_on(self, _: object = None) -> None:
        """Make the next call of the queue its first."""
        self._waiting = self._queue.call()

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """Put a refused key into quarantine or to rest, and have the call sent again with another key."""
        use: _Use = signature.source
        status = use.status = _status_of(response)
        state, now = self._ring.keys[use.index], context.clock.now()
        limits = quotas(response.headers, context.clock.wall())  # rule 4
        state.learn(now, limits, number=use.number, sent_at=use.sent_at)
        earlier: list[_Use] = [each.source for each in refused]
        before = [each.inner for each in earlier if each.index == use.index]
        why = self._credentials[use.index].on_response(use.inner, response, before, context)
        # The key itself knows better, as Digest does of a 401 with a challenge: the same key once more.
        if why:
            return why
        limited, seconds = read_limit(status, response.headers, response.content, context.clock.wall())
        if limited:  # rule 3
            use.status = _TOO_MANY
            state.rest(now, seconds, str(status))
        elif status in {_UNAUTHORIZED, _FORBIDDEN}:  # rule 2
            state.bar(now + self._quarantine, str(status))
        else:
            state.served()
            return ""
        if self._ring.any_ready(now, {use.index, *(each.index for each in earlier)}):
            return f"{status}, another key"
        self._pardon([*earlier, use])
        return ""

    def unused(self, signature: Signature) -> None:
        """Give a key back: the attempt has a credential of its own."""
        use: _Use = signature.source
        self._ring.keys[use.index].give_back(use.number)

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"KeyPool of {len(self._credentials)}, {self._strategy}"

    def __repr__(self) -> str:
        return f"KeyPool({[*self._credentials]!r}, strategy={self._strategy!r})"

    def _signature(self, index: int, inner: Signature, now: float, context: AuthContext) -> Signature:
        if context.fleet is not None:  # rule 6
            self._share(index, inner, context.fleet, context)
        number = self._ring.keys[index].begin()
        return replace(inner, source=_Use(index, inner, number, now), pooled=True)

    def _share(self, index: int, inner: Signature, fleet: Fleet, context: AuthContext) -> None:
        if self._shared is None:
            from asyncapi.sharing.keys import SharedKeys  # noqa: PLC0415 - most pools share nothing

            self._shared = SharedKeys(fleet, context.clock, self._count_waiting)
        written = (inner.headers, inner.params, inner.cookies)
        self._shared.share(index, self._ring.keys[index], self._limits[index], written)

    def _count_waiting(self) -> int:
        return self._queue.length

    def _choose(self, now: float) -> int:
        index = self._ring.choose(now)
        if index is None:
            keys = "; ".join(f"{key.name}: {key.describe(now)}" for key in self._ring.keys)
            raise AuthError(f"no key of the pool can be used: {keys}")
        return index

    def _pardon(self, uses: Sequence[_Use]) -> None:
        """Take the keys out of quarantine if every one was refused for this call (rule 5)."""
        statuses = {use.status for use in uses}
        if len({use.index for use in uses}) < len(self._credentials) or not statuses <= {_UNAUTHORIZED, _FORBIDDEN}:
            return
        for state in [self._ring.keys[use.index] for use in uses]:
            (state.free if statuses == {_FORBIDDEN} else state.pardon)()


def _key(credential: Credential | Key) -> Key:
    key = credential if isinstance(credential, Key) else Key(credential)
    key = replace(key, credential=with_new_names(key.credential))
    if not hasattr(key.credential, "on_response") or isinstance(key.credential, type):
        raise ConfigError(
            f"KeyPool: {type(key.credential).__name__} is not a credential: wrap each key, as in ApiKey('...')"
        )
    return key


def _rates(key: Key) -> Sequence[Limit]:
    given = key.rate
    rates = [given] if isinstance(given, str) or hasattr(given, "start") else given
    return [RateLimit.of(rate) if isinstance(rate, str) else rate for rate in rates]


def _status_of(response: Response) -> int:
    """The status that a response means for a key: a proxy that is overloaded would refuse any other, too."""
    meaning = response.meaning
    return response.status if meaning is not None and meaning.more is not None else response.effective_status
