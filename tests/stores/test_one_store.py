"""One store object keeps the tokens of a login and the responses of a cache: neither is in the other's way."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from cryptography.fernet import Fernet

from asyncapi import Cache, Client, OAuth2RefreshToken, RedisStore, SQLiteStore
from asyncapi.testing import MockTransport, reply

pytestmark = pytest.mark.lane("aiohttp", reason="its only sockets are those of Redis")
KEY = Fernet.generate_key().decode()


class Provider:
    """Gives tokens that are valid for an hour and rotates refresh tokens; its resource tells who asks."""

    def __init__(self):
        self.asked, self.served = [], 0

    def __call__(self, request):
        if request.url.path == "/token":
            self.asked.append(bytes(request.content).decode())
            number = len(self.asked)
            return reply(200, json={"access_token": f"access-{number}", "refresh_token": f"refresh-{number}",
                                    "token_type": "Bearer", "expires_in": 3600})  # fmt: skip
        self.served += 1
        headers = {"Cache-Control": "private, max-age=600"}
        return reply(200, json=request.headers["Authorization"], headers=headers)


@pytest.fixture(params=["SQLite", "SQLite with a key", "Redis"])
def store(request, tmp_path, lane):
    if request.param == "Redis":
        return RedisStore(request.getfixturevalue("redis").url, key=KEY)
    return SQLiteStore(tmp_path / "store", key=KEY if "key" in request.param else None)


def login(store, provider, user="ann"):
    auth = OAuth2RefreshToken("https://h/token", user, refresh_token=f"first of {user}", store=store)
    return Client("https://h", transport=MockTransport(provider), auth=auth, cache=Cache(store=store))


async def test_a_login_and_its_responses_outlast_the_client_in_one_store(store):
    provider = Provider()
    async with login(store, provider) as api:
        for _ in range(2):  # who is logged in is known from the first response on
            assert (await api.get("/me")).json() == "Bearer access-1"
    async with login(store, provider) as api:
        await api.get("/first")
        found = await api.get("/me")
    assert (found.json(), found.from_cache) == ("Bearer access-1", "fresh")
    assert (len(provider.asked), provider.served) == (1, 3)


async def test_another_user_of_the_store_gets_responses_of_its_own(store):
    provider = Provider()
    async with login(store, provider) as ann, login(store, provider, "bob") as bob:
        await asyncio.gather(ann.get("/me"), bob.get("/me"))
        told = await asyncio.gather(ann.get("/me"), bob.get("/me"))
        again = await asyncio.gather(ann.get("/me"), bob.get("/me"))
    assert {each.json() for each in told} == {"Bearer access-1", "Bearer access-2"}
    assert [each.json() for each in again] == [each.json() for each in told]
    assert {each.from_cache for each in again} == {"fresh"}


async def test_a_damaged_file_fails_the_login_and_not_the_cache(tmp_path, caplog):
    (tmp_path / "store").write_bytes(b"damaged" * 1000)
    store, provider = SQLiteStore(tmp_path / "store"), Provider()
    async with Client("https://h", transport=MockTransport(provider), cache=Cache(store=store)) as api:
        for cached in ("", "fresh"):
            assert (await api.get("/me", headers={"Authorization": "x"})).from_cache == cached
    assert len(caplog.messages) == 1


async def test_responses_that_make_space_never_remove_a_token(tmp_path):
    store, provider = SQLiteStore(tmp_path / "store", max_bytes=64 * 1024), Provider()
    async with login(store, provider) as api:
        for number in range(200):
            await api.get(f"/{number}")
            if number % 20 == 0:
                await asyncio.sleep(0.06)
    with closing(sqlite3.connect(tmp_path / "store")) as base:
        assert base.execute("SELECT count(*) FROM entries").fetchone()[0] < 200
        assert base.execute("SELECT count(*) FROM texts").fetchone()[0] == 1
    async with login(store, provider) as api:
        await api.get("/later")
    assert len(provider.asked) == 1
