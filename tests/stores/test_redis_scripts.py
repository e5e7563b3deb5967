"""What the scripts promise, asked in a real server: one time-line, equal shares, no second burst, expiries everywhere."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.stores import redis_scripts
from asyncapi.stores.redis import RedisConnection, Unavailable

KEYS = ("{n}:rate:client:1s", "{n}:rate:client:1s:workers", "{n}:rate:client:1s:second")
MS = 1000


@pytest.fixture
async def ask(redis):
    connection = RedisConnection(redis.url)

    async def ask(script, keys, args):
        while True:
            try:
                return await connection.run(script, keys, args)
            except Unavailable:
                await asyncio.sleep(0.01)

    yield ask
    await connection.aclose()


@pytest.fixture
def book(ask):
    async def book(who="a", *, interval=2 * MS, late=46 * MS, grace=23 * MS, want=10, need=1, total=50, known=""):
        booked = await ask(redis_scripts.BOOK, KEYS, (interval, late, grace, want, need, total, who, known, 600_000))
        ahead, count, seen = map(float, booked.split())
        return ahead, count, seen

    return book


async def test_slots_are_booked_one_after_the_other(book):
    first, count, _ = await book(interval=1000 * MS)
    second, _, _ = await book(interval=1000 * MS)
    assert count == 10
    assert first <= 0
    assert 9_000 * MS < second <= 10_000 * MS


async def test_shares_are_equal_among_those_seen_lately(book):
    assert (await book("a", want=100))[1:] == (50, 1)
    _, count, seen = await book("b", want=100)
    assert seen == 2
    assert 25 <= count <= 50  # half, and up to as much again: it is behind
    for _ in range(3):
        _, count, _ = await book("a", want=100)
        assert count == 25


async def test_who_is_behind_gets_up_to_twice_its_share(book, redis):
    counts = []
    for _ in range(5):  # one of them falls into one second
        redis.tell("FLUSHALL")
        await book("a", want=100)
        counts.append((await book("b", want=100))[1])
    assert max(counts) == 50


async def test_who_needs_more_for_one_call_than_its_share_gets_it(book):
    assert (await book(want=200, need=200, total=50))[1] == 200


async def test_nobody_gets_more_than_it_wants(book):
    assert (await book(want=3))[1] == 3


async def test_a_bucket_that_was_left_alone_is_full_and_no_fuller(book, redis):
    await book()
    redis.tell("HSET", KEYS[0], "next", "0")
    ahead, _, _ = await book()
    assert ahead == pytest.approx(-23 * MS, abs=1)


async def test_a_server_that_lost_its_memory_goes_on_from_what_a_worker_knows(book, redis):
    await book(interval=1000 * MS)
    redis.tell("FLUSHALL")
    ahead, _, _ = await book(known=9_000 * MS)
    assert ahead == pytest.approx(9_100 * MS, abs=1)
    ahead, _, _ = await book(known=9_000 * MS)  # what it has itself is later
    assert ahead > 9_100 * MS


async def test_a_replica_that_knows_less_than_a_worker_is_told(book, redis):
    await book()
    ahead, _, _ = await book(known=5_000 * MS)
    assert ahead == pytest.approx(5_100 * MS, abs=1)


async def test_what_a_worker_knows_for_moments_less_moves_nothing(book):
    first, count, _ = await book(interval=100 * MS)
    second, _, _ = await book(interval=100 * MS, known=int(first + count * 100 * MS) + 50 * MS)
    assert second <= first + count * 100 * MS


async def test_an_empty_server_withholds_the_burst_of_a_second_and_no_longer_one(book, redis):
    assert (await book(late=998 * MS, grace=100 * MS))[0] == 0
    redis.tell("FLUSHALL")
    assert (await book(late=60_000 * MS, grace=100 * MS))[0] == pytest.approx(-59_900 * MS, abs=1)


async def test_a_clock_that_goes_back_stops_nobody(book, redis):
    """The server was replaced by one whose clock is an hour behind."""
    await book()
    hour = 3_600_000_000
    for field in ("next", "at"):
        redis.tell("HINCRBY", KEYS[0], field, str(hour))
    ahead, _, _ = await book()
    assert abs(ahead) < 60 * MS


@pytest.mark.parametrize("burst", [20_000_000])
async def test_numbers_are_exact_to_the_microsecond(book, burst):
    first, _, _ = await book(interval=3.3333333, want=1, total=1e9, late=burst)
    for _ in range(5):
        await book(interval=3.3333333, want=300_000, total=1e9, late=burst)
    last, _, _ = await book(interval=3.3333333, want=1, total=1e9, late=burst)
    assert last - first > 4_000_000


async def test_every_key_has_an_expiry_and_the_tag_of_the_fleet(ask, book, redis):
    await book()
    await ask(redis_scripts.TELL_PAUSE, ("{n}:pauses",), ("{n}:news", "me", "h", 5_000_000, "-"))
    await ask(redis_scripts.TELL_QUOTA, ("{n}:quotas",), ("{n}:news", "me", "h", "q", 0, 5_000_000, "[]"))
    await ask(redis_scripts.ALLOT, ("{n}:quota:k",), (100, 20))
    await ask(redis_scripts.LOCK, ("{n}:lock",), ("me", 1000))
    keys = [line for line in redis.tell("KEYS", "*").split("\r\n") if line[:1] not in {"*", "$", ""}]
    assert len(keys) == 7
    for key in keys:
        assert key.startswith("{n}:")
        assert int(redis.tell("PTTL", key)[1:]) > 0, key


async def test_the_longest_pause_of_a_host_is_kept_and_the_past_ones_are_not(ask, redis):
    tell = lambda host, us, who="me": ask(  # noqa: E731
        redis_scripts.TELL_PAUSE, ("{n}:pauses",), ("{n}:news", who, host, us, "b")
    )
    await tell("a.example", 30_000_000)
    await tell("a.example", 10_000_000)
    await tell("b.example", 1)
    host, pause = await ask(redis_scripts.READ_PAUSES, ("{n}:pauses",), ())
    assert host == b"a.example"
    assert int(pause.split()[0]) > 25_000_000
    assert pause.split()[1] == b"b"
    await tell("a.example", 0, "another")
    assert await ask(redis_scripts.READ_PAUSES, ("{n}:pauses",), ())
    await tell("a.example", 0)
    assert await ask(redis_scripts.READ_PAUSES, ("{n}:pauses",), ()) == []
    assert redis.tell("HLEN", "{n}:pauses") == ":0\r\n"


async def test_never_more_is_allotted_than_the_quota(ask):
    given = [await ask(redis_scripts.ALLOT, ("{n}:quota:k",), (25, 20)) for _ in range(30)]
    assert sum(given) == 25
    assert given[-1] == 0
