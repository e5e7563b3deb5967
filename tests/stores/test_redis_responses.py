"""Responses in Redis: shared by a fleet, sealed, bounded; and a server that is away or frozen holds no call."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from cryptography.fernet import Fernet

from asyncapi import Cache, Client, RedisStore
from asyncapi.testing import MockTransport, reply
from cache_fleet import members, origin

pytestmark = pytest.mark.lane("aiohttp", reason="its only sockets are those of Redis")
KEY = Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def _the_lane(lane):
    """Its only sockets are those of Redis."""


def counting():
    numbers = iter(range(1, 1_000_000))
    return MockTransport(lambda _: reply(200, json=next(numbers), headers={"Cache-Control": "max-age=60"}))


def client(url, transport, **options):
    store = RedisStore(url, key=KEY, **options)
    return Client("https://api.example.com", transport=transport, cache=Cache(store=store))


async def test_what_one_client_stores_another_uses_and_invalidates(redis):
    server = counting()
    async with client(redis.url, server) as one, client(redis.url, server) as other:
        assert (await one.get("/x")).json() == 1
        assert ((await other.get("/x")).from_cache, (await other.get("/x")).json()) == ("fresh", 1)
        await other.post("/x")
        assert (await one.get("/x")).from_cache == ""
    async with client(redis.url, server) as later:
        assert (await later.get("/x")).from_cache == "fresh"


async def test_a_client_reads_its_own_writes_at_once(redis):
    async with client(redis.url, counting()) as one:
        for path in ("/x", "/y"):  # the server knows no script yet when the first one is stored
            assert [(await one.get(path)).from_cache for _ in range(3)] == ["", "fresh", "fresh"]


async def test_what_an_invalidation_elsewhere_overtakes_is_not_stored(redis):
    gate, numbers = asyncio.Event(), iter(range(9))

    async def slow(_):
        await gate.wait()
        return reply(200, json=next(numbers), headers={"Cache-Control": "max-age=60"})

    async with client(redis.url, MockTransport(slow)) as one, client(redis.url, counting()) as other:
        asking = asyncio.create_task(one.get("/x"))
        await asyncio.sleep(0.1)
        await other.post("/x")
        gate.set()
        assert (await asking).json() == 0
        assert (await one.get("/x")).json() == 1


async def test_redis_never_sees_a_url_a_credential_or_a_body(redis):
    server = MockTransport(lambda _: reply(200, json="opensesame", headers={"Cache-Control": "max-age=60"}))
    async with client(redis.url, server) as api:
        await api.get("/opensesame?k=opensesame", headers={"Authorization": "Bearer opensesame"})
    keys = [line for line in redis.tell("KEYS", "{asyncapi}:response:*").split("\r\n") if line.startswith("{")]
    assert len(keys) == 1
    assert "opensesame" not in redis.tell("KEYS", "*")
    kept = [redis.tell("PTTL", keys[0]), redis.tell("HLEN", keys[0])]
    assert int(kept[0][1:]) > 1000
    assert kept[1] == ":1\r\n"


async def test_the_bytes_are_bounded_and_the_least_recently_used_go_first(redis):
    async with client(redis.url, counting(), max_bytes=70_000) as api:
        for number in range(300):
            await api.get(f"/{number}")
            assert int(redis.tell("GET", "{asyncapi}:responses:total").split("\r\n")[1] or 0) <= 70_000
        assert api.stats.cache["evicted"] > 100
    async with client(redis.url, counting(), max_bytes=70_000) as api:
        assert (await api.get("/299")).from_cache == "fresh"
        assert (await api.get("/0")).from_cache == ""


async def test_a_frozen_server_holds_one_call_for_a_moment_and_no_other(redis, caplog):
    async with client(redis.url, counting()) as api:
        await api.get("/x")
        redis.freeze()
        with caplog.at_level(logging.WARNING, "asyncapi"):
            assert [(await api.get("/x")).from_cache for _ in range(500)] == ["fresh"] * 500
            await api.post("/x")
            assert (await api.get("/x")).from_cache == ""
        assert api.stats.cache["errors"] < 50
        assert len([text for text in caplog.messages if "in memory" in text]) == 1
        redis.thaw()


async def test_reading_alone_finds_out_that_the_server_is_frozen(redis):
    async with client(redis.url, counting()) as api:
        assert [(await api.get("/x")).from_cache for _ in range(2)] == ["", "fresh"]
        redis.freeze()
        assert (await api.get("/x")).from_cache == "fresh"
        assert api._state.lasting._connection.away
        redis.thaw()


async def test_a_claim_that_a_frozen_server_heard_too_late_is_given_back(redis):
    store = RedisStore(redis.url, key=KEY)
    server, cached = counting(), Cache(store=store)
    async with Client("https://api.example.com", transport=server, cache=cached, single_flight=True) as api:
        await api.get("/x")
        lasting = api._state.lasting
        claiming = lasting._claim("fetch")
        redis.freeze()
        assert await lasting.claim("fetch") == "free"
        redis.thaw()
        while lasting._connection.away or lasting._writes:
            await asyncio.sleep(0.02)
        assert redis.tell("EXISTS", claiming).strip() == ":0"


async def test_a_claim_that_nobody_waits_for_any_more_is_given_back(redis):
    async with client(redis.url, counting()) as api:
        await api.get("/x")
        lasting = api._state.lasting
        claiming = asyncio.create_task(lasting.claim("fetch"))
        await asyncio.sleep(0)
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming
        while lasting._writes:
            await asyncio.sleep(0.01)
        assert redis.tell("EXISTS", lasting._claim("fetch")).strip() == ":0"


async def test_what_was_invalidated_while_it_was_away_is_not_read_from_it(redis):
    server = counting()
    async with client(redis.url, server) as one, client(redis.url, server) as other:
        await one.get("/x")
        redis.freeze()
        await one.get("/y")
        await one.post("/x")
        redis.thaw()
        while one._state.lasting._gone:
            await asyncio.sleep(0.02)
        assert (await other.get("/x")).from_cache == ""


async def test_a_server_that_is_not_there_fails_no_call(redis):
    redis.kill()
    async with client(redis.url, counting()) as api:
        assert [(await api.get("/x")).from_cache for _ in range(3)] == ["", "fresh", "fresh"]
    redis.start()
    async with client(redis.url, counting()) as api:
        assert (await api.get("/x")).from_cache == ""


async def test_a_server_without_memory_is_named_and_fails_no_call(redis, caplog):
    redis.tell("CONFIG", "SET", "maxmemory", "1")
    async with client(redis.url, counting()) as api:
        assert (await api.get("/x")).json() == 1
        await asyncio.sleep(0.2)
        await api.post("/x")
        assert (await api.get("/x")).from_cache == ""
    assert any("can't be used" in text for text in caplog.messages)


async def test_another_key_finds_nothing(redis):
    async with client(redis.url, counting()) as api:
        await api.get("/x")
    store = RedisStore(redis.url, key=Fernet.generate_key().decode())
    async with Client("https://api.example.com", transport=counting(), cache=Cache(store=store)) as api:
        assert (await api.get("/x")).from_cache == ""


def test_processes_share_responses_and_invalidations(redis):
    with origin() as server, members(2, server.url, "redis", redis.url, key=KEY) as (one, other):
        assert one.call("GET", "/x")[0] == ["", "/x 1"]
        time.sleep(0.2)
        assert other.call("GET", "/x")[0] == ["fresh", "/x 1"]
        other.call("POST", "/x")
        assert one.call("GET", "/x")[0] == ["", "/x 2"]
