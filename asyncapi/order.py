"""THE ORDER of the layers, outermost first, and why each stands where it does.

    0  the user's own        see what the user sees
    1  watch (calls)         outside telemetry, which completes what it tells of
    2  telemetry (calls)     sees the final outcome
    3  outcome               a call with a key is known to be done or not, or unknown; the deadline cuts off too
    4  deadline              covers queueing, all attempts, all waits, the body
    5  whose                 what is kept or shared below is one user's, where a client may act for several
    6  cache                 a hit spends nothing below
    7  frozen                a call with a key sends the same bytes each time; the deadline covers their reading
    8  single-flight         identical calls share all that is below; each keeps its own deadline
    9  fallback              what is left when retries are spent, within the deadline
    10 retry                 owns the budget and Retry-After
    11 hedge                 a further copy of an attempt that is late; idempotent only
    12 redirect              each hop is an attempt of its own below here: limits and credentials go by its host
    -- once per attempt from here --
    13 breaker               refuses before a token or a place is spent
    14 rate                  our own limits; servers count attempts, not calls
    15 pace                  the server's limits, as it tells them
    16 concurrency           after both: waiting for a token must not hold a place
    17 breaker (again)       turns back those who stood in line until their circuit opened
    18 propagation           the time left, after every wait of ours
    19 auth                  a credential for its own origin, fresh after every wait
    20 watch (attempts)      a span per attempt, and the headers that carry it on
    21 telemetry (attempts)  one record per attempt, with its `why`
    22 auth (sign)           what nobody above may see is written for the transport alone
    23 chaos                 tests' own faults, met by every layer as real ones would be
    24 transport             attempt limit = min(setting, time left)

Invariants (held by tests/test_order.py and the tests of each layer):

    1. Only retry, hedge, redirect, fallback and cache (after a useless 304) call `inner` more than once. Where a
       credential was refused, auth says in `call.resend` why another try may do; retry makes it.
    2. No layer changes a Request it was given; it copies.
    3. Idempotency keys are made when the Request is built: every attempt carries the same one.
    4. A refusal of ours (circuit open, deadline passed, queue full) and a cancellation are no failure of the host.
       A 429 feeds the limits, not the breaker.
    5. A place or a token is given back in `finally`, synchronously. Bodies are read inside the attempt; where one is
       streamed, its place is given back, and its call ends, when the body closes (a learned limit's: at the headers).
    6. `CancelledError` is never retried, wrapped or swallowed, save by the guard that caused it.
    7. Validation is no layer: the client decodes after the stack, and a mismatch is never retried.

A concern that is switched off is absent from the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from asyncapi.config import Adaptive, CostBudget
from asyncapi.errors import ConfigError
from asyncapi.layers import telemetry
from asyncapi.layers.auth import auth, sign
from asyncapi.layers.breaker import breaker, breaker_again
from asyncapi.layers.cache import cache
from asyncapi.layers.chaos import chaos
from asyncapi.layers.concurrency import concurrency
from asyncapi.layers.deadline import in_this_task, within_deadline
from asyncapi.layers.fallback import Kept, fallback
from asyncapi.layers.frozen import frozen
from asyncapi.layers.hedge import hedge
from asyncapi.layers.outcome import outcome
from asyncapi.layers.pace import pace
from asyncapi.layers.propagate import propagate
from asyncapi.layers.rate import rate
from asyncapi.layers.redirect import redirect
from asyncapi.layers.retry import retry
from asyncapi.layers.singleflight import singleflight
from asyncapi.layers.watch import watch_attempts, watch_calls
from asyncapi.layers.whose import whose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncapi.config import RateLimit
    from asyncapi.parts import Parts
    from asyncapi.types import Layer, Request
    from asyncapi.waiting import Weights

PROBE_EVERY = 5.0  # seconds between two tries of a place that a fallback stands in for


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of the chain, as `explain()` shows it."""

    name: str
    settings: str
    layer: Layer


