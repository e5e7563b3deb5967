"""Clients that name one Redis and one name keep to their limits together; others do not."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncapi import Client, RateExceeded, RateLimit, Redis
from asyncapi.clock import SYSTEM
from asyncapi.sharing.fleet import Fleet, Limit
from asyncapi.testing import MockTransport, reply


def client(redis, *, name="t", workers=1, **options):
    return Client(
        "http://h", transport=MockTransport(lambda _: reply(200)), shared=Redis(redis.url, name=name, workers=workers),
        **options,
    )  # fmt: skip


async def run(clients, seconds, callers=20):
    """Have every client call as fast as it may; return what each got through."""
    counts = [0] * len(clients)
    end = time.monotonic() + seconds

    async def caller(number):
        while time.monotonic() < end:
            await clients[number].get("/")
            counts[number] += 1

    await asyncio.gather(*(caller(number) for number in range(len(clients)) for _ in range(callers)))
    return counts


async def test_clients_of_one_name_share_a_limit_equally(redis):
    clients = [client(redis, rate=RateLimit(200, burst=20)) for _ in range(3)]
    await run(clients, 0.5)  # all are seen
    began = time.monotonic()
    counts = await run(clients, 2.0)
    lasted = time.monotonic() - began
    assert sum(counts) <= 200 * lasted + 20 + 60  # those that wait when time is up are let through
    assert min(counts) >= 0.7 * sum(counts) / 3
    assert clients[0].stats.fleet["workers"] == 3
    for each in clients:
        await each.aclose()


async def test_clients_of_other_names_have_limits_of_their_own(redis):
    clients = [client(redis, name=name, rate=RateLimit(3, per=60, burst=3)) for name in ("a", "b")]
    for each in clients:
        for _ in range(3):
            await each.get("/", wait=5)
        with pytest.raises(RateExceeded):
            await each.get("/", wait=1)
        await each.aclose()


async def test_a_burst_is_the_fleets_not_each_process_own(redis):
    clients = [client(redis, rate=RateLimit(4, per=60, burst=4)) for _ in range(2)]
    done = await asyncio.gather(*(each.get("/", wait=1) for each in clients for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in done) == 4
    for each in clients:
        await each.aclose()


async def test_several_limits_hold_at_once_whatever_their_order(redis):
    limits = [RateLimit(100), RateLimit(6, per=60, burst=6)]
    one, other = client(redis, rate=limits), client(redis, rate=limits[::-1])
    done = await asyncio.gather(
        *(each.get("/", wait=1) for each in (one, other) for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(each, Exception) for each in done) == 6
    for each in (one, other):
        await each.aclose()


async def test_weights_are_counted_by_all(redis):
    limit = RateLimit(1000, per=60, burst=1000, weight=lambda request: 300)
    clients = [client(redis, rate=limit) for _ in range(2)]
    done = await asyncio.gather(*(each.get("/", wait=5) for each in clients for _ in range(3)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in done) == 3
    for each in clients:
        await each.aclose()


async def test_each_host_has_a_limit_of_its_own(redis):
    limit = RateLimit(2, per=60, burst=2, by="host")
    clients = [client(redis, rate=limit) for _ in range(2)]
    done = await asyncio.gather(
        *(each.get(f"http://{host}/", wait=1) for each in clients for host in ("a", "b") for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, Exception) for each in done) == 4
    for each in clients:
        await each.aclose()


async def test_a_call_that_does_not_want_to_wait_waits_for_redis_and_no_longer(redis):
    async with client(redis, rate=RateLimit(2, per=60, burst=2)) as api:
        await api.get("/", wait=1)
        await api.get("/", wait=1)
        began = time.monotonic()
        with pytest.raises(RateExceeded, match="would hold this call for"):
            await api.get("/", wait=False)
        with pytest.raises(RateExceeded):  # now it is known
            await api.get("/", wait=False)
        assert time.monotonic() - began < 10


async def test_without_a_rate_nothing_is_asked_of_redis_before_a_call(redis):
    async with client(redis) as api:
        assert redis.tell("CLIENT", "LIST").count("name=asyncapi") == 0
        await api.get("/")


async def test_stats_and_explain_say_how_the_fleet_is(redis, capsys):
    async with client(redis, rate=RateLimit(50)) as api:
        await api.get("/")
        assert api.stats.fleet["workers"] == 1
        assert api.stats.fleet["away"] == ""
        assert api.stats.fleet["slots"] == 1
        assert "shared as 't'" in api.explain()
        assert "1 worker seen" in api.explain()
        redis.kill()
        end = time.monotonic() + 10
        while not api.stats.fleet["away"]:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)
        await api.get("/")
        assert "away" in api.explain()
    assert "shared as" in capsys.readouterr().out


async def test_a_client_that_shares_nothing_says_nothing_of_it():
    async with Client("http://h", transport=MockTransport(lambda _: reply(200))) as api:
        assert api.stats.fleet == {}
        assert "shared as" not in api.explain()


async def test_limits_of_hosts_that_are_forgotten_are_forgotten_here_too(redis):
    fleet = Fleet(redis.url, "t", 1, SYSTEM)
    limiter = fleet.limiter([Limit(5, 1, 5)], "host:a")
    assert len(fleet._leased) == 1
    del limiter
    import gc

    gc.collect()
    assert len(fleet._leased) == 0
    await fleet.aclose()


async def test_a_cancelled_call_spends_nothing_that_others_need(redis):
    async with client(redis, rate=RateLimit(50, burst=5)) as api:
        tasks = [asyncio.create_task(api.get("/")) for _ in range(40)]
        await asyncio.sleep(0.05)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(getattr(each, "status", 0) == 200 for each in done[1::2])
        await asyncio.wait_for(api.get("/"), 10)


async def test_a_redis_without_memory_is_as_one_that_is_away(redis, caplog):
    redis.tell("CONFIG", "SET", "maxmemory", "1")
    async with client(redis, rate=RateLimit(50), workers=2) as api:
        await asyncio.gather(*(api.get("/") for _ in range(10)))
        assert "memory" in api.stats.fleet["away"]
        redis.tell("CONFIG", "SET", "maxmemory", "0")
        for _ in range(20):
            await api.get("/")
        assert api.stats.fleet["away"] == ""
    assert caplog.text.count("refuses") == 1
