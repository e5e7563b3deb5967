"""The scripts of stored responses, in a real Redis."""

from __future__ import annotations

import pytest

from asyncapi.stores.redis import RedisConnection
from asyncapi.stores.redis_response_scripts import CLAIM, INVALIDATE, INVALIDATE_ALL, READ, RELEASE, STORE

pytestmark = pytest.mark.lane("aiohttp", reason="its only sockets are those of Redis")
ACCOUNT = ("u", "s", "t")


@pytest.fixture
async def connection(redis, lane):
    connection = RedisConnection(redis.url, tells=False)
    yield connection
    await connection.aclose()


async def store(connection, key, since="*", gone=(), bound=10_000, **fields):
    parts = [part for pair in fields.items() for part in pair]
    return await connection.run(STORE, (*ACCOUNT, key), (since, 60_000, bound, len(gone), *gone, *parts))


async def read(connection, key):
    (found,) = await connection.run(READ, ("u", key), (60_000,))
    return dict(zip(found[::2], found[1::2], strict=True))


async def test_an_overtaken_response_is_refused_and_a_later_one_is_not(connection):
    assert await store(connection, "k", "", a="1") == 0
    await connection.run(INVALIDATE, (*ACCOUNT, "k"), ("first",))
    assert await store(connection, "k", "", a="2") == -1
    assert await read(connection, "k") == {b"g": b"first"}
    assert await store(connection, "k", "first", a="3") == 0
    assert await read(connection, "k") == {b"g": b"first", b"a": b"3"}


async def test_the_total_is_what_the_fields_take(connection):
    await store(connection, "k", a="x" * 100, b="y" * 50)
    assert await connection.command("GET", "t") == b"550"
    await store(connection, "k", gone=("a",), b="z")
    assert await connection.command("GET", "t") == b"201"
    await store(connection, "k", gone=("b",))
    assert await connection.command("GET", "t") == b"0"
    assert await connection.command("EXISTS", "k") == 0


async def test_the_oldest_go_where_the_bound_is_passed(connection):
    for name in "abcd":
        await store(connection, name, f="x" * 100)
    await connection.command("ZINCRBY", "u", -10, "b")
    assert await store(connection, "e", bound=1200, f="x" * 100) == 1
    assert await connection.command("EXISTS", "b") == 0
    await connection.run(INVALIDATE_ALL, ACCOUNT, ("all",))
    assert await connection.command("GET", "t") == b"0"


async def test_what_was_used_in_the_future_is_not_the_last_to_go(connection):
    for name in "abcd":
        await store(connection, name, f="x" * 100)
    await connection.command("ZINCRBY", "u", 1_000_000, "b")  # by a clock that was wrong
    assert await store(connection, "e", bound=1200, f="x" * 100) == 1
    assert await connection.command("EXISTS", "b") == 0


async def test_a_claim_is_given_back_by_its_holder_alone(connection):
    assert await connection.run(CLAIM, ("c",), ("me", 5000)) == b"mine"
    assert await connection.run(CLAIM, ("c",), ("you", 5000)) == b"held"
    assert await connection.run(RELEASE, ("c",), ("you", 0)) == 0
    await connection.run(RELEASE, ("c",), ("me", 5000))
    assert await connection.run(CLAIM, ("c",), ("you", 5000)) == b"free"