class Explanation(str):
    """The text that `explain()` has printed.

    It is text in every way but one: its repr is short, so that an interactive session, which shows what a call returns,
    does not show all of it a second time.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Explanation, {len(self.splitlines())} lines>"


def chain(parts: Parts) -> list[Step]:
    """The layers that the plan asks for, outermost first."""
    return [step for place in ORDER for step in place(parts)]


def _own(parts: Parts) -> Iterator[Step]:
    for layer in parts.plan.layers:
        yield Step(getattr(layer, "__name__", "layer"), "your own", layer)
    if parts.plan.layers:
        yield Step("task", "the one your own layers go on in", in_this_task)


def _watch_calls(parts: Parts) -> Iterator[Step]:
    watchers = parts.plan.watch
    if watchers:
        yield Step(
            "watch (calls)", ", ".join(type(one).__name__ for one in watchers), watch_calls(watchers, parts.clock)
        )


def _calls(parts: Parts) -> Iterator[Step]:
    yield Step("telemetry (calls)", "counts, latency quantiles", telemetry.calls(parts.meter, parts.clock))


def _outcome(_: Parts) -> Iterator[Step]:
    yield Step("outcome", "of calls with an idempotency key", outcome)


def _deadline(parts: Parts) -> Iterator[Step]:
    yield Step("deadline", "one timer for all calls", within_deadline(parts.watchdog, parts.clock))


def _whose(parts: Parts) -> Iterator[Step]:
    plan, users = parts.plan, parts.users
    shares = plan.cache is not None or plan.single_flight or any(one.stale is not None for one in plan.fallback)
    if users is not None and shares:
        yield Step("whose", "what is kept or shared is one user's", whose(users))


def _cache(parts: Parts) -> Iterator[Step]:
    settings = parts.plan.cache
    if settings is not None and parts.cached is not None:
        unchanged = None if parts.users is None else parts.users.unchanged
        yield Step(
            "cache", settings.told(), cache(parts.answers, settings.policy(), parts.cached, parts.clock, unchanged)
        )


def _frozen(parts: Parts) -> Iterator[Step]:
    yield Step("frozen", "bodies of calls with an idempotency key", frozen(parts.used))


def _single_flight(parts: Parts) -> Iterator[Step]:
    if parts.flights is not None:
        yield Step("single-flight", "identical GETs and HEADs share one", singleflight(parts.flights))


def _fallback(parts: Parts) -> Iterator[Step]:
    plan = parts.plan
    if plan.fallback:
        ways = [one.way() for one in plan.fallback]
        kept = Kept(parts.answers, None if parts.users is None else parts.users.unchanged)
        layer = fallback(ways, plan.base, kept, parts.watchdog, parts.clock, probe_every=PROBE_EVERY)
        yield Step("fallback", ", ".join(one.told() for one in plan.fallback), layer)


def _retry(parts: Parts) -> Iterator[Step]:
    settings = parts.plan.retry
    told = "none, but a stale connection is replayed" if settings is None else settings.told()
    counted = settings is not None and isinstance(settings.budget, CostBudget)  # as the AWS SDKs count throttling
    layer = retry(parts.budgets, parts.clock, paced=parts.paces is not None, counted=counted)
    yield Step("retry", told, layer)


def _hedge(parts: Parts) -> Iterator[Step]:
    if parts.plan.hedge is not None and parts.hedges is not None:
        told = f"after {parts.plan.hedge.after}, {parts.plan.hedge.budget:.0%} more at the most"
        yield Step("hedge", told, hedge(parts.hedges, parts.plan.hedge.policy()))


def _redirect(parts: Parts) -> Iterator[Step]:
    if parts.plan.redirects:
        yield Step("redirect", f"at most {parts.plan.redirects}", redirect(parts.plan.redirects))


def _breaker(parts: Parts) -> Iterator[Step]:
    settings = parts.plan.breaker
    if settings is not None and parts.circuits is not None:
        told = f"opens at {settings.failure_rate:.0%} failures, for {settings.open_for:g} s"
        yield Step("breaker", told, breaker(parts.circuits, settings.policy(), parts.clock))


def _rate(parts: Parts) -> Iterator[Step]:
    for by, limits, limiters in parts.limiters:
        told = ", ".join(f"{one.amount:g} per {one.per:g} s" for one in limits)
        by_host = by == "host"
        layer = rate(limiters, _weigh(limits), parts.clock, by_host=by_host, max_queue=parts.plan.max_queue)
        yield Step("rate", f"{told} for {'each host' if by_host else 'the client'}", layer)


def _pace(parts: Parts) -> Iterator[Step]:
    if parts.paces is not None:
        given = parts.plan.pace
        key = given if callable(given) else None
        infer = given == "learn"
        layer = pace(parts.paces, parts.clock, key=key, max_queue=parts.plan.max_queue, infer=infer)
        who = "each host" if key is None else "each key"
        learned = "; a rate is inferred for every call" if infer else ""
        yield Step("pace", f"as {who} tells: Retry-After, RateLimit, X-RateLimit{learned}", layer)


def _weigh(limits: Sequence[RateLimit]) -> Callable[[Request], Weights]:
    scales = [limit.weight for limit in limits]
    if not any(scales):
        ones = (1.0,) * len(scales)
        return lambda _: ones
    return lambda request: tuple(1.0 if scale is None else _checked(scale(request)) for scale in scales)


def _checked(weight: float) -> float:
    """What a user's `weight` function gives.

    Raises:
        ConfigError: It is no weight: a limit would be broken for good.
    """
    if not 0 <= weight < inf:
        raise ConfigError(f"RateLimit(weight=...) gave {weight!r}: it must be a number, 0 or more")
    return weight


def _concurrency(parts: Parts) -> Iterator[Step]:
    gates = parts.gate or parts.gates
    if gates is not None:
        usual = partial(parts.meter.latencies.all.quantile, 0.5)
        layer = concurrency(gates, parts.clock, parts.watchdog, max_queue=parts.plan.max_queue, typical=usual)
        limit = parts.plan.concurrency
        told = f"{limit.algorithm}, learned per host" if isinstance(limit, Adaptive) else f"{limit} attempts at a time"
        yield Step("concurrency", told, layer)


def _breaker_again(parts: Parts) -> Iterator[Step]:
    lines = parts.limiters or parts.paces is not None or parts.gate is not None or parts.gates is not None
    if lines and parts.plan.breaker is not None and parts.circuits is not None:
        layer = breaker_again(parts.circuits, parts.plan.breaker.policy(), parts.clock)
        yield Step("breaker (again)", "after standing in line", layer)


def _propagation(parts: Parts) -> Iterator[Step]:
    plan = parts.plan
    named = [name for name in (plan.deadline_header, plan.attempt_header) if name is not None]
    if named:
        layer = propagate(parts.clock, deadline_header=plan.deadline_header, attempt_header=plan.attempt_header)
        yield Step("propagation", ", ".join(named), layer)


def _auth(parts: Parts) -> Iterator[Step]:
    if parts.keyring is not None:
        yield Step("auth", parts.keyring.told(), auth(parts.keyring))


def _watch_attempts(parts: Parts) -> Iterator[Step]:
    if parts.plan.watch:
        yield Step("watch (attempts)", "the same, and trace headers", watch_attempts())


def _attempts(parts: Parts) -> Iterator[Step]:
    hooks = parts.plan.hooks
    told = f"{len(hooks)} hooks" if hooks else "no hooks"
    layer = telemetry.attempts(parts.meter, parts.clock, hooks, parts.state)
    yield Step("telemetry (attempts)", told, layer)


def _sign(parts: Parts) -> Iterator[Step]:
    if parts.keyring is not None:
        yield Step("auth (sign)", "written for the transport alone", sign(parts.clock))


def _chaos(parts: Parts) -> Iterator[Step]:
    if parts.plan.chaos is not None:
        yield Step(
            "chaos", f"seed {parts.plan.chaos.seed}", chaos(parts.plan.chaos.start(), parts.watchdog, parts.clock)
        )


ORDER: tuple[Callable[[Parts], Iterator[Step]], ...] = (
    _own,
    _watch_calls,
    _calls,
    _outcome,
    _deadline,
    _whose,
    _cache,
    _frozen,
    _single_flight,
    _fallback,
    _retry,
    _hedge,
    _redirect,
    _breaker,
    _rate,
    _pace,
    _concurrency,
    _breaker_again,
    _propagation,
    _auth,
    _watch_attempts,
    _attempts,
    _sign,
    _chaos,
)
