"""What one process is asked for, all keep: pauses within 50 ms, and quotas that run low."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from asyncapi import Client, RateLimited, Redis
from asyncapi.clock import SYSTEM
from asyncapi.layers.pace import Pace
from asyncapi.sansio.limits.ratelimit_headers import Quota
from asyncapi.sharing.fleet import Fleet
from asyncapi.testing import MockTransport, reply

HOST = "api.example"


class Member:
    """One process of a fleet, as far as a host's limits go."""

    def __init__(self, url, name="fleet", host=HOST):
        self.fleet = Fleet(url, name, 1, SYSTEM)
        self.pace = self.call(host)

    def call(self, host):
        pace = Pace(SYSTEM, partial(self.fleet.news.tell_quotas, host))
        self.fleet.news.join(host, pace)
        return pace

    @property
    def paused(self):
        """Seconds that are left of a pause."""
        pacer = self.pace.pacer
        return max(0.0, pacer.pause.left(SYSTEM.now())) if pacer.active else 0.0

    def refused(self, seconds):
        """Is asked for a pause, and sees that it is everybody's."""
        pacer, now = self.pace.pacer, SYSTEM.now()
        numbers = [pacer.begin() for _ in range(8)]
        for number in numbers:
            pacer.observe(now, number=number, sent_at=now, status=429, retry_after=seconds)

    async def listens(self):
        """Wait until it hears."""
        await until(lambda: self.fleet.connection.trips > 0)


async def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.001)


async def members(url, count, **options):
    all_of_them = [Member(url, **options) for _ in range(count)]
    for each in all_of_them:
        await each.listens()
    return all_of_them


async def close(members):
    for each in members:
        await each.fleet.aclose()


async def test_a_pause_that_one_is_asked_for_is_kept_by_all(redis):
    one, *others = fleet = await members(redis.url, 4)
    one.refused(30.0)
    assert one.paused > 29.0
    await until(lambda: all(each.paused > 29.0 for each in others))
    assert all(each.paused <= 30.0 for each in others)
    await close(fleet)


async def test_those_that_start_later_keep_the_pause_too(redis):
    (one,) = await members(redis.url, 1)
    one.refused(30.0)
    await until(lambda: redis.tell("HLEN", "{fleet}:pauses") == ":1\r\n")
    (late,) = await members(redis.url, 1)
    await until(lambda: late.paused > 28.0)
    await close([one, late])


async def test_a_host_that_is_called_first_after_the_news_is_paused_too(redis):
    one, other = fleet = await members(redis.url, 2)
    elsewhere = one.call("else.example")
    one.pace = elsewhere
    one.refused(30.0)
    await until(lambda: other.fleet.news._early)
    other.pace = other.call("else.example")
    assert other.paused > 28.0
    await close(fleet)


async def test_the_pause_of_one_host_is_no_others(redis):
    one, other = fleet = await members(redis.url, 2)
    free = other.call("free.example")
    one.refused(30.0)
    await until(lambda: other.paused)
    assert not free.pacer.active
    await close(fleet)


async def test_fleets_of_other_names_hear_nothing(redis):
    one, same = await members(redis.url, 2)
    (other,) = await members(redis.url, 1, name="other")
    one.refused(30.0)
    await until(lambda: same.paused)
    assert not other.paused
    await close([one, same, other])


async def test_a_pause_that_was_a_mistake_is_taken_back(redis):
    one, other = fleet = await members(redis.url, 2)
    pacer, now = one.pace.pacer, SYSTEM.now()
    numbers = [pacer.begin() for _ in range(80)]
    for number in numbers[:8]:
        pacer.observe(now, number=number, sent_at=now, status=429, retry_after=30.0)
    await until(lambda: other.paused)
    for number in numbers[8:]:  # they were under way, and most of them are taken
        pacer.passed(SYSTEM.now(), number, now)
    assert not one.paused
    await until(lambda: not other.paused)
    assert redis.tell("HLEN", "{fleet}:pauses") == ":0\r\n"
    await close(fleet)


async def test_who_hears_of_a_pause_does_not_tell_of_it_again(redis):
    one, other = fleet = await members(redis.url, 2)
    one.refused(30.0)
    await until(lambda: other.paused)
    other.refused(60.0)
    other.fleet.news.tell_pause("later.example", 5.0, "-")
    await until(lambda: redis.tell("HEXISTS", "{fleet}:pauses", "later.example") == ":1\r\n")
    assert one.fleet.me in redis.tell("HGET", "{fleet}:pauses", HOST)
    await close(fleet)


