"""Tokens in a SQLite file: sealed, locked, and beside responses."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.fernet import Fernet

from asyncapi import AuthError, Cache, Client, ConfigError, SQLiteStore
from asyncapi.testing import MockTransport, reply


async def test_tokens_outlast_the_store_and_can_be_deleted(tmp_path):
    path = tmp_path / "deep" / "store"
    await SQLiteStore(path).save("token", "é secret")
    assert await SQLiteStore(path).load("token") == "é secret"
    assert await SQLiteStore(path).load("another") is None
    await SQLiteStore(path).delete("token")
    await SQLiteStore(path).delete("token")
    assert await SQLiteStore(path).load("token") is None


@pytest.mark.parametrize("key", [None, Fernet.generate_key().decode()], ids=["own", "given"])
async def test_tokens_are_always_sealed(tmp_path, key):
    path = tmp_path / "store"
    await SQLiteStore(path, key=key).save("token", "the secret itself")
    assert all(b"secret itself" not in each.read_bytes() for each in tmp_path.iterdir())
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    with pytest.raises(AuthError, match="another key"):
        await SQLiteStore(path, key=Fernet.generate_key().decode()).load("token")


async def test_one_file_keeps_tokens_and_responses(tmp_path):
    store = SQLiteStore(tmp_path / "store")
    await store.save("token", "t")
    server = MockTransport(lambda _: reply(200, json=1, headers={"Cache-Control": "max-age=9"}))
    async with Client("https://a.example", transport=server, cache=Cache(store=store)) as api:
        await api.get("/")
        assert (await api.get("/")).from_cache == "fresh"
        assert await store.load("token") == "t"
        await store.save("token", "u")
    assert await store.load("token") == "u"


async def test_one_at_a_time_holds_the_lock(tmp_path):
    inside, most = 0, 0

    async def renew():
        nonlocal inside, most
        async with SQLiteStore(tmp_path / "store").lock():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(renew() for _ in range(5)))
    assert most == 1


async def test_a_file_that_can_not_be_used_is_a_clear_error(tmp_path):
    (tmp_path / "text").write_bytes(b"not a database" * 100)
    for path in (tmp_path / "text", tmp_path):
        with pytest.raises(AuthError, match="token store"):
            await SQLiteStore(path).load("token")


def test_a_wrong_key_is_refused_at_once_and_not_shown(tmp_path):
    with pytest.raises(ConfigError, match="Fernet") as raised:
        SQLiteStore(tmp_path / "x", key="opensesame")
    assert "opensesame" not in str(raised.value)
    assert "opensesame" not in repr(SQLiteStore(tmp_path / "x"))
