"""Assertions: a JWT of our own or another token, exchanged for an access token."""

from __future__ import annotations

import pytest

from asyncapi import Client, Env, OAuth2JWTBearer, OAuth2TokenExchange
from asyncapi.credentials import Issuer
from asyncapi.testing import MockTransport, reply, run
from provider import Provider

KINDS = "urn:ietf:params:oauth:token-type:"


def asserted(**settings) -> tuple[list[dict], list[dict]]:
    """The claims and the forms of two tokens, one after the other."""
    jwk, jwt = pytest.importorskip("joserfc.jwk"), pytest.importorskip("joserfc.jwt")
    key = jwk.generate_key("EC", "P-256")

    async def scenario():
        pem = key.as_pem(private=True).decode()
        auth = OAuth2JWTBearer("https://h/token", "robot", lambda: pem, **settings)
        async with provider.client(auth) as api:
            await api.get("/")
            await provider.clock.sleep(101)
            await api.get("/")

    provider = Provider(lifetime=100.0)
    run(scenario())
    return [jwt.decode(form["assertion"], key, algorithms=["ES256"]).claims for form in provider.asked], provider.asked


def test_a_jwt_says_who_for_whom_and_until_when():
    [first, second], forms = asserted()
    assert (first["iss"], first["sub"], first["aud"]) == ("robot", "robot", "https://h/token")
    assert first["exp"] - first["iat"] == 300
    assert second["iat"] - first["iat"] == 101
    assert first["jti"] != second["jti"]
    assert forms[0]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "client_id" in forms[0]


def test_subject_audience_scope_and_claims_of_a_jwt_may_be_given():
    [claims, _], [form, _] = asserted(
        subject="ada", audience="https://api", scope=["read", "write"], claims={"tenant": "t"}
    )
    assert (claims["sub"], claims["aud"], claims["tenant"]) == ("ada", "https://api", "t")
    assert claims["scope"] == form["scope"] == "read write"


def test_the_audience_of_a_jwt_is_the_endpoint_that_the_issuer_names():
    jwk, jwt = pytest.importorskip("joserfc.jwk"), pytest.importorskip("joserfc.jwt")
    key = jwk.generate_key("EC", "P-256")

    async def handler(request):
        if request.url.path.startswith("/.well-known"):
            return reply(json={"issuer": "https://h", "token_endpoint": "https://h/token"})
        return await provider(request)

    async def scenario():
        auth = OAuth2JWTBearer(Issuer("https://h"), "robot", key.as_pem(private=True).decode())
        transport = MockTransport(handler, clock=provider.clock)
        async with Client("https://h", auth=auth, transport=transport, clock=provider.clock) as api:
            await api.get("/")

    provider = Provider()
    run(scenario())
    assert jwt.decode(provider.asked[0]["assertion"], key, algorithms=["ES256"]).claims["aud"] == "https://h/token"


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
        assert [form["subject_token"] for form in provider.asked] == ["one", "two"]
        assert provider.asked[0] == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "one",
            "subject_token_type": f"{KINDS}jwt", "actor_token": "actor", "actor_token_type": f"{KINDS}access_token",
            "audience": "https://api", "requested_token_type": f"{KINDS}access_token", "scope": "read",
            "client_id": "me", "Authorization": "",
        }  # fmt: skip

    run(scenario())


@pytest.mark.parametrize(
    ("given", "sent"),
    [("saml2", f"{KINDS}saml2"), ("urn:x:y", "urn:x:y"), ("", None), ("id_token", f"{KINDS}id_token")],
)
def test_the_type_of_a_token_is_a_short_name_or_a_uri(given, sent):
    async def scenario():
        auth = OAuth2TokenExchange("https://h/token", "me", "theirs", requested_token_type=given)
        async with provider.client(auth) as api:
            await api.get("/")

    provider = Provider()
    run(scenario())
    assert provider.asked[0].get("requested_token_type") == sent


@pytest.mark.parametrize(("token", "constant"), [("text", True), (lambda: "text", False)])
def test_an_exchange_acts_for_one_user_if_its_tokens_never_change(token, constant):
    assert (OAuth2TokenExchange("https://h/token", "me", token).principal is None) is constant
    assert (OAuth2TokenExchange("https://h/token", "me", "text", actor_token=token).principal is None) is constant
