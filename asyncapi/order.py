"""THE ORDER of the layers, outermost first, and why each stands where it does.

    1  telemetry (calls)     sees the final outcome
    2  deadline              covers queueing, all attempts, all waits, the body
    3  fallback              what is left when retries are spent, within the deadline
    4  retry                 owns the budget and Retry-After
    5  redirect              each hop is an attempt of its own below here: limits and credentials go by its host
    -- once per attempt from here --
    6  rate                  servers count attempts, not calls
    7  concurrency           after rate: waiting for a token must not hold a place
    8  propagation           the time left, after every wait of ours
    9  telemetry (attempts)  one record per attempt, with its `why`
    10 transport             attempt limit = min(setting, time left)

Invariants (held by tests/test_order.py and the tests of each layer):

    1. Only retry calls `inner` more than once for one hop; redirect once per hop.
    2. No layer changes a Request it was given; it copies.
    3. Idempotency keys are made when the Request is built: every attempt carries the same one.
    4. A refusal of ours (deadline passed, queue full) and a cancellation are no failure of the host.
    5. A place or a token is given back in `finally`, synchronously. Bodies are read inside the attempt.
    6. `CancelledError` is never retried, wrapped or swallowed, save by the guard that caused it.
    7. Validation is no layer: the client decodes after the stack, and a mismatch is never retried.

A concern that is switched off is absent from the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asyncapi.config import Budget
from asyncapi.layers import telemetry
from asyncapi.layers.concurrency import Gate, concurrency
from asyncapi.layers.deadline import within_deadline
from asyncapi.layers.fallback import fallback
from asyncapi.layers.propagate import propagate
from asyncapi.layers.rate import Limiter, rate
from asyncapi.layers.redirect import redirect
from asyncapi.layers.retry import retry
from asyncapi.sansio.keyed import Keyed
from asyncapi.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.config import Fallback, RateLimit, Retry
    from asyncapi.sansio.budget import Retries
    from asyncapi.types import Attempt, Layer, Request
    from asyncapi.waiting import Weights

PROBE_EVERY = 5.0  # seconds between two tries of a place that a fallback stands in for


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of the chain, as `explain()` shows it."""

    name: str
    settings: str
    layer: Layer


class Parts:
    """The running state behind the layers of one client: what `stats` looks at.

    Args:
        clock: Times everything.
        retry: The client's retry settings, for its budget.
        limit: Attempts at a time, or None.
        rates: The rate limits.
        hooks: Called with every attempt's record.
        redirects: The most redirects followed.
        max_queue: The most that may stand in one line.
        base: The base URL, which a fallback replaces.
        fallbacks: What to do when a call fails, in order.
        deadline_header: Where to tell the time left.
        attempt_header: Where to tell the attempt's number.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        retry: Retry | None,
        limit: int | None,
        rates: Sequence[RateLimit],
        hooks: Sequence[Callable[[Attempt], object]],
        redirects: int,
        max_queue: int | None = None,
        base: str = "",
        fallbacks: Sequence[Fallback] = (),
        deadline_header: str | None = None,
        attempt_header: str | None = None,
    ) -> None:
        self.clock = clock
        self.max_queue = max_queue
        self.base = base
        self.fallbacks = fallbacks
        self.deadline_header = deadline_header
        self.attempt_header = attempt_header
        self.hooks = hooks
        self.redirects = redirects
        self.meter = telemetry.Meter()
        self.watchdog = Watchdog(clock)
        self.budget = (retry.budget if retry is not None else None) or Budget()
        self.budgets: Keyed[Retries] = Keyed(self.budget.start)
        self.gate = None if limit is None else Gate(limit)
        self.limiters = [
            (by, limits, Keyed(_starter(limits, clock)))
            for by in ("client", "host")
            if (limits := [one for one in rates if one.by == by])
        ]


def _starter(limits: Sequence[RateLimit], clock: Clock) -> Callable[[], Limiter]:
    return lambda: Limiter([limit.start() for limit in limits], clock)


def chain(parts: Parts, *, retry_settings: str | None) -> list[Step]:
    """The layers, outermost first; `retry_settings` None leaves retries out."""
    clock = parts.clock
    steps = [
        Step("telemetry (calls)", "counts, latency quantiles", telemetry.calls(parts.meter, clock)),
        Step("deadline", "one timer for all calls", within_deadline(parts.watchdog, clock)),
    ]
    if parts.fallbacks:
        ways = [one.way() for one in parts.fallbacks]
        layer = fallback(ways, parts.base, parts.watchdog, clock, probe_every=PROBE_EVERY)
        steps.append(Step("fallback", ", ".join(one.told() for one in parts.fallbacks), layer))
    if retry_settings is not None:
        steps.append(Step("retry", retry_settings, retry(parts.budgets, clock)))
    if parts.redirects:
        steps.append(Step("redirect", f"at most {parts.redirects}", redirect(parts.redirects)))
    for by, limits, limiters in parts.limiters:
        told = ", ".join(f"{one.amount:g} per {one.per:g} s" for one in limits)
        layer = rate(limiters, _weigh(limits), clock, by_host=by == "host", max_queue=parts.max_queue)
        steps.append(Step("rate", f"{told} for {'each host' if by == 'host' else 'the client'}", layer))
    if parts.gate is not None:
        layer = concurrency(
            parts.gate,
            clock,
            parts.watchdog,
            max_queue=parts.max_queue,
            typical=partial(parts.meter.latency.quantile, 0.5),
        )
        steps.append(Step("concurrency", f"{parts.gate.limit} attempts at a time", layer))
    if parts.deadline_header is not None or parts.attempt_header is not None:
        named = ", ".join(name for name in (parts.deadline_header, parts.attempt_header) if name is not None)
        layer = propagate(clock, deadline_header=parts.deadline_header, attempt_header=parts.attempt_header)
        steps.append(Step("propagation", named, layer))
    hooks = f"{len(parts.hooks)} hooks" if parts.hooks else "no hooks"
    steps.append(Step("telemetry (attempts)", hooks, telemetry.attempts(parts.meter, clock, parts.hooks)))
    return steps


def _weigh(limits: Sequence[RateLimit]) -> Callable[[Request], Weights]:
    scales = [limit.weight for limit in limits]
    if not any(scales):
        ones = (1.0,) * len(scales)
        return lambda _: ones
    return lambda request: tuple(1.0 if scale is None else scale(request) for scale in scales)
