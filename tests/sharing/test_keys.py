"""The keys of a pool, shared by processes: their rates, their quotas, their rests; never the keys themselves."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from asyncapi import ApiKey, AuthError, Client, Key, KeyPool, RateLimit, Redis
from asyncapi.testing import MockTransport, reply


class Server:
    """Counts what it gets by key; a key may be limited."""

    def __init__(self):
        self.calls = []
        self.limited = set()

    def __call__(self, request):
        key = request.headers["X-Api-Key"]
        self.calls.append(key)
        return reply(429, headers={"Retry-After": "30"}) if key in self.limited else reply(200)


def client(redis, server, *keys, **options):
    pool = KeyPool([each if isinstance(each, Key) else Key(ApiKey(each)) for each in keys])
    return Client(
        "http://h", auth=pool, transport=MockTransport(server), shared=Redis(redis.url, name="keys"), **options
    )


async def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)


def key_states(client):
    return client._state.keyring._by_origin["http", "h", 80]._ring.keys


async def test_a_key_that_rests_in_one_process_rests_in_all(redis):
    server = Server()
    async with client(redis, server, "k1", "k2") as one, client(redis, server, "k1", "k2") as other:
        for each in (one, other):
            await each.gather(["/"] * 4)
            await until(lambda each=each: each.stats.fleet["trips"] >= 1)
        server.limited.add("k1")
        await one.gather(["/"] * 2)
        await until(lambda: key_states(other)[0].rests_until > time.monotonic() + 20)
        assert key_states(other)[1].rests_until < time.monotonic()
        server.calls.clear()
        await other.gather(["/"] * 4)
        assert server.calls == ["k2"] * 4


async def test_the_rate_of_a_key_holds_for_all_processes_together(redis):
    server = Server()
    keys = [Key(ApiKey("k1"), rate=RateLimit(5, per=60, burst=5))]
    async with client(redis, server, *keys) as one, client(redis, server, *keys) as other:
        done = await asyncio.gather(
            *(each.get("/", wait=0.5) for each in (one, other) for _ in range(8)), return_exceptions=True
        )
    assert 5 <= len(server.calls) <= 7  # of each process the first is local: it does not know the key's name yet
    assert sum(isinstance(each, Exception) for each in done) == 16 - len(server.calls)


async def test_the_quota_of_a_key_is_counted_once_for_all(redis):
    server = Server()
    keys = [Key(ApiKey("k1"), quota=10)]
    async with client(redis, server, *keys) as one, client(redis, server, *keys) as other:
        for _ in range(12):
            for each in (one, other):
                with suppress(AuthError):
                    await each.get("/")
        with pytest.raises(AuthError, match="quota of 10 is used up"):
            await one.get("/")
    assert 10 <= len(server.calls) <= 12


async def test_a_quota_that_nobody_can_count_is_not_spent(redis):
    server = Server()
    async with client(redis, server, Key(ApiKey("k1"), quota=100), retry=None) as one:
        await one.get("/")
        await one.get("/")
        redis.kill()
        for _ in range(30):
            try:
                await one.get("/", timeout=0.3)
            except Exception:
                break
        else:
            pytest.fail("it went on without an allotment")
        redis.start()
        await until(lambda: not one.stats.fleet["away"])
        await one.get("/")


async def test_no_key_leaves_the_process(redis):
    server = Server()
    keys = [Key(ApiKey("opensesame"), rate=RateLimit(5), quota=10)]
    async with client(redis, server, *keys) as one:
        for _ in range(3):
            await one.get("/")
        names = redis.tell("KEYS", "*")
        assert "key:" in names
        assert "opensesame" not in names
