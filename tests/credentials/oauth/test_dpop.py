"""DPoP (RFC 9449) against a server that verifies every proof: key, method, URL, time, token, nonce, and that it is new."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
import traceback
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from asyncapi import (
    AuthError,
    Client,
    ConfigError,
    OAuth2AuthorizationCode,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
    Unauthorized,
)
from asyncapi.credentials.oauth.dpop import Proofs
from asyncapi.sansio.auth.oauth import Token
from asyncapi.stores import FileStore, MemoryStore
from asyncapi.types import Request, Response
from servers import application

pytest.importorskip("joserfc")

from dpop_server import CANARY, Guarded

pytestmark = pytest.mark.lanes


@asynccontextmanager
async def guarded(**settings):
    """(the server, its URL, a client of a service)."""
    server = Guarded()
    async with application(*server.routes()) as url:
        auth = OAuth2ClientCredentials(f"{url}/token", "me", "secret", dpop=True, store=settings.pop("store", None))
        async with Client(url, auth=auth, retry=None, **settings) as api:
            yield server, url, api


async def test_every_request_proves_that_it_holds_the_key_of_its_token():
    async with guarded() as (server, _, api):
        for method, url in (("GET", "/me"), ("GET", "/me?q=1&x=é"), ("POST", "/me#part"), ("DELETE", "/me")):
            assert (await api.request(method, url)).status == 200
        answers = await api.gather(["/me"] * 50)
    assert {answer.status for answer in answers} == {200}
    assert server.seen == [("/token", 200)] + [("/me", 200)] * 54


async def test_a_nonce_is_sent_once_a_server_asks_for_it():
    """The next nonce is used as soon as a response brings it."""
    async with guarded() as (server, _, api):
        server.nonces = {"/token": "token-nonce", "/me": "nonce-1"}
        answer = await api.get("/me")
        assert [each.why for each in answer.attempts] == ["first", "auth: 401, a DPoP nonce"]
        assert server.seen == [("/token", 400), ("/token", 200), ("/me", 401), ("/me", 200)]
        del server.seen[:]
        await api.get("/me")
        server.nonces["/me"] = "nonce-2"
        answers = await api.gather(["/me"] * 5)
        assert {answer.status for answer in answers} == {200}
        await api.get("/me")
    assert server.seen.count(("/token", 200)) == 0
    assert server.seen[-1] == ("/me", 200)


@pytest.mark.parametrize(("nonce", "kept"), [("a" * 2048, True), ("a" * 2049, False), ('a"b', False), ("a b", False)])
def test_what_is_no_nonce_is_not_sent_back(nonce, kept):
    """RFC 9449 section 8.1; and one of any length would fill the headers of every request."""
    proofs, url = Proofs(), "https://h/"
    proofs.learn(Response(200, {"DPoP-Nonce": nonce}, url=url), api=False)
    proof = proofs.prove(proofs.key, Request("GET", url), 0.0).headers["DPoP"]
    claims = json.loads(base64.urlsafe_b64decode(proof.split(".")[1] + "=="))
    assert claims.get("nonce") == (nonce if kept else None)


async def test_a_call_is_sent_again_for_a_nonce_and_for_a_token_and_no_more():
    async with guarded() as (server, _, api):
        await api.get("/me")
        server.nonces["/me"] = "nonce"
        server.tokens.clear()
        answer = await api.get("/me")
        assert [each.why for each in answer.attempts] == [
            "first", "auth: 401, a DPoP nonce", "auth: 401, a new token",
        ]  # fmt: skip
        server.tokens = Nobody()
        with pytest.raises(Unauthorized) as caught:
            await api.get("/me")
        assert len(caught.value.attempts) <= 3


class Nobody(dict):
    """Tokens that are not kept."""

    def __setitem__(self, key, value):
        pass


async def test_a_nonce_that_is_never_right_ends():
    async with guarded() as (server, _, api):
        await api.get("/me")
        counted = iter(range(1000))

        class Changing(dict):
            def __getitem__(self, path):
                return f"n{next(counted)}" if path == "/me" else ""

        server.nonces = Changing()
        with pytest.raises(Unauthorized) as caught:
            await api.get("/me")
        assert len(caught.value.attempts) == 3


async def test_renewals_keep_the_key(tmp_path):
    """A refresh token is bound to it too; and so is what a store has kept, for the next process."""
    server = Guarded()
    server.lifetime = 1
    pytest.importorskip("cryptography")
    async with application(*server.routes()) as url:
        for _ in range(2):
            store = FileStore(tmp_path / "tokens")
            auth = OAuth2RefreshToken(f"{url}/token", "me", "s", refresh_token="first", store=store, dpop=True)
            server.refreshable.setdefault("first", None)
            async with Client(url, auth=auth, retry=None) as api:
                if not server.keys:
                    server.refreshable["first"] = Anything()
                for _ in range(3):
                    await api.get("/me")
                    auth._session.tokens.invalidate()
                    await api.get("/me")
    assert len({*server.keys}) == 1
    assert len(server.keys) >= 6
    assert all(status == 200 for _, status in server.seen)


class Anything:
    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


async def test_an_authorization_code_is_bound_to_the_key_that_its_token_is_bound_to():
    server, shown = Guarded(), asyncio.Queue()
    async with application(*server.routes()) as url:
        auth = OAuth2AuthorizationCode(
            f"{url}/authorize", "tool", token_url=f"{url}/token", show=shown.put_nowait, dpop=True
        )
        async with Client(url, auth=auth) as api:
            task = asyncio.ensure_future(api.authorize())
            text = await shown.get()
            query = dict(parse_qsl(urlsplit(next(word for word in text.split() if word.startswith("http"))).query))
            async with aiohttp.ClientSession() as browser:
                await browser.get(query["redirect_uri"], params={"code": "c", "state": query["state"]})
            await task
            assert (await api.get("/me")).status == 200
    assert server.keys == [query["dpop_jkt"]]


async def test_a_server_that_does_not_bind_tokens_is_refused():
    async with guarded() as (server, _, api):
        server.bind = False
        with pytest.raises(
            AuthError, match="a token of type 'Bearer', but DPoP was requested: the server does not bind"
        ):
            await api.get("/me")


async def test_a_server_that_wants_proofs_refuses_a_client_without_dpop():
    async with guarded() as (_, url, _), Client(url, auth=OAuth2ClientCredentials(f"{url}/token", "me", "s")) as api:
        with pytest.raises(AuthError, match="invalid_dpop_proof: no proof"):
            await api.get("/me")


async def test_tokens_bound_and_not_bound_do_not_share_a_place_in_a_store():
    store = MemoryStore()
    async with guarded(store=store) as (_, url, api):
        await api.get("/me")
        bound = [*store._texts]
        plain = OAuth2ClientCredentials(f"{url}/token", "me", "secret", store=store)
        with pytest.raises(AuthError):
            async with Client(url, auth=plain) as other:
                await other.get("/me")
    assert [*store._texts] == bound
    [text] = store._texts.values()
    kept = Token.load(text)
    assert json.loads(kept.key)["crv"] == "P-256"


async def test_without_joserfc_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "joserfc.jwk", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[auth\]'"):
        OAuth2ClientCredentials("https://h/token", "me", "secret", dpop=True)


async def test_nothing_secret_shows(caplog):
    caplog.set_level(logging.DEBUG)
    store, records = MemoryStore(), []
    async with guarded(store=store, hooks=[records.append]) as (server, _, api):
        answer = await api.get("/me")
        auth = api._state.settings.auth
        said = [repr(auth), api.explain(), repr(answer.attempts), repr(answer.request.headers), repr(records)]
        said += [repr(auth._tokens.token), repr(auth._server.proofs)]
        server.tokens = Nobody()
        with pytest.raises(Unauthorized) as caught:
            await api.get("/me")
        said += ["".join(traceback.format_exception(caught.value)), repr(caught.value.__dict__)]
    text = " ".join(said) + caplog.text
    assert "DPoP" in text
    assert CANARY not in text
    [kept] = store._texts.values()
    assert json.loads(json.loads(kept)["key"])["d"] not in text
