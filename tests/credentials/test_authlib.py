"""Every grant against an OAuth provider that nobody here wrote (Authlib), in a process of its own on loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from asyncapi import (
    AuthError,
    Client,
    Issuer,
    OAuth2AuthorizationCode,
    OAuth2ClientCredentials,
    OAuth2DeviceCode,
    OAuth2JWTBearer,
    OAuth2RefreshToken,
    Unauthorized,
)
from asyncapi.stores import FileStore, MemoryStore

pytestmark = pytest.mark.lanes

STARTS_WITHIN = 20  # seconds
SECRET = "s3cret:/ &"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    for package in ("authlib", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = tmp_path_factory.mktemp("provider") / "port"
    command = [sys.executable, str(Path(__file__).parents[1] / "support/authlib_provider.py"), str(port)]
    env = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}  # loopback, without TLS
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not (port.exists() and port.read_text()):
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                pytest.skip(f"the provider did not start: {process.communicate()[1][-300:]}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port.read_text()}"
    finally:
        process.kill()
        process.communicate()


async def count(provider, name="tokens"):
    async with Client(provider) as api:
        return (await api.get("/counts")).json()[name]


class Person:
    """Opens the URL that is shown, as a browser does; `pages` are what they saw."""

    def __init__(self, **extra) -> None:
        self.extra = extra
        self.pages: list[str] = []
        self.shown: list[str] = []
        self.tasks: set[asyncio.Task] = set()

    def __call__(self, text):
        self.shown.append(text)
        task = asyncio.get_running_loop().create_task(self.open(re.search(r"https?://\S+", text)[0], text))
        self.tasks.add(task)

    async def open(self, url, text):
        code = re.search(r"enter the code (\S+)", text)
        params = self.extra | ({"code": code[1]} if code else {})
        async with aiohttp.ClientSession() as browser, browser.get(url, params=params) as page:
            self.pages.append(await page.text())


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_client_credentials(provider, method):
    auth = OAuth2ClientCredentials(Issuer(provider), "demo", SECRET, scope="read write", auth_method=method)
    before = await count(provider)
    async with Client(provider, auth=auth) as api:
        answers = await api.gather(["/me"] * 40)
        assert answers[0].json() == {"user": None, "client": "demo", "scope": "read write"}
    assert await count(provider) == before + 1
    async with Client(
        provider, auth=OAuth2ClientCredentials(Issuer(provider), "demo", "wrong", auth_method=method)
    ) as api:
        with pytest.raises(AuthError, match="401 invalid_client"):
            await api.get("/me")


@pytest.mark.parametrize(("kind", "size"), [("RSA", 2048), ("EC", "P-256")])
async def test_a_private_key_says_who_we_are_and_gets_a_token_by_itself(provider, kind, size):
    jwk = pytest.importorskip("joserfc.jwk")
    key = jwk.generate_key(kind, size)
    private = key.as_pem(private=True).decode()
    async with Client(provider) as api:
        await api.post("/keys", content=key.as_pem(private=False))
    grants = [
        OAuth2ClientCredentials(f"{provider}/token", "signer", private_key=private),
        OAuth2JWTBearer(f"{provider}/token", "signer", private, subject="ada"),
    ]
    for auth, user in zip(grants, (None, "ada"), strict=True):
        async with Client(provider, auth=auth) as api:
            assert (await api.get("/me")).json() == {"user": user, "client": "signer", "scope": ""}
    other = jwk.generate_key(kind, size).as_pem(private=True).decode()
    async with Client(provider, auth=OAuth2ClientCredentials(f"{provider}/token", "signer", private_key=other)) as api:
        with pytest.raises(AuthError, match="could not get the token: 4"):
            await api.get("/me")


@pytest.mark.parametrize(("client", "secret"), [("tool", None), ("demo", SECRET)])
async def test_a_person_logs_in_with_a_browser_once(provider, client, secret, tmp_path):
    pytest.importorskip("cryptography")
    person = Person()
    for _ in range(2):
        store = FileStore(tmp_path / "tokens")
        auth = OAuth2AuthorizationCode(Issuer(provider), client, secret, scope="read", show=person, store=store)
        async with Client(provider, auth=auth) as api:
            await api.authorize()
            assert (await api.get("/me")).json() == {"user": "ada", "client": client, "scope": "read"}
    await asyncio.gather(*person.tasks)
    [text] = person.shown
    assert "code_challenge_method=S256" in text
    assert ["Logged in" in page for page in person.pages] == [True]


async def test_a_person_who_says_no_is_an_auth_error(provider):
    person = Person(login_hint="nobody")
    async with Client(provider, auth=OAuth2AuthorizationCode(Issuer(provider), "tool", show=person)) as api:
        with pytest.raises(AuthError, match="access_denied"):
            await api.authorize()
    await asyncio.gather(*person.tasks)
    assert "Not logged in" in person.pages[0]


async def test_a_person_logs_in_on_another_device(provider):
    person = Person()
    async with Client(provider, auth=OAuth2DeviceCode(Issuer(provider), "tool", scope="read", show=person)) as api:
        await api.authorize()
        assert (await api.get("/me")).json() == {"user": "ada", "client": "tool", "scope": "read"}
    await asyncio.gather(*person.tasks)


async def test_refresh_tokens_rotate_and_many_calls_after_a_401_renew_once(provider):
    person, store = Person(), MemoryStore()
    auth = OAuth2AuthorizationCode(Issuer(provider), "tool", show=person, store=store)
    async with Client(provider, auth=auth, retry=None) as api:
        await api.authorize()
        for _ in range(3):
            before, old = await count(provider), auth._session.tokens.token
            auth._session.tokens.invalidate()
            answers = await api.gather(["/me"] * 30)
            assert {answer.json()["user"] for answer in answers} == {"ada"}
            assert await count(provider) == before + 1
            assert auth._session.tokens.token.refresh_token != old.refresh_token
    await asyncio.gather(*person.tasks)
    assert len(person.shown) == 1
    given = auth._session.tokens.token.refresh_token
    async with Client(provider, auth=OAuth2RefreshToken(Issuer(provider), "tool", refresh_token=given)) as api:
        assert (await api.get("/me")).json()["user"] == "ada"
    async with Client(provider, auth=OAuth2RefreshToken(Issuer(provider), "tool", refresh_token=given)) as api:
        with pytest.raises(AuthError, match="400 invalid_grant"):  # it was used
            await api.get("/me")


async def test_a_session_that_the_server_has_ended_asks_the_person_again(provider):
    person = Person()
    async with Client(provider, auth=OAuth2AuthorizationCode(Issuer(provider), "tool", show=person)) as api:
        await api.authorize()
        async with Client(provider) as bare:
            await bare.post("/revoke-all")
        assert (await api.get("/me")).json()["user"] == "ada"
    await asyncio.gather(*person.tasks)
    assert len(person.shown) == 2


async def test_logging_out_revokes_both_tokens(provider):
    person, store = Person(), MemoryStore()
    auth = OAuth2AuthorizationCode(Issuer(provider), "tool", show=person, store=store)
    async with Client(provider, auth=auth) as api:
        await api.authorize()
        token = auth._session.tokens.token
        await auth.revoke()
        async with Client(provider, headers={"Authorization": f"Bearer {token.access_token}"}) as bare:
            with pytest.raises(Unauthorized):
                await bare.get("/me")
    assert store._texts == {}
    await asyncio.gather(*person.tasks)
    async with Client(
        provider, auth=OAuth2RefreshToken(Issuer(provider), "tool", refresh_token=token.refresh_token)
    ) as api:
        with pytest.raises(AuthError, match="invalid_grant"):
            await api.get("/me")
