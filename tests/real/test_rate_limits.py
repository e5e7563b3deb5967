"""nginx's own `limit_req`: kept by a client that was told of it, learned by one that was not."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter

import pytest

from asyncapi import Client, RateLimit, RateLimited, Retry
from daemons import nginx

pytestmark = pytest.mark.lanes

RATE = 200  # requests per second


def limited(burst: int, retry_after: str = "") -> dict[str, str]:
    """Directives of a server that takes RATE a second, and so many more at once."""
    return {
        "http": f"""
            limit_req_zone $server_port zone=all:1m rate={RATE}r/s;
            limit_req_status 429;
            map $status $retry_after {{ 429 "{retry_after}"; default ""; }}
        """,
        "server": "add_header Retry-After $retry_after always;",
        "location": f"limit_req zone=all burst={burst} nodelay;",
    }


async def test_the_right_rate_limit_meets_no_429_and_uses_the_servers_rate(upstream):
    with nginx(upstream.address, **limited(burst=60)) as proxy:
        async with Client(proxy.url, rate=RateLimit(RATE, burst=10), retry=None, raise_for_status=False) as api:
            await api.gather([f"/{n}" for n in range(600)])
            stats = api.stats
    spent = upstream.arrivals[-1].at - upstream.arrivals[0].at
    assert stats.by_status == {200: 600}
    assert 600 / spent >= 0.8 * RATE
    assert 600 / spent <= 1.05 * RATE


async def test_two_limits_hold_at_once_and_the_tighter_one_is_what_the_server_sees(upstream):
    with nginx(upstream.address, **limited(burst=60)) as proxy:
        limits = [RateLimit(1000, burst=10), RateLimit(RATE / 2, burst=5, by="host")]
        async with Client(proxy.url, rate=limits, retry=None, raise_for_status=False) as api:
            began = time.monotonic()
            await api.gather([f"/{n}" for n in range(150)])
    assert upstream.arrivals[-1].at - began >= (150 - 5) / (RATE / 2) * 0.98


async def test_without_a_limit_of_its_own_the_same_client_is_turned_away(upstream):
    with nginx(upstream.address, **limited(burst=60)) as proxy:
        async with Client(proxy.url, retry=None, pace=False) as api, api.map(f"/{n}" for n in range(600)) as outcomes:
            ended = [outcome async for outcome in outcomes]
    assert sum(isinstance(outcome.error, RateLimited) for outcome in ended) > 200


@pytest.mark.parametrize("retry_after", ["1", ""])
async def test_retries_bring_every_row_home_through_429s(upstream, retry_after):
    rows = [f"/{n}" for n in range(250)]
    with nginx(upstream.address, **limited(burst=60, retry_after=retry_after)) as proxy:
        retry = Retry(attempts=10, base=0.5, budget=None)
        async with Client(proxy.url, retry=retry, timeout=60) as api:
            values = await api.gather(rows)
    assert [value.json()["path"] for value in values] == rows
    assert set(upstream.visits.values()) == {1}


async def learns(behind, retry_after, seconds=9):
    """Good answers and 429s of each second, of a client that is told nothing else."""
    attempts, stop = [], asyncio.Event()

    async def caller(api):
        while not stop.is_set():
            await api.get("/x")

    with nginx(behind, **limited(burst=40, retry_after=retry_after)) as proxy:
        settings = {"hooks": [attempts.append], "raise_for_status": False, "timeout": 60, "pace": "learn"}
        async with Client(proxy.url, **settings) as api, asyncio.timeout(seconds + 30):
            callers = [asyncio.create_task(caller(api)) for _ in range(20)]
            began = time.time()
            while time.time() < began + seconds:
                await asyncio.sleep(0.05)
            stop.set()
            await asyncio.gather(*callers)
    counts = Counter((int(one.at - began), one.status) for one in attempts)
    return [counts[second, 200] for second in range(seconds)], [counts[second, 429] for second in range(seconds)]


@pytest.mark.soak
async def test_a_learning_client_finds_the_rate_from_429s_alone(upstream):
    """With and without Retry-After."""
    plain, told = await asyncio.gather(learns(upstream.address, ""), learns(upstream.address, "1"))
    for good, refused in (plain, told):
        assert statistics.median(good[3:]) >= 0.6 * RATE  # the second of a pause is one of the others
        assert sum(refused[3:]) <= 0.05 * sum(good[3:])
