"""Assertions: a JWT of our own or another token, exchanged for an access token."""

from __future__ import annotations

from asyncapi import (
    Env,
    OAuth2TokenExchange,
)
from asyncapi.testing import run
from provider import Provider


def test_a_token_is_exchanged_for_another(monkeypatch):
    async def scenario():
        provider = Provider(lifetime=100.0)
        auth = OAuth2TokenExchange(
            "https://h/token", "me", Env("SUBJECT"), subject_token_type="jwt", actor_token="actor",
            audience="https://api", requested_token_type="access_token", scope="read",
        )  # fmt: skip
        async with provider.client(auth) as api:
            monkeypatch.setenv("SUBJECT", "one")
            await api.get("/")
            monkeypatch.setenv("SUBJECT", "two")
            await provider.clock.sleep(101)
            await api.get("/")
        kind = "urn:ietf:params:oauth:token-type:"
        assert [form["subject_token"] for form in provider.asked] == ["one", "two"]
        assert provider.asked[0] == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "one",
            "subject_token_type": f"{kind}jwt", "actor_token": "actor", "actor_token_type": f"{kind}access_token",
            "audience": "https://api", "requested_token_type": f"{kind}access_token", "scope": "read",
            "client_id": "me", "Authorization": "",
        }  # fmt: skip

    run(scenario())
