"""A user's session: refreshed without a login, another user after another login, and revoked."""

from __future__ import annotations

import pytest

from asyncapi import (
    AuthError,
    OAuth2RefreshToken,
)
from asyncapi.stores import MemoryStore
from asyncapi.testing import run
from provider import Provider


def test_tokens_are_forgotten_even_if_they_can_not_be_revoked_at_the_server():
    async def scenario():
        provider, store = Provider(), MemoryStore()
        provider.refreshable.add("first")
        auth = OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store)
        await auth.revoke()  # nothing to do
        async with provider.client(auth) as api:
            await api.get("/")
            with pytest.raises(AuthError, match=r"forgotten here, but not revoked: give revocation_url="):
                await auth.revoke()
        assert store._texts == {}

    run(scenario())