async def test_a_pause_is_believed_for_a_day_at_most(redis):
    one, other = fleet = await members(redis.url, 2)
    one.refused(1e9)
    await until(lambda: other.paused)
    assert other.paused <= 86_400.0
    await close(fleet)


async def test_single_calls_are_refused_by_their_own_cap_in_a_pause_they_heard_of(redis):
    (one,) = await members(redis.url, 1, host="h.example")
    transport = MockTransport(lambda request: reply(200))
    shared = Redis(redis.url, name="fleet")
    async with Client("http://h.example", transport=transport, shared=shared) as api:
        await api.get("/")
        one.refused(3600.0)
        await until(lambda: api.stats.paused)
        with pytest.raises(RateLimited, match="max_retry_after"):
            await api.get("/")
    await close([one])


async def test_a_quota_that_runs_low_is_known_to_all(redis):
    one, other = fleet = await members(redis.url, 2)
    quota = Quota("x-ratelimit", "", "requests", limit=100.0, remaining=0.0, reset=30.0)
    one.pace._tell_quotas([quota])
    await until(lambda: other.pace.pacer.active and other.pace.pacer.delay(SYSTEM.now()) > 25.0)
    await close(fleet)


async def test_of_a_quota_the_lowest_remaining_counts(redis):
    one, two, other = fleet = await members(redis.url, 3)
    quota = partial(Quota, "x-ratelimit", "", "requests", limit=100.0, reset=30.0)
    one.pace._tell_quotas([quota(remaining=3.0)])
    await until(lambda: other.pace.pacer.active)
    before = other.pace.pacer.delay(SYSTEM.now())
    two.pace._tell_quotas([quota(remaining=20.0)])
    two.pace._tell_quotas([Quota("x-ratelimit", "last", "requests", limit=10.0, remaining=0.0, reset=50.0)])
    await until(lambda: other.pace.pacer.delay(SYSTEM.now()) > 40.0)
    levels = other.pace.pacer._quotas._levels
    assert levels["x-ratelimit", ""].left <= 3.0
    assert before <= 30.0
    await close(fleet)


async def test_a_quota_of_which_much_is_left_is_not_worth_a_word(redis):
    (one,) = await members(redis.url, 1)
    quota = partial(Quota, "x-ratelimit", unit="requests", limit=100.0, reset=30.0)
    one.pace._tell_quotas([quota("much", remaining=50.0), quota("little", remaining=5.0)])
    await until(lambda: redis.tell("EXISTS", "{fleet}:quotas") == ":1\r\n")
    kept = redis.tell("HKEYS", "{fleet}:quotas")
    assert "little" in kept
    assert "much" not in kept
    await close([one])


async def test_what_is_left_of_a_quota_is_spaced_as_by_one_process(redis):
    one, *_ = fleet = await members(redis.url, 4)
    quota = Quota("x-ratelimit", "", "requests", limit=100.0, remaining=10.0, reset=100.0)
    one.pace._tell_quotas([quota])
    await until(lambda: one.fleet.news.sharers == 4)
    one.pace.pacer.hear_quota(SYSTEM.now(), quota)
    assert one.pace.pacer._spacing(SYSTEM.now(), backlog=False) == pytest.approx(40.0, rel=0.05)
    await close(fleet)


async def test_after_redis_was_away_the_pauses_are_read_and_told_again(redis):
    one, other = fleet = await members(redis.url, 2)
    redis.kill()
    one.refused(30.0)
    await until(lambda: one.fleet.connection.away and other.fleet.connection.away)
    assert not other.paused
    redis.start()
    await until(lambda: other.paused > 20.0)
    await close(fleet)


@pytest.mark.parametrize(
    "garbage", ["", "pause", "pause x", "pause x y z h", "quota x nothing", "quota x [1]", "\\xff"]
)
async def test_what_others_publish_there_harms_nobody(redis, garbage):
    one, other = fleet = await members(redis.url, 2)
    redis.tell("PUBLISH", "{fleet}:news", garbage)
    one.refused(30.0)
    await until(lambda: other.paused)
    await close(fleet)
