"""JWTs and proofs are signed by any private key that fits, and no error shows the key."""

from __future__ import annotations

import traceback

import pytest

from asyncapi import (
    AuthError,
    OAuth2ClientCredentials,
)
from asyncapi.testing import run
from provider import CANARY, Provider


def test_a_key_that_can_not_sign_is_an_auth_error_that_shows_nothing_of_it():
    async def scenario():
        provider = Provider()
        auth = OAuth2ClientCredentials("https://h/token", "me", private_key=CANARY)
        async with provider.client(auth) as api:
            with pytest.raises(AuthError, match="give a PEM or JWK private key") as caught:
                await api.get("/")
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    pytest.importorskip("joserfc")
    run(scenario())
