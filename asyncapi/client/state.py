"""Hold the running state behind the layers of one client: limits, circuits, budgets, counts."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.client.limits import fleet_of, learning_gate, limiters_of, pace_of
from asyncapi.credentials.base import AuthContext
from asyncapi.layers import telemetry
from asyncapi.layers.auth import Keyring
from asyncapi.layers.cache import Counts
from asyncapi.layers.concurrency import Gate
from asyncapi.layers.hedge import Hedges
from asyncapi.layers.principal import PrincipalSource
from asyncapi.layers.singleflight import Flights
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.background import Background
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings import Adaptive, Budget
from asyncapi.stores.answers import Answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from yarl import URL

    from asyncapi.client.layer_settings import LayerSettings
    from asyncapi.client.learned import LearnedRetries
    from asyncapi.clock import Clock
    from asyncapi.layers.balance import EndpointSet
    from asyncapi.layers.hold import Line
    from asyncapi.layers.pace import Pace
    from asyncapi.layers.telemetry import Meter
    from asyncapi.messages.request import Request
    from asyncapi.sansio.failures.circuit import Circuit
    from asyncapi.sansio.failures.idempotency import UsedKeys
    from asyncapi.sansio.failures.lessons import Lessons
    from asyncapi.sansio.failures.retry_budget import Retries
    from asyncapi.scheduling.token_queue import Limiter
    from asyncapi.settings import Learned, RateLimit
    from asyncapi.sharing.fleet import Fleet
    from asyncapi.stores.responses import Lasting
    from asyncapi.stores.turns import Turns
    from asyncapi.stores.variants import Fetch
    from asyncapi.types import Send

_MAX_POLICIES = 16  # of learned retries: a client has one, its calls perhaps a few
_STALE_ROOM = 32 * 1024 * 1024  # bytes of old answers that fallbacks keep, where there is no cache to share


class ClientState:
    """The running state behind the layers of one client: what `stats` looks at.

    Args:
        settings: The settings of its layers.
        clock: Times everything.
        bare: The transport's `send`: credentials fetch their tokens over it.
        used: What idempotency keys were used for.
        cookies: Gives the kept cookies that the transport would send to a URL; None where it keeps none.
        shown: What the transport shows to every server by itself, as a hash; "" for nothing.

    Attributes:
        own: Whether this is the view for calls with a credential or redirects of their own.
    """

    own = False

    def __init__(
        self,
        settings: LayerSettings,
        clock: Clock,
        bare: Send,
        used: UsedKeys,
        *,
        cookies: Callable[[URL], str] | None = None,
        shown: str = "",
    ) -> None:
        self.settings = settings
        self.used = used
        self.clock = clock
        self._bare, self._cookies, self._shown = bare, cookies, shown
        self.fleet: Fleet | None = fleet_of(settings.shared, clock)
        self.endpoints: EndpointSet | None = self._start_endpoints()
        self.keyring: Keyring | None = None
        if settings.auth is not None:
            self.keyring = self._keyring(settings.auth)
        self.principals: PrincipalSource | None = _principals(self.keyring, self._cookies, shown)
        self.meter: Meter = telemetry.Meter()
        self.watchdog: Watchdog = Watchdog(clock)
        self._start_limits(settings, clock)
        self.hedges: Hedges | None = Hedges(Keyed(settings.hedge.start), clock) if settings.hedge is not None else None
        self.flights: Flights | None = Flights() if settings.single_flight else None
        self.cached: Counts | None = Counts() if settings.cache is not None else None
        self.fetching: dict[str, set[Fetch]] = {}
        self.learned: dict[Learned, LearnedRetries] = {}
        self._learning: tuple[Learned, LearnedRetries] | None = None  # the last one: to compare settings takes long
        self._start_cache()

    def _start_limits(self, settings: LayerSettings, clock: Clock) -> None:
        """Make what holds attempts back: budgets, places, rates, circuits."""
        budget = (settings.retry.budget if settings.retry is not None else None) or Budget()
        self.budgets: Keyed[Retries] = Keyed(budget.start)
        self.gate: Gate | None = Gate(settings.concurrency) if isinstance(settings.concurrency, int) else None
        self.gates: Keyed[Gate] | None = None
        if isinstance(settings.concurrency, Adaptive):
            self.gates = Keyed(partial(learning_gate, settings.concurrency), busy=lambda gate: gate.busy)
        self.limiters: list[tuple[str, list[RateLimit], Keyed[Limiter]]] = limiters_of(settings.rate, self.fleet, clock)
        self.paces: Keyed[Pace] | None = (
            Keyed(pace_of(self.fleet, clock), busy=lambda pace: pace.busy, named=True) if settings.pace else None
        )
        self.circuits: Keyed[Circuit] | None = None
        if settings.breaker is not None:
            self.circuits = Keyed(
                partial(settings.breaker.start, clock.random), busy=lambda circuit: circuit.holds(clock.now())
            )
        self.lines: Keyed[Line] | None = self._start_lines()

    def _start_endpoints(self) -> EndpointSet | None:
        if self.settings.endpoints is None:
            return None
        from asyncapi.client.endpoints import endpoint_set  # noqa: PLC0415 - most clients have one endpoint
        from asyncapi.layers.balance import cookies_everywhere  # noqa: PLC0415

        endpoints = endpoint_set(self, self.settings.endpoints)
        if self._cookies is not None:
            self._cookies = cookies_everywhere(endpoints, self._cookies)
        return endpoints

    def _start_cache(self) -> None:
        """Start what keeps responses, for the cache and for fallbacks to the last good one."""
        cache = self.settings.cache
        self.background: Background | None = Background(self.clock) if cache is not None else None
        self.answers: Answers[Any] | None = None
        self.lasting: Lasting | None = None
        if cache is not None or self.settings.fallback:
            self.answers = Answers(_STALE_ROOM if cache is None else cache.room)
        if cache is not None and cache.store is not None:
            self.lasting = cache.store.responses(cache.room)
        self.turns: Turns | None = _turns(self.lasting, self.clock) if self.settings.single_flight else None

    def _start_lines(self) -> Keyed[Line] | None:
        policy = None if self.settings.retry is None else self.settings.retry.policy
        if policy is None or not policy.hold:
            return None
        from asyncapi.layers.hold import Line  # noqa: PLC0415 - most clients learn no retries

        return Keyed(partial(Line, self.clock), busy=lambda line: line.busy)

    def lessons(self, policy: Learned, host: str) -> Lessons | Awaitable[Lessons]:
        """Begin what a call to a host learns of its retries; calls with equal policies learn together."""
        last = self._learning
        if last is None or last[0] is not policy:
            last = self._learning = policy, self.learned.get(policy) or self._learn(policy)
        return last[1].lessons(host)

    def _learn(self, policy: Learned) -> LearnedRetries:
        from asyncapi.client.learned import LearnedRetries  # noqa: PLC0415 - most clients learn no retries

        if len(self.learned) >= _MAX_POLICIES:  # the oldest without a store, which would have to be written
            for other in list(self.learned)[1:]:
                if other.store is None:
                    del self.learned[other]
                    break
        known = self.learned[policy] = LearnedRetries(policy, self.clock)
        return known

    def begin(self) -> None:
        """Begin to read what an earlier run has learned of retries, where it is kept."""
        policy = None if self.settings.retry is None else self.settings.retry.policy
        if policy is not None and policy.store is not None and policy not in self.learned:
            self._learn(policy).begin()

    def for_own_options(self) -> ClientState:
        """Return a view of the same state for calls with `auth=` or `redirects=`, which may act for any user."""
        if self.keyring is None:  # closed with the client, like any
            self.keyring = self._keyring({})
        twin = copy(self)
        twin.own = True
        twin.principals = PrincipalSource(self.keyring.principal, self._cookies, self._shown)
        return twin

    def _keyring(self, given: Any) -> Keyring:
        context, cache = AuthContext(self._bare, self.clock, self.fleet), self.settings.cache
        among_others = cache is not None and cache.store is not None  # which other clients may use, too
        return Keyring(given, self.settings.base, context, self.endpoints, among_others=among_others)

    def of_request(self, request: Request) -> dict[str, Any]:
        """Describe the limits and the breaker as they are for this request, for the record of an attempt."""
        host = request.target.host
        now = self.clock.now()
        seen: dict[str, Any] = {}
        if self.endpoints is not None:
            from asyncapi.client.endpoints import described  # noqa: PLC0415 - most clients have one endpoint

            if text := described(self.endpoints, host, now):
                seen["endpoint"] = text
        if (budget := self.budgets.get(request.call.host)) is not None:  # none where somebody above retries
            seen["retry budget"] = round(budget.tokens, 3)
        gate = self.gate or (self.gates[host] if self.gates is not None else None)
        if gate is not None:
            seen["concurrency"] = f"{gate.limit - gate.free} of {gate.limit}, {gate.queue.length} waiting"
        for by, _, limiters in self.limiters:
            limiter = limiters[host if by == "host" else ""]
            tokens = ", ".join(f"{bucket.available(now):.3g}" for bucket in limiter.buckets)
            seen[f"rate ({by})"] = f"{tokens} left, {limiter.queue.length} waiting"
        paced_by = host if not callable(self.settings.pace) else self.settings.pace(request)
        if self.paces is not None and (pacer := self.paces[paced_by].pacer).active:
            seen["server's limit"] = f"next in {max(0.0, pacer.delay(now)):.3g} s"
        line = None if self.lines is None else self.lines.get(request.call.host)
        if line is not None and line.refusals.run:
            seen["hold"] = f"refused for {line.refusals.lasted(now):.3g} s, {line.length} waiting"
        if self.circuits is not None and self.settings.breaker is not None:
            key = self.settings.breaker.key
            circuit = self.circuits[host if key is None else key(request)].snapshot(now)
            seen["breaker"] = f"{circuit.state}, {circuit.failure_rate:.0%} of {circuit.seen} failed"
        return seen

    async def aclose(self) -> None:
        """Cancel the timers, and end what credentials have under way."""
        self.watchdog.close()
        for line in (self.lines or {}).values():
            line.close()
        if self.hedges is not None:
            self.hedges.close()
        try:
            if self.background is not None:
                await self.background.aclose()
            for learned in tuple(self.learned.values()):
                await learned.aclose()
            if self.endpoints is not None:
                await self.endpoints.aclose()
            if self.keyring is not None:
                await self.keyring.context.aclose()
        finally:
            try:
                if self.lasting is not None:
                    await self.lasting.aclose()
            finally:
                if self.fleet is not None:
                    await self.fleet.aclose()


def _turns(lasting: Lasting | None, clock: Clock) -> Turns | None:
    if lasting is None or not lasting.turns:
        return None
    from asyncapi.stores.turns import Turns  # noqa: PLC0415 - most clients have no such store

    return Turns(lasting, clock)


def _principals(keyring: Keyring | None, cookies: Callable[[URL], str] | None, shown: str) -> PrincipalSource | None:
    """The source of principals, where the client may act for several users."""
    ask = None if keyring is None or keyring.one_user else keyring.principal
    return None if ask is None and cookies is None and not shown else PrincipalSource(ask, cookies, shown)
