"""Real load: a slow tail that hedging cuts, a small server that an adaptive limit must not run over."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from asyncapi import Adaptive, Client, Hedge
from daemons import haproxy, nginx
from upstream import plain

pytestmark = pytest.mark.lanes

CALLS = 1500


async def test_hedging_halves_the_p99_of_a_server_with_a_slow_tail(upstream):
    """It costs a twentieth more requests."""
    draws = {"/hedged": random.Random(1), "/plain": random.Random(1)}

    async def has_a_tail(request, arrival):
        await asyncio.sleep(0.4 if draws[arrival.path].random() < 0.02 else 0.01)
        return await plain(request, arrival)

    upstream.answer = has_a_tail
    latencies = {"/hedged": [], "/plain": []}

    async def worker(api, path):
        for _ in range(CALLS // 10):
            latencies[path].append((await api.get(path)).elapsed)

    with nginx(upstream.address) as proxy:
        async with Client(proxy.url, hedge=Hedge(), retry=None) as hedged, Client(proxy.url, retry=None) as ordinary:
            workers = [worker(hedged, "/hedged") for _ in range(10)] + [worker(ordinary, "/plain") for _ in range(10)]
            await asyncio.gather(*workers)  # side by side, so that a busy machine is busy for both
            won = hedged.stats.hedged
    p99 = {path: sorted(seconds)[int(0.99 * CALLS)] for path, seconds in latencies.items()}
    assert p99["/plain"] >= 0.4
    assert p99["/hedged"] <= 0.5 * p99["/plain"]
    assert upstream.visits["GET", "/plain"] == CALLS
    assert CALLS < upstream.visits["GET", "/hedged"] <= 1.055 * CALLS
    assert won > 0.005 * CALLS


async def test_a_server_where_everything_is_slow_gets_a_twentieth_more_at_the_most(upstream):
    async def is_slow(request, arrival):
        await asyncio.sleep(0.05)
        return await plain(request, arrival)

    upstream.answer = is_slow
    with nginx(upstream.address) as proxy:
        async with Client(proxy.url, hedge=Hedge(0.01), retry=None) as api:
            for _ in range(15):
                await api.gather([f"/{n}" for n in range(20)])  # with places to spare: no copy stands in our own line
    assert 300 < len(upstream.arrivals) <= 1.05 * 300


SMALL = {"server": "maxconn 10", "defaults": "timeout queue 150ms"}
SERVICE = 0.02  # seconds that each request takes: 500 a second in all


async def offer(api, seconds, callers=100):
    """Keep so many callers busy; what came back, as (when, status), from the start on."""
    ended, began = [], time.monotonic()

    async def caller():
        while (now := time.monotonic() - began) < seconds:
            response = await api.get("/x")
            ended.append((time.monotonic() - began, response.status))
            if response.status == 503:
                await asyncio.sleep(0.05)
        return now

    await asyncio.gather(*(caller() for _ in range(callers)))
    return ended


def rate_of(ended, since, until):
    """Good answers per second, and the share of the others."""
    seen = [status for at, status in ended if since <= at < until]
    good = seen.count(200)
    return good / (until - since), 1 - good / len(seen)


@pytest.mark.soak
@pytest.mark.parametrize("algorithm", ["gradient2", "aimd"])
async def test_an_adaptive_limit_finds_what_a_small_server_takes_and_loses_no_throughput(upstream, algorithm):
    async def works(request, arrival):
        await asyncio.sleep(SERVICE)
        return await plain(request, arrival)

    upstream.answer = works
    settings = {"retry": None, "raise_for_status": False, "timeout": 60}
    with haproxy(upstream.address, **SMALL) as proxy:
        async with Client(proxy.url, concurrency=10, **settings) as right:
            possible, none = rate_of(await offer(right, 0.8), 0.2, 0.8)
        async with Client(proxy.url, concurrency=None, **settings) as unbounded:
            _, turned_away = rate_of(await offer(unbounded, 0.8), 0.2, 0.8)
        async with Client(proxy.url, concurrency=Adaptive(algorithm, initial=100), **settings) as api:
            reached, refused = rate_of(await offer(api, 7.0), 3.0, 7.0)  # once steady
    assert none == 0
    assert turned_away > 0.05
    assert refused < 0.03  # what this server takes swings with what else the machine does
    assert reached >= 0.75 * possible
