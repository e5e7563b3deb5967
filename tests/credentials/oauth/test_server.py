"""An authorization server: where its endpoints are, how a client authenticates, what of it never shows."""

from __future__ import annotations

import base64
import json
import logging
import traceback
import warnings
from urllib.parse import unquote

import pytest
from aiohttp import web

from asyncapi import AuthError, Client, ConfigError, OAuth2ClientCredentials, OAuth2RefreshToken, OAuth2TokenExchange
from asyncapi.credentials import Issuer
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider, service
from servers import application


def test_a_scope_that_is_not_granted_is_logged_once(caplog):
    async def scenario():
        provider = Provider(lifetime=10.0)
        issue = provider.issue
        provider.issue = lambda: reply(json=json.loads(issue().content) | {"scope": "read"})
        async with provider.client(service(scope="read write admin")) as api:
            for _ in range(3):
                await api.get("/")
                await provider.clock.sleep(10.0)

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert caplog.messages == ["OAuth2ClientCredentials: the server did not grant the scope write admin"]


def test_a_secret_that_a_server_repeats_in_a_200_does_not_show():
    async def scenario():
        provider = Provider()
        provider.token = _repeats
        async with provider.client(service(auth_method="client_secret_post")) as api:
            with pytest.raises(AuthError, match="200 denied: no such") as caught:
                await api.get("/")
        assert CANARY not in str(caught.value)

    async def _repeats(request):
        return reply(200, json={"error": "denied", "error_description": f"no such {request.content.decode()}"})

    run(scenario())


def test_the_client_authenticates_by_the_method_that_is_set():
    async def scenario():
        for method, secret in (
            ("client_secret_basic", "a:b c/é"),
            ("client_secret_post", "a:b c/é"),
            (None, "a:b c/é"),
        ):
            provider = Provider()
            auth = service(auth_method=method, secret=secret, scope=["read", "write"], params={"audience": "it"})
            async with provider.client(auth) as api:
                await api.get("/")
            [form] = provider.asked
            basic = form.pop("Authorization")
            assert (form["grant_type"], form["scope"], form["audience"]) == ("client_credentials", "read write", "it")
            if method == "client_secret_post":
                assert (basic, form["client_id"], form["client_secret"]) == ("", "me", "a:b c/é")
            else:
                assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "me:a%3Ab%20c%2F%C3%A9"
                assert "client_secret" not in form

    run(scenario())


def test_private_key_jwt_signs_an_assertion():
    jwk = pytest.importorskip("joserfc.jwk")
    from joserfc import jwt

    async def scenario():
        for kind, size, algorithm in (("RSA", 2048, "RS256"), ("EC", "P-256", "ES256"), ("OKP", "Ed25519", "EdDSA")):
            key = jwk.generate_key(kind, size)
            provider = Provider()
            auth = OAuth2ClientCredentials(
                "https://h/token", "me", private_key=key.as_pem(private=True).decode(), key_id="k1"
            )
            async with provider.client(auth) as api:
                await api.get("/")
            [form] = provider.asked
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # EdDSA has a newer name
                token = jwt.decode(form["client_assertion"], key, algorithms=[algorithm])
            assert (token.header["alg"], token.header["kid"]) == (algorithm, "k1")
            assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == ("me", "me", "https://h/token")
            assert token.claims["exp"] - token.claims["iat"] == 60

    run(scenario())


def test_the_endpoint_is_found_in_the_issuers_metadata_once():
    async def scenario():
        seen = []

        async def handler(request):
            seen.append(request.url.path)
            if request.url.path == "/tenant/.well-known/openid-configuration":
                return reply(json={"issuer": "https://login/tenant", "token_endpoint": "https://h/token"})
            return await provider(request) if request.url.host == "h" else reply(404)

        provider = Provider(lifetime=10.0)
        auth = OAuth2ClientCredentials(Issuer("https://login/tenant"), "me", "secret")
        transport = MockTransport(handler, clock=provider.clock)
        async with Client("https://h", auth=auth, transport=transport, clock=provider.clock) as api:
            await api.get("/")
            await provider.clock.sleep(10)
            await api.get("/")
        assert seen == [
            "/.well-known/oauth-authorization-server/tenant", "/tenant/.well-known/openid-configuration",
            "/token", "/", "/token", "/",
        ]  # fmt: skip

    run(scenario())


@pytest.mark.parametrize("endpoint", ["http://h/token", "/token", "ftp://h/token", "javascript:alert(1)", ""])
def test_an_endpoint_in_metadata_that_would_go_in_clear_is_refused(endpoint):
    async def scenario():
        seen = []

        async def handler(request):
            seen.append(request.url.path)
            return reply(json={"issuer": "https://login", "token_endpoint": endpoint})

        auth = OAuth2ClientCredentials(Issuer("https://login"), "me", CANARY)
        async with Client("https://h", auth=auth, transport=MockTransport(handler)) as api:
            with pytest.raises(AuthError, match="that is not an https URL"):
                await api.get("/")
        assert seen == ["/.well-known/oauth-authorization-server"]

    run(scenario())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OAuth2ClientCredentials("/token", "me", "s"), "is not the URL of an endpoint"),
        (lambda: OAuth2ClientCredentials(f"https://me:{CANARY}@h/token", "me", "s"), "is not the URL of an endpoint"),
        (lambda: OAuth2ClientCredentials("https://h/token", "", "s"), "client_id is empty"),
        (lambda: OAuth2ClientCredentials("https://h/token", "me", ""), "client_secret is empty"),
        (lambda: service(auth_method="basic"), "one of client_secret_basic"),
        (lambda: service(auth_method="private_key_jwt"), "needs a private_key"),
        (
            lambda: OAuth2ClientCredentials("https://h/token", "me", auth_method="client_secret_post"),
            "needs a client_secret",
        ),
        (lambda: Issuer("login"), "is not the URL of an endpoint"),
        (lambda: service(token_type="dpop"), "DPoP is dpop=True"),
        (lambda: service(token_type="MAC"), "give the server's name for its bearer tokens"),
        (lambda: service(token_type="bot", dpop=True), "DPoP is dpop=True"),
    ],
)
def test_settings_that_do_not_go_together(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert CANARY not in str(caught.value)


ODD = 'c@nary/bird +"é"&='  # written otherwise in a URL, a form, JSON and HTML


@pytest.mark.lanes
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("kind", ["client", "refresh", "exchange"])
async def test_a_server_that_repeats_what_it_refuses_does_not_make_it_show(kind, method, caplog):
    """Real sockets: the token endpoint echoes the whole request in its error's description."""
    caplog.set_level(logging.DEBUG)
    came = []

    async def token(request):
        came.append(request)
        form = dict(await request.post())
        basic = base64.b64decode(request.headers.get("Authorization", "Basic ")[6:]).decode()
        told = f"{form} {unquote(basic)} {(await request.text())}"
        return web.json_response({"error": "invalid_client", "error_description": told}, status=401)

    def make(url):
        if kind == "refresh":
            return OAuth2RefreshToken(url, "me", ODD, refresh_token=ODD, auth_method=method)
        if kind == "exchange":
            return OAuth2TokenExchange(url, "me", ODD, client_secret=ODD, auth_method=method)
        return OAuth2ClientCredentials(url, "me", ODD, auth_method=method)

    async with application(web.post("/token", token)) as url, Client(url, auth=make(f"{url}/token")) as api:
        with pytest.raises(AuthError) as caught:
            await api.get("/")
    text = (
        "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()) + caplog.text
    )
    assert came
    assert "401 invalid_client" in text
    assert "bird" not in text
