"""A snapshot of what a client has done and is doing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from asyncapi.sansio.measures.histogram import OTHERS

if TYPE_CHECKING:
    from asyncapi.client.state import ClientState
    from asyncapi.layers.concurrency import Gate
    from asyncapi.layers.pace import Pace
    from asyncapi.sansio.failures.circuit import Snapshot
    from asyncapi.sansio.measures.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the answered calls of one route took, seconds, waits and retries included.

    Attributes:
        count: Answered calls.
        mean: Their mean.
        p50: Their median.
        p95: The 95th percentile.
        p99: The 99th percentile.
    """

    count: int
    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """The state of one endpoint of a client that has several.

    Attributes:
        state: "in"; "starting" while it is new or back, with less than its share; "ejected" after failures in a row;
            "due" when its probe may go; "probing" while that is under way.
        in_flight: Attempts under way there, bodies that are still being read included.
        latency: The average seconds of the last attempts, to a response; None before the first.
        picked: Attempts that were given to it.
        failures: Failures in a row.
        ejections: How often it was ejected.
        zone: As in `Endpoint`.
        weight: As in `Endpoint`.
        priority: As in `Endpoint`.
    """

    state: Literal["in", "starting", "ejected", "due", "probing"]
    in_flight: int
    latency: float | None
    picked: int
    failures: int
    ejections: int
    zone: str
    weight: float
    priority: int


