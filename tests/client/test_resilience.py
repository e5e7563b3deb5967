"""The layers that are one argument each, over the whole client: that they are there, in their place, and tell of it."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Adaptive, Breaker, CircuitOpen, Client, Fallback, Hedge, RateLimit, Retry
from asyncapi.testing import Chaos, FakeClock, MockTransport, reply, run

EVERYTHING = {
    "breaker": Breaker(),
    "hedge": Hedge(),
    "single_flight": True,
    "fallback": Fallback(value={}),
    "rate": [RateLimit(1e9), RateLimit(1e9, by="host")],
    "concurrency": Adaptive(),
    "deadline_header": "Request-Timeout",
    "attempt_header": "X-Retry-Attempt",
    "chaos": Chaos(seed=1),
    "pace": True,
}


def made(handler, **settings):
    clock = FakeClock()
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings), clock


def ok(request):
    return reply(200, json={"path": request.url.path})


def test_every_layer_stands_in_its_place(capsys):
    api, _ = made(ok, **EVERYTHING)
    names = [line.split("  ")[2].strip() for line in api.explain().splitlines() if line[:4].strip().isdigit()]
    shown = capsys.readouterr().out
    order = [
        "telemetry (calls)", "outcome", "deadline", "body snapshot", "single-flight", "fallback", "retry", "hedge", "redirect",
        "breaker", "rate", "rate", "pace", "concurrency", "breaker (again)", "propagation", "telemetry (attempts)",
        "chaos", "transport",
    ]  # fmt: skip
    assert [name for name in order if name in shown] == order
    assert len(names) == len(order)


def test_with_everything_on_calls_work_and_nothing_is_left():
    async def scenario():
        api, _ = made(ok, **EVERYTHING)
        async with api:
            values = await api.gather([f"/{n}" for n in range(300)])
            stats = api.stats
        parts = api._state
        left = (len(parts.watchdog), len(parts.hedges), len(parts.flights), stats.in_flight, stats.queued)
        return [value.json()["path"] for value in values], stats, left, {g.limit - g.free for g in parts.gates.values()}

    paths, stats, left, held = run(scenario())
    assert paths == [f"/{n}" for n in range(300)]
    assert (stats.ok, stats.failed) == (300, 0)
    assert left == (0, 0, 0, 0, 0)
    assert held == {0}


def test_a_breaker_refuses_and_shows_its_state():
    async def scenario():
        api, _ = made(lambda request: reply(500), breaker=Breaker(minimum=10), retry=None, raise_for_status=False)
        async with api:
            for _ in range(10):
                await api.get("/x")
            with pytest.raises(CircuitOpen) as refused:
                await api.get("/x")
            return refused.value.retry_after, api.stats.circuits["h"].state, api.stats.attempts

    retry_after, state, attempts = run(scenario())
    assert 0 < retry_after <= 5
    assert (state, attempts) == ("open", 10)


def test_a_refused_call_is_answered_by_a_fallback():
    async def scenario():
        api, _ = made(
            lambda request: reply(500), breaker=Breaker(minimum=5), retry=None, fallback=Fallback(value={"stale": True})
        )
        async with api:
            answers = [await api.get("/x") for _ in range(8)]
            return [answer.degraded for answer in answers], api.stats.degraded, api.stats.attempts

    reasons, degraded, attempts = run(scenario())
    assert "after 500" in reasons[0]
    assert "after CircuitOpen" in reasons[-1]
    assert (degraded, attempts) == (8, 5)


def test_hedges_and_shared_flights_are_counted():
    async def scenario():
        clock = FakeClock()
        seen = []

        async def sometimes_slow(request):
            seen.append(1)
            await clock.sleep(5.0 if len(seen) % 40 == 0 else 0.01 + 0.01 * clock.random())
            return reply(200)

        transport = MockTransport(sometimes_slow, clock=clock)
        async with Client("https://h", transport=transport, clock=clock, hedge=Hedge(), single_flight=True) as api:
            for _ in range(400):
                await api.get("/x")
            await asyncio.gather(*(api.get("/y") for _ in range(10)))
            return api.stats

    stats = run(scenario())
    assert stats.hedged >= 5
    assert stats.shared == 9
    assert stats.p99 < 5


def test_an_adaptive_limit_is_learned_per_host_and_falls_on_refusals():
    async def scenario():
        clock = FakeClock()
        busy = 0

        async def small(request):
            nonlocal busy
            if busy >= 5:
                await clock.sleep(0.01)
                return reply(503)
            busy += 1
            try:
                await clock.sleep(0.1)
            finally:
                busy -= 1
            return reply(200)

        transport = MockTransport(small, clock=clock)
        settings = {"concurrency": Adaptive(initial=50), "retry": None, "raise_for_status": False, "timeout": None}
        async with Client("https://h", transport=transport, clock=clock, **settings) as api:
            async with api.map((f"/{n}" for n in range(3000)), concurrency=50) as outcomes:
                async for _ in outcomes:
                    pass
            return api.stats.limits["h"]

    assert 1 <= run(scenario()) <= 12


def test_chaos_meets_the_retries_as_real_faults_would():
    async def scenario():
        api, _ = made(ok, chaos=Chaos(errors=0.2, drops=0.1, seed=3), retry=Retry(attempts=8, budget=None))
        async with api:
            async with api.map(f"/{n}" for n in range(200)) as outcomes:
                fine = [o.ok async for o in outcomes]
            return all(fine), api.stats.retries

    fine, retries = run(scenario())
    assert fine
    assert 20 < retries < 200
    assert run(scenario()) == (fine, retries)
