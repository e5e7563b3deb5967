"""What runs behind the layers of one client: limits, circuits, budgets, counts; and what there is to say of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.credentials.base import Means
from asyncapi.layers import telemetry
from asyncapi.layers.auth import Keyring
from asyncapi.layers.cache import Counts
from asyncapi.layers.concurrency import Gate
from asyncapi.layers.hedge import Hedges
from asyncapi.layers.pace import Pace
from asyncapi.layers.principal import Users
from asyncapi.layers.singleflight import Flights
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.token_queue import Limiter
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings import Adaptive, Budget
from asyncapi.stores.answers import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from yarl import URL

    from asyncapi.client.layer_settings import Plan
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.failures.circuit import Circuit
    from asyncapi.sansio.failures.idempotency import UsedKeys
    from asyncapi.sansio.failures.retry_budget import Retries
    from asyncapi.settings import RateLimit
    from asyncapi.types import Send

_STALE_ROOM = 32 * 1024 * 1024  # bytes of old answers that fallbacks keep, where there is no cache to share


class Parts:
    """The running state behind the layers of one client: what `stats` looks at.

    Args:
        plan: The client's settings.
        clock: Times everything.
        bare: The transport's `send`: what credentials ask for their tokens over.
        used: What idempotency keys were used for.
        cookies: What the transport would send of those that it keeps; None where it keeps none.
    """

    def __init__(
        self, plan: Plan, clock: Clock, bare: Send, used: UsedKeys, *, cookies: Callable[[URL], str] | None = None
    ) -> None:
        self.plan = plan
        self.used = used
        self.clock = clock
        self.keyring = Keyring(plan.auth, plan.base, Means(bare, clock)) if plan.auth is not None else None
        several = self.keyring is not None and not self.keyring.one_user
        self.users: Users | None = None  # where the client may act for several
        if several or cookies is not None:
            self.users = Users(self.keyring.whose if self.keyring is not None and several else None, cookies)
        self.meter = telemetry.Meter()
        self.watchdog = Watchdog(clock)
        budget = (plan.retry.budget if plan.retry is not None else None) or Budget()
        self.budgets: Keyed[Retries] = Keyed(budget.start)
        self.gate = Gate(plan.concurrency) if isinstance(plan.concurrency, int) else None
        self.gates: Keyed[Gate] | None = None
        if isinstance(plan.concurrency, Adaptive):
            self.gates = Keyed(partial(_learning_gate, plan.concurrency), busy=lambda gate: gate.busy)
        self.limiters = [
            (by, limits, Keyed(partial(_limiter, limits, clock), busy=lambda limiter: limiter.busy))
            for by in ("client", "host")
            if (limits := [one for one in plan.rate if one.by == by])
        ]
        self.paces: Keyed[Pace] | None = Keyed(partial(Pace, clock), busy=lambda one: one.busy) if plan.pace else None
        self.circuits: Keyed[Circuit] | None = None
        if plan.breaker is not None:
            self.circuits = Keyed(partial(plan.breaker.start, clock.random), busy=lambda one: one.holds(clock.now()))
        self.hedges = Hedges(Keyed(plan.hedge.start), clock) if plan.hedge is not None else None
        self.flights = Flights() if plan.single_flight else None
        self.cached = Counts() if plan.cache is not None else None
        self.answers: Answers[Any] = Answers(_STALE_ROOM if plan.cache is None else plan.cache.room)

    def state(self, request: Request) -> dict[str, Any]:
        """How the limits and the breaker are for this request: what an attempt's record shows."""
        host = request.url.host_port_subcomponent or ""
        now = self.clock.now()
        seen: dict[str, Any] = {}
        if (budget := self.budgets.get(request.call.host)) is not None:  # none where somebody above retries
            seen["retry budget"] = round(budget.tokens, 3)
        gate = self.gate or (self.gates[host] if self.gates is not None else None)
        if gate is not None:
            seen["concurrency"] = f"{gate.limit - gate.free} of {gate.limit}, {gate.line.length} in line"
        for by, _, limiters in self.limiters:
            limiter = limiters[host if by == "host" else ""]
            tokens = ", ".join(f"{bucket.available(now):.3g}" for bucket in limiter.buckets)
            seen[f"rate ({by})"] = f"{tokens} left, {limiter.line.length} in line"
        paced_by = host if not callable(self.plan.pace) else self.plan.pace(request)
        if self.paces is not None and (pacer := self.paces[paced_by].pacer).active:
            seen["server's limit"] = f"next in {max(0.0, pacer.delay(now)):.3g} s"
        if self.circuits is not None and self.plan.breaker is not None:
            key = self.plan.breaker.key
            circuit = self.circuits[host if key is None else key(request)].snapshot(now)
            seen["breaker"] = f"{circuit.state}, {circuit.failure_rate:.0%} of {circuit.seen} failed"
        return seen

    async def aclose(self) -> None:
        """Take the timers back, and end what credentials have under way."""
        self.watchdog.close()
        if self.hedges is not None:
            self.hedges.close()
        if self.keyring is not None:
            await self.keyring.means.aclose()


def _learning_gate(adaptive: Adaptive) -> Gate:
    learned = adaptive.start()
    return Gate(max(1, int(learned.limit)), learned, adaptive.maximum)


def _limiter(limits: Sequence[RateLimit], clock: Clock) -> Limiter:
    return Limiter([limit.start() for limit in limits], clock)
