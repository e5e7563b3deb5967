"""A refresh token from elsewhere: renewed, rotated, saved, and never used twice."""

from __future__ import annotations

import pytest

from asyncapi import AuthError, Env, OAuth2RefreshToken
from asyncapi.stores import MemoryStore
from asyncapi.testing import run
from provider import CANARY, Provider


def test_a_rotated_refresh_token_is_saved_in_the_store():
    async def scenario():
        provider, store = Provider(lifetime=100.0), MemoryStore()
        provider.rotating = True
        provider.refreshable.add("first")
        for _ in range(3):
            auth = OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store)
            async with provider.client(auth) as api:
                await api.get("/")
                await provider.clock.sleep(101)
                await api.get("/")
        used = [form["refresh_token"] for form in provider.asked]
        assert used == ["first", *(f"{CANARY}-refresh-{number}" for number in range(1, len(used)))]
        assert all(status == 200 for _, status in provider.served)

    run(scenario())


def test_two_programs_that_share_a_store_do_not_use_a_refresh_token_twice():
    async def scenario():
        provider, store = Provider(lifetime=100.0), MemoryStore()
        provider.rotating = True
        provider.refreshable.add("first")

        def make():
            return provider.client(OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store))

        async with make() as one, make() as two:
            for _ in range(5):
                await one.get("/")
                await two.get("/")
                await provider.clock.sleep(101)
        assert all(status == 200 for _, status in provider.served)
        assert len(provider.asked) == 5

    run(scenario())


def test_a_refresh_token_that_is_not_there_is_an_auth_error():
    async def scenario():
        provider = Provider()
        async with provider.client(OAuth2RefreshToken("https://h/token", "tool", refresh_token=Env("NO_SUCH"))) as api:
            with pytest.raises(AuthError, match="could not get the token: the environment variable NO_SUCH is not set"):
                await api.get("/")

    run(scenario())
