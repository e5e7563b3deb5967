"""The order of the layers that a call goes through, outermost first, and why each has its place.

    0  your own              layers given as `layers=`: outside all others, they see what the caller sees
    1  watch (calls)         outside telemetry, which completes the records that watchers get
    2  telemetry (calls)     counts the final outcome of each call
    3  outcome               says of a call with an idempotency key whether it is done, not done, or unknown; the
                             deadline, below, may cut it off
    4  deadline              bounds all below it: the queues, every attempt, every wait between them, the body
    5  principal             names the user of the call, so that nothing cached or shared below crosses users
    6  cache                 a hit costs nothing below
    7  body snapshot         a call with an idempotency key sends the same bytes in each attempt; inside the deadline,
                             because it reads the body
    8  single-flight         identical calls share everything below; each keeps its own deadline
    9  fallback              what to do once retries are spent, within the deadline
    10 retry                 owns the retry budget and Retry-After
    11 hold                  above what an attempt costs: a call that waits for its host holds no token and no slot
    12 hedge                 sends a second copy of an attempt that is late, where that is safe
    13 redirect              each hop is an attempt of its own below here: limits and credentials go by its host
    -- once per attempt from here --
    14 balance               picks the endpoint of the attempt, where the client has several: a retry or a hedge goes
                             elsewhere, and what follows goes by its host
    15 breaker               refuses an attempt before it takes a token or a slot
    16 rate                  our own rate limits; per attempt, because servers count attempts and not calls
    17 pace                  the rate limits that the server announces
    18 concurrency           after both: an attempt that waits for a token must not hold a slot
    19 breaker (again)       refuses attempts whose circuit opened while they waited in a queue
    20 overdue               gives up an attempt that takes too long, timed after every wait of ours
    21 propagation           writes the time left into a header, after every wait of ours
    22 mesh                  tells a mesh in headers who retries, and how long we wait
    23 auth                  gets the credential for the attempt's origin, fresh after every wait
    24 watch (attempts)      a span per attempt, and the headers that carry the trace on
    25 telemetry (attempts)  one record per attempt, with the reason why it was sent
    26 auth (sign)           writes the credential, which no layer above may see, onto a copy of the request
    27 chaos                 injects the faults of tests, which every layer meets as real ones
    28 transport             attempt limit = min(setting, time left)

Invariants (held by tests/client/test_chain.py and the tests of each layer):

    1. Only retry, hedge, redirect, fallback, cache (after a useless 304) and balance (after an open circuit, or a probe
       of its own that failed) call `inner` more than once. Where a credential was refused, auth says in `call.resend`
       why another try may succeed; retry makes it.
    2. No layer changes a Request that it was given; it copies.
    3. Idempotency keys are made when the Request is built: every attempt carries the same one.
    4. A refusal of ours (circuit open, deadline passed, queue full) and a cancellation are no failure of the host.
       A 429 feeds the limits, not the breaker.
    5. A slot or a token is given back in `finally`, synchronously. Bodies are read inside the attempt; where one is
       streamed, its slot is given back, and its call ends, when the body closes (a learned limit's: at the headers).
    6. `CancelledError` is never retried, wrapped or swallowed, save by the guard that caused it.
    7. Validation is no layer: the client decodes after the stack, and a mismatch is never retried.

A concern that is switched off is absent from the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asyncapi.client.limits import weigher
from asyncapi.layers import telemetry
from asyncapi.layers.auth import auth, sign
from asyncapi.layers.breaker import breaker, breaker_again
from asyncapi.layers.cache import cache
from asyncapi.layers.cache_changes import cache_changes
from asyncapi.layers.cache_ranges import cache_ranges
from asyncapi.layers.chaos import chaos
from asyncapi.layers.concurrency import concurrency
from asyncapi.layers.deadline import in_this_task, within_deadline
from asyncapi.layers.fallback import fallback
from asyncapi.layers.hedge import hedge
from asyncapi.layers.idempotency import body_snapshot, outcome
from asyncapi.layers.pace import pace
from asyncapi.layers.principal import principal
from asyncapi.layers.propagation import propagation
from asyncapi.layers.rate import rate
from asyncapi.layers.redirect import redirect
from asyncapi.layers.retry import retry
from asyncapi.layers.singleflight import singleflight
from asyncapi.layers.watch import watch_attempts, watch_calls
from asyncapi.sansio.failures import mesh as mesh_headers
from asyncapi.settings import Adaptive, CostBudget, Mesh
from asyncapi.stores.last_good import LastGood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncapi.client.state import ClientState
    from asyncapi.types import Layer

PROBE_EVERY = 5.0  # seconds between two probes of a host that a fallback replaces


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


def chain(state: ClientState) -> list[Step]:
    """The layers that the settings ask for, outermost first."""
    return [step for place in ORDER for step in place(state)]


def own_chain(state: ClientState, usual: Sequence[Step]) -> list[Step]:
    """The layers for calls with a credential or redirects of their own; those that it shares with `usual` are the same.

    Layers of the user's own are left out: they are composed once, around both chains.
    """
    shared = {(step.name, step.settings): step for step in usual if step.name not in _OF_ONE_USER}
    own = state.for_own_options()
    steps = [step for place in ORDER if place is not _own for step in place(own)]
    return [shared.get((step.name, step.settings), step) for step in steps]


_OF_ONE_USER = frozenset({"principal", "cache", "fallback"})  # these decide by the principal of a call


def _own(state: ClientState) -> Iterator[Step]:
    for layer in state.settings.layers:
        yield Step(getattr(layer, "__name__", "layer"), "your own", layer)
    if state.settings.layers:
        yield Step("task", "continues in the task of your own layers", in_this_task)


def _watch_calls(state: ClientState) -> Iterator[Step]:
    watchers = state.settings.watch
    if watchers:
        names = ", ".join(type(watcher).__name__ for watcher in watchers)
        yield Step("watch (calls)", names, watch_calls(watchers, state.clock))


def _calls(state: ClientState) -> Iterator[Step]:
    yield Step("telemetry (calls)", "counts, latency quantiles", telemetry.calls(state.meter, state.clock))


def _outcome(_: ClientState) -> Iterator[Step]:
    yield Step("outcome", "done, not done or unknown, of calls with an idempotency key", outcome)


def _deadline(state: ClientState) -> Iterator[Step]:
    yield Step("deadline", "one timer for all calls", within_deadline(state.watchdog, state.clock))


def _principal(state: ClientState) -> Iterator[Step]:
    settings, users = state.settings, state.principals
    stale = any(fallback.stale is not None for fallback in settings.fallback)
    if users is not None and (stale or settings.single_flight or settings.cache is not None):
        yield Step("principal", "what is cached or shared belongs to one user", principal(users))


def _cache(state: ClientState) -> Iterator[Step]:
    settings = state.settings.cache
    if settings is not None and state.cached is not None and state.answers is not None:
        unchanged = None if state.principals is None else state.principals.unchanged
        watchers = state.settings.watch
        watch = watch_calls(watchers, state.clock, background=True) if watchers else None
        layer = cache(
            state.answers, settings, state.cached, state.clock, unchanged,
            fetching=state.fetching, background=state.background, follows=state.settings.redirects > 0,
            aside=cache_ranges, changes=cache_changes, lasting=state.lasting, turns=state.turns, watch=watch,
        )  # fmt: skip
        yield Step("cache", settings.describe(), layer)


def _body_snapshot(state: ClientState) -> Iterator[Step]:
    yield Step("body snapshot", "one copy of the body, of calls with an idempotency key", body_snapshot(state.used))


def _single_flight(state: ClientState) -> Iterator[Step]:
    if state.flights is not None:
        text = "identical GETs and HEADs under way share one response"
        yield Step("single-flight", text, singleflight(state.flights))


def _fallback(state: ClientState) -> Iterator[Step]:
    settings = state.settings
    if settings.fallback and state.answers is not None:
        last_good = LastGood(state.answers, None if state.principals is None else state.principals.unchanged)
        policy = None if settings.retry is None else settings.retry.policy
        explore = policy.explore if policy is not None and policy.degrade else 0.0
        layer = fallback(
            settings.fallback, settings.base, last_good, state.watchdog, state.clock,
            probe_every=PROBE_EVERY, explore=explore,
        )  # fmt: skip
        yield Step("fallback", ", ".join(each.describe() for each in settings.fallback), layer)


def _retry(state: ClientState) -> Iterator[Step]:
    settings = state.settings.retry
    text = "none, but for a kept connection that proves closed" if settings is None else settings.describe()
    # as the AWS SDKs count throttling; not so where a policy brings such a budget
    counted = settings is not None and settings.policy is None and isinstance(settings.budget, CostBudget)
    mesh, paced = state.settings.mesh, state.paces is not None
    behind = isinstance(mesh, Mesh) and mesh.retry == "mesh"
    layer = retry(state.budgets, state.clock, paced=paced, counted=counted, behind_mesh=behind, learned=state.lessons)
    yield Step("retry", text, layer)


def _hold(state: ClientState) -> Iterator[Step]:
    if state.lines is not None:
        from asyncapi.layers.hold import hold  # noqa: PLC0415 - most clients learn no retries

        text = "while a host refuses connections, its calls wait and one at a time probes it"
        yield Step("hold", text, hold(state.lines, state.clock))


def _hedge(state: ClientState) -> Iterator[Step]:
    if state.settings.hedge is not None and state.hedges is not None:
        text = f"after {state.settings.hedge.after}, {state.settings.hedge.budget:.0%} more at most"
        yield Step("hedge", text, hedge(state.hedges, state.settings.hedge))


def _redirect(state: ClientState) -> Iterator[Step]:
    if state.settings.redirects or state.own:
        yield Step("redirect", f"at most {state.settings.redirects}", redirect(state.settings.redirects))


def _balance(state: ClientState) -> Iterator[Step]:
    if state.endpoints is not None:
        from asyncapi.layers.balance import balance  # noqa: PLC0415 - most clients have one endpoint

        yield Step("balance", state.endpoints.settings.describe(), balance(state.endpoints, state.clock))


def _breaker(state: ClientState) -> Iterator[Step]:
    settings = state.settings.breaker
    if settings is not None and state.circuits is not None:
        text = f"opens at {settings.failure_rate:.0%} failures, for {settings.open_for:g} s"
        yield Step("breaker", text, breaker(state.circuits, settings, state.clock))


def _rate(state: ClientState) -> Iterator[Step]:
    for by, limits, limiters in state.limiters:
        text = ", ".join(f"{limit.amount:g} per {limit.per:g} s" for limit in limits)
        by_host = by == "host"
        layer = rate(limiters, weigher(limits), state.clock, by_host=by_host, max_queue=state.settings.max_queue)
        yield Step("rate", f"{text} for {'each host' if by_host else 'the client'}", layer)


def _pace(state: ClientState) -> Iterator[Step]:
    if state.paces is not None:
        setting = state.settings.pace
        key = setting if callable(setting) else None
        infer = setting == "learn"
        layer = pace(state.paces, state.clock, key=key, max_queue=state.settings.max_queue, infer=infer)
        who = "each host" if key is None else "each key"
        learned = "; a rate is inferred for every call" if infer else ""
        yield Step("pace", f"limits announced for {who}: Retry-After, RateLimit, X-RateLimit{learned}", layer)


def _concurrency(state: ClientState) -> Iterator[Step]:
    gates = state.gate or state.gates
    if gates is not None:
        usual = partial(state.meter.latencies.all.quantile, 0.5)
        layer = concurrency(gates, state.clock, state.watchdog, max_queue=state.settings.max_queue, typical=usual)
        limit = state.settings.concurrency
        text = f"{limit.algorithm}, learned per host" if isinstance(limit, Adaptive) else f"{limit} attempts at a time"
        yield Step("concurrency", text, layer)


def _breaker_again(state: ClientState) -> Iterator[Step]:
    queues = state.limiters or state.paces is not None or state.gate is not None or state.gates is not None
    if queues and state.settings.breaker is not None and state.circuits is not None:
        layer = breaker_again(state.circuits, state.settings.breaker, state.clock)
        yield Step("breaker (again)", "after waiting in the queue", layer)


def _overdue(state: ClientState) -> Iterator[Step]:
    policy = None if state.settings.retry is None else state.settings.retry.policy
    if state.settings.fallback and policy is not None and policy.degrade:
        from asyncapi.layers.overdue import overdue  # noqa: PLC0415 - most clients learn no retries

        yield Step("overdue", "attempts that take too long", overdue(state.clock, explore=policy.explore))


def _propagation(state: ClientState) -> Iterator[Step]:
    settings = state.settings
    named = [name for name in (settings.deadline_header, settings.attempt_header) if name is not None]
    if named:
        layer = propagation(
            state.clock, deadline_header=settings.deadline_header, attempt_header=settings.attempt_header
        )
        yield Step("propagation", ", ".join(named), layer)


def _mesh(state: ClientState) -> Iterator[Step]:
    if state.settings.mesh:
        from asyncapi.layers.mesh import mesh  # noqa: PLC0415 - few are behind one

        yield Step("mesh", state.settings.mesh.describe(), mesh(state.settings.mesh, state.clock))


def _auth(state: ClientState) -> Iterator[Step]:
    if state.keyring is not None:
        yield Step("auth", state.keyring.describe(), auth(state.keyring))


def _watch_attempts(state: ClientState) -> Iterator[Step]:
    if state.settings.watch:
        yield Step("watch (attempts)", "a span per attempt, and trace headers", watch_attempts())


def _attempts(state: ClientState) -> Iterator[Step]:
    hooks = state.settings.hooks
    text = f"{len(hooks)} hooks" if hooks else "no hooks"
    mesh = state.settings.mesh
    refining = None if mesh is False else mesh_headers.behind_a_mesh if mesh else mesh_headers.failing
    layer = telemetry.attempts(state.meter, state.clock, hooks, state.of_request, refining, refines_all=bool(mesh))
    yield Step("telemetry (attempts)", text, layer)


def _sign(state: ClientState) -> Iterator[Step]:
    if state.keyring is not None:
        yield Step("auth (sign)", "writes the credential just above the transport", sign(state.clock))


def _chaos(state: ClientState) -> Iterator[Step]:
    settings = state.settings.chaos
    if settings is not None:
        yield Step("chaos", f"seed {settings.seed}", chaos(settings, state.watchdog, state.clock))


ORDER: tuple[Callable[[ClientState], Iterator[Step]], ...] = (
    _own,
    _watch_calls,
    _calls,
    _outcome,
    _deadline,
    _principal,
    _cache,
    _body_snapshot,
    _single_flight,
    _fallback,
    _retry,
    _hold,
    _hedge,
    _redirect,
    _balance,
    _breaker,
    _rate,
    _pace,
    _concurrency,
    _breaker_again,
    _overdue,
    _propagation,
    _mesh,
    _auth,
    _watch_attempts,
    _attempts,
    _sign,
    _chaos,
)