@dataclass(frozen=True, slots=True)
class LearnedStats:
    """What was learned of the retries of one kind of failure on one route; old retries count less (`Learned`).

    As text it says what follows: "next retry after 1.6 s: 34 of 36 such retries ended well".

    Attributes:
        good: Retries that ended well.
        bad: Retries that did not.
        waits: For each wait in seconds, how many retries after it ended well and how many did not; one counts half for
            the wait next to its own.
        choice: Seconds of the wait that was the best at the last decision; None if no retry was worth it.
        refused: The share of the decisions that were against a retry.
    """

    good: float
    bad: float
    waits: dict[float, tuple[float, float]]
    choice: float | None
    refused: float

    def __str__(self) -> str:
        if self.choice is None:
            return f"no retry: {self.good:.0f} of {self.good + self.bad:.0f} ended well"
        good, bad = self.waits.get(self.choice, (0.0, 0.0))
        seen = f"{good:.0f} of {good + bad:.0f} such retries ended well" if good + bad > 0.5 else "none was seen yet"  # noqa: PLR2004
        return f"next retry after {self.choice:g} s: {seen}"


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the client was made, and its state now. Durations are seconds.

    Attributes:
        calls: Calls begun.
        ok: Calls that ended with a status below 400.
        failed: Calls that ended with 4xx or 5xx, or with an error. Cancelled calls are neither.
        by_status: Final statuses of calls.
        by_error: Final errors of calls by class.
        attempts: Attempts begun.
        retries: Attempts that repeated a failed one.
        in_flight: Calls under way.
        queued: Attempts waiting in a queue for a token or a slot, or for a stream of HTTP/2 or 3.
        p50: Median latency of answered calls, waits and retries included; None before the first.
        p95: Its 95th percentile.
        p99: Its 99th percentile.
        routes: The same by route, "GET /users/{id}" where calls have a `route=`, else "GET api.example.com". The first
            256 routes have figures of their own, all others are "other".
        degraded: Calls that a fallback has answered.
        cache: What the cache did: hits, revalidated, stale, misses, stored; and bytes kept. Empty without one. Once a
            response was used while it was revalidated: refreshed, and not_refreshed, in the background. With a
            `store=` also its `entries`, and what this client has `evicted` and seen of `errors`.
        shared: Calls that joined another's flight (single-flight).
        hedged: Calls that a further copy has answered (hedging).
        concurrency: Attempts allowed at a time, or None where there is no fixed number.
        limits: Attempts allowed at a time as learned, by host (`Adaptive`).
        circuits: The breaker's state, by host or key.
        rate: Tokens left in each bucket, by host ("" for the client's own).
        paused: Seconds until the next attempt may go, by host that tells or refuses (`pace`).
        pauses: Seconds for which 429s have paused everybody so far, by host (`pace`).
        budget: Retries left, by host.
        held_back: Waits and refusals by the setting that held a call back, in a word: "budget", "pace", "breaker" ...
            (docs/resilience.md has the table).
        fleet: What is shared with other processes (`shared=`): `workers` seen in the last two seconds; `away`, why
            Redis can't be asked, or ""; `slots` used and `lapsed`, and `trips` to Redis. Empty where nothing is shared.
        http2: What is open over HTTP/2: `connections`, `streams` (requests under way) and `waiting` (for a stream); and
            `refused`, the streams that servers have refused so far. Empty without `http2=`.
        http3: What is open over HTTP/3: `connections`, `streams` and `waiting` as for HTTP/2; and `broken`, the places
            where it is not tried for a while because it failed. Empty without `http3=`.
        learned: What was learned of retries (`Retry(policy=Learned())`), by host, and by the kind of failure and the
            route: "503 on GET /items".
    """

    calls: int
    ok: int
    failed: int
    by_status: dict[int, int]
    by_error: dict[str, int]
    attempts: int
    retries: int
    in_flight: int
    queued: int
    p50: float | None
    p95: float | None
    p99: float | None
    routes: dict[str, Latency]
    degraded: int
    cache: dict[str, int]
    shared: int
    hedged: int
    concurrency: int | None
    limits: dict[str, int]
    circuits: dict[str, Snapshot]
    rate: dict[str, list[float]]
    paused: dict[str, float]
    pauses: dict[str, float]
    budget: dict[str, float]
    held_back: dict[str, int]
    fleet: dict[str, str | int | float] = field(default_factory=dict)
    http2: dict[str, int] = field(default_factory=dict)
    http3: dict[str, int] = field(default_factory=dict)
    endpoints: dict[str, EndpointStats] = field(default_factory=dict)
    learned: dict[str, dict[str, LearnedStats]] = field(default_factory=dict)


def snapshot(state: ClientState, http2: dict[str, int], http3: dict[str, int]) -> Stats:
    """The state of a client's state now; `http2` and `http3` are what its transport counts."""
    meter, now = state.meter, state.clock.now()
    adaptive: dict[str, Gate] = state.gates or {}
    gates = [*adaptive.values(), *([state.gate] if state.gate is not None else [])]
    limiters = [(key, limiter) for _, _, keyed in state.limiters for key, limiter in keyed.items()]
    paces: dict[str, Pace] = state.paces or {}
    limited = {host: pace.pacer for host, pace in paces.items() if pace.pacer.active}
    ok = sum(count for status, count in meter.by_status.items() if status < 400)  # noqa: PLR2004 - where errors begin
    answered = sum(meter.by_status.values())
    return Stats(
        calls=meter.calls,
        ok=ok,
        failed=answered - ok + sum(meter.by_error.values()) - meter.by_error.get("CancelledError", 0),
        by_status=dict(sorted(meter.by_status.items())),
        by_error=dict(sorted(meter.by_error.items())),
        attempts=meter.attempts,
        retries=meter.retries,
        in_flight=meter.in_flight,
        queued=sum(gate.queue.length for gate in gates)
        + sum(limiter.queue.length for _, limiter in limiters)
        + sum(pace.waiting for pace in paces.values())
        + http2.get("waiting", 0)
        + http3.get("waiting", 0),
        p50=meter.latencies.all.quantile(0.50),
        p95=meter.latencies.all.quantile(0.95),
        p99=meter.latencies.all.quantile(0.99),
        routes={_name(key): _latency(histogram) for key, histogram in meter.latencies.by_key.items()},
        degraded=meter.degraded,
        cache=_cache(state),
        shared=state.flights.shared if state.flights is not None else 0,
        hedged=state.hedges.won if state.hedges is not None else 0,
        concurrency=state.gate.limit if state.gate is not None else None,
        limits={host: gate.limit for host, gate in adaptive.items()},
        circuits={key: circuit.snapshot(now) for key, circuit in (state.circuits or {}).items()},
        rate={key: [bucket.available(now) for bucket in limiter.buckets] for key, limiter in limiters},
        paused={host: wait for host, pacer in limited.items() if (wait := pacer.delay(now)) > 0},
        pauses={host: pacer.pause.total for host, pacer in limited.items() if pacer.pause.total},
        budget={host: budget.tokens for host, budget in state.budgets.items()},
        held_back=dict(sorted(meter.held.items())),
        fleet={} if state.fleet is None else state.fleet.shared,
        http2=http2,
        http3=http3,
        endpoints=_endpoints(state, now),
        learned=_learned(state),
    )


def _endpoints(state: ClientState, now: float) -> dict[str, EndpointStats]:
    if state.endpoints is None:
        return {}
    from asyncapi.client.endpoints import snapshots  # noqa: PLC0415 - most clients have one endpoint

    return snapshots(state.endpoints, now)


def _learned(state: ClientState) -> dict[str, dict[str, LearnedStats]]:
    if not state.learned:
        return {}
    from asyncapi.client.learned import snapshots  # noqa: PLC0415 - most clients learn no retries

    return snapshots(state.learned)


def _name(key: tuple[str, str]) -> str:
    return "other" if key == OTHERS else " ".join(key)


def _latency(times: Histogram) -> Latency:
    p50, p95, p99 = (times.quantile(share) or 0.0 for share in (0.50, 0.95, 0.99))
    return Latency(times.count, times.total / times.count, p50, p95, p99)


def _cache(state: ClientState) -> dict[str, int]:
    """The counts of the cache, and the bytes that it holds; empty where there is none."""
    if state.cached is None or state.answers is None:
        return {}
    counts, behind = asdict(state.cached), state.background
    if behind is not None and behind.started:
        without = behind.failed + behind.cancelled
        counts |= {"refreshed": behind.started - without - len(behind), "not_refreshed": without}
    if state.lasting is not None:
        occupancy = state.lasting.occupancy()  # first: it takes in what the store's thread has counted
        return {**counts, **asdict(state.lasting.counts), **occupancy}
    return {**counts, "bytes": state.answers.size}
