"""Leases come from Redis; while it is away the process goes on at its share, and nobody waits for it."""

from __future__ import annotations

import asyncio
import time

from asyncapi.clock import SYSTEM
from asyncapi.sharing.fleet import Fleet, Limit


async def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)


def slots_of(fleet, limit):
    limiter = fleet.limiter([limit])
    return limiter, limiter.buckets[0]


async def test_the_first_slots_come_when_they_are_first_wanted(redis):
    fleet = Fleet(redis.url, "t", 1, SYSTEM)
    limiter, slots = slots_of(fleet, Limit(10, 1.0, 100))
    assert redis.tell("DBSIZE") == ":0\r\n"
    await asyncio.wait_for(limiter.wait((1.0,)), 10)
    assert slots.used == 1
    assert fleet.seen == 1
    await fleet.aclose()


async def test_while_redis_is_away_the_process_keeps_to_its_share(redis):
    redis.kill()
    fleet = Fleet(redis.url, "t", 4, SYSTEM)
    limiter, slots = slots_of(fleet, Limit(400, 1.0, 400))
    began = time.monotonic()
    for _ in range(20):
        await asyncio.wait_for(limiter.wait((1.0,)), 10)
    assert slots.alone
    assert time.monotonic() - began >= 19 / 100  # a fourth of the limit, evenly spaced
    await fleet.aclose()


async def test_a_lease_that_was_cut_off_is_asked_for_again(redis):
    fleet = Fleet(redis.url, "t", 1, SYSTEM)
    limiter, slots = slots_of(fleet, Limit(1000, 1.0, 1000))
    await asyncio.wait_for(limiter.wait((1.0,)), 10)
    redis.freeze()
    for _ in range(150):
        await asyncio.wait_for(limiter.wait((1.0,)), 10)
    assert slots.alone
    redis.thaw()
    await until(lambda: not fleet.connection.away)
    for _ in range(150):
        await asyncio.wait_for(limiter.wait((1.0,)), 10)
    assert not slots.alone
    await fleet.aclose()


async def test_a_fleet_that_closes_leaves_nobody_waiting_in_silence(redis):
    fleet = Fleet(redis.url, "t", 1, SYSTEM)
    limiter, slots = slots_of(fleet, Limit(10, 1.0, 10))
    await asyncio.wait_for(limiter.wait((1.0,)), 10)
    await fleet.aclose()
    await asyncio.wait_for(limiter.wait((1.0,)), 10)  # on its own
    assert slots.alone
