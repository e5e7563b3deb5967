"""Tokens in Redis: encrypted, one lock for the fleet, and nothing said of what is secret."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.fernet import Fernet

from asyncapi import AuthError, ConfigError, Env, RedisStore
from asyncapi.stores import redis_tokens

KEY = Fernet.generate_key().decode()


def place_of(store, name):
    return store._place(name)


async def test_what_one_process_saves_another_loads(redis):
    one, other = (RedisStore(redis.url, key=KEY) for _ in range(2))
    assert await one.load("token") is None
    await one.save("token", "é secret")
    assert await other.load("token") == "é secret"
    await other.delete("token")
    assert await one.load("token") is None
    await one.delete("token")


async def test_redis_never_sees_the_token_nor_its_name(redis):
    store = RedisStore(redis.url, key=KEY)
    await store.save("refresh of ann@example.com", "the secret itself")
    kept = redis.tell("GET", place_of(store, "refresh of ann@example.com"))
    assert "secret" not in kept
    assert len(kept) > 50
    assert "ann" not in redis.tell("KEYS", "*")


async def test_another_name_or_another_key_finds_nothing(redis):
    await RedisStore(redis.url, key=KEY, name="a").save("token", "x")
    assert await RedisStore(redis.url, key=KEY, name="b").load("token") is None
    with pytest.raises(AuthError, match="another key"):
        await RedisStore(redis.url, key=Fernet.generate_key().decode(), name="a").load("token")


async def test_a_key_may_come_from_the_environment(redis, monkeypatch):
    monkeypatch.setenv("TOKEN_KEY", KEY)
    await RedisStore(redis.url, key=Env("TOKEN_KEY")).save("token", "x")
    assert await RedisStore(redis.url, key=KEY).load("token") == "x"


async def test_one_at_a_time_holds_the_lock(redis):
    inside, most = 0, 0

    async def renew():
        nonlocal inside, most
        async with RedisStore(redis.url, key=KEY).lock():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(renew() for _ in range(5)))
    assert most == 1
    assert redis.tell("EXISTS", "{asyncapi}:token-lock") == ":0\r\n"


async def test_a_lock_ends_after_its_holder_died_and_is_renewed_while_it_lives(redis, monkeypatch):
    monkeypatch.setattr(redis_tokens, "_RENEW", 0.01)
    store = RedisStore(redis.url, key=KEY)
    async with store.lock():
        assert 0 < int(redis.tell("PTTL", "{asyncapi}:token-lock")[1:]) <= 10_000
        redis.tell("PEXPIRE", "{asyncapi}:token-lock", "500")
        while int(redis.tell("PTTL", "{asyncapi}:token-lock")[1:]) <= 500:
            await asyncio.sleep(0.01)
    redis.tell("SET", "{asyncapi}:token-lock", "a dead one", "PX", "200")
    async with store.lock():
        assert "a dead one" not in redis.tell("GET", "{asyncapi}:token-lock")


async def test_a_lock_that_another_has_taken_over_is_left_to_it(redis):
    store = RedisStore(redis.url, key=KEY)
    async with store.lock():
        redis.tell("SET", "{asyncapi}:token-lock", "another", "PX", "60000")
    assert "another" in redis.tell("GET", "{asyncapi}:token-lock")


async def test_a_store_that_is_away_is_an_error_that_shows_no_password(redis, monkeypatch):
    monkeypatch.setattr(redis_tokens, "_PATIENCE", 0.3)
    store = RedisStore(redis.url.replace("//", "//ann:opensesame@"), key=KEY)
    redis.kill()
    for work in (store.load("token"), store.save("token", "x"), store.delete("token")):
        with pytest.raises(AuthError, match="can't be asked") as raised:
            await work
        assert "opensesame" not in str(raised.value)
    assert "opensesame" not in repr(store)
    assert KEY not in repr(store)


async def test_a_server_that_comes_back_in_time_is_waited_for(redis):
    store = RedisStore(redis.url, key=KEY)
    redis.kill()
    saving = asyncio.create_task(store.save("token", "x"))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(redis.start)
    await saving
    assert await store.load("token") == "x"


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("redis://h", "no key", "not a Fernet key"),
        ("redis://h", None, "give a Fernet key"),
        ("http://ann:opensesame@h", "any", "give redis://"),
        ("redis://:opensesame@h/orders", "any", "the number of a database, not a name"),
        (
            "redis://:opensesame@h?bogus=1",
            "any",
            "an option in the URL can't be used: unexpected keyword argument 'bogus'",
        ),
        ("rediss://:opensesame@h?ssl_cert_reqs=some", "any", "an option in the URL can't be used"),
        (None, "any", "give its URL as text"),
    ],
)
def test_wrong_settings_are_refused_at_once(url, key, why):
    with pytest.raises(ConfigError, match=why) as raised:
        RedisStore(url, key=key)
    assert "opensesame" not in str(raised.value)
