"""Requests to a token endpoint: a few attempts, bounded in time, and one clear line when all have failed."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import (
    AuthError,
)
from asyncapi.testing import run
from provider import Provider, service


@pytest.mark.parametrize(
    ("down", "said", "asked"),
    [
        ("cut", "the token endpoint at https://h failed: refused", 3),
        (503, "the token endpoint at https://h failed: 503", 3),
        (429, "the token endpoint at https://h failed: 429 temporarily_unavailable", 3),
        (400, "400 temporarily_unavailable", 1),
        (302, "302 temporarily_unavailable", 1),
    ],
)
def test_without_a_token_each_caller_gets_one_clear_line(down, said, asked):
    async def scenario():
        provider = Provider()
        provider.down = down
        async with provider.client(service()) as api:
            results = await asyncio.gather(*(api.get("/") for _ in range(5)), return_exceptions=True)
            assert len({id(error) for error in results}) == 5
            for error in results:
                assert isinstance(error, AuthError)
                assert str(error) == f"GET https://h/: OAuth2ClientCredentials: could not get the token: {said}"
            with pytest.raises(AuthError):
                await api.get("/")  # at once: it has just been tried
            assert len(provider.asked) == asked
            provider.down = None
            await provider.clock.sleep(1)
            assert (await api.get("/")).status == 200
        assert provider.served == [("1", 200)]

    run(scenario())


def test_a_token_endpoint_that_hangs_is_given_up_after_three_attempts():
    async def scenario():
        provider = Provider()
        provider.slow = 1000.0
        async with provider.client(service(), timeout=None) as api:
            with pytest.raises(AuthError, match="the attempt took over 10 s"):
                await api.get("/")

    run(scenario())
