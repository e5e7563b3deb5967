"""A user's session: refreshed without a login, another user after another login, and revoked."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from asyncapi import AuthError, Client, OAuth2DeviceCode, OAuth2RefreshToken
from asyncapi.credentials import Issuer
from asyncapi.credentials.oauth.options import complete
from asyncapi.credentials.oauth.user_session import login_server
from asyncapi.stores import MemoryStore
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider

DEVICE = {"device_code": "d", "user_code": "u", "verification_uri": "https://h/d", "interval": 1}


class Logins(Provider):
    """A provider at which people log in by a device code; `/revoke` answers with `revoking`."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.revoking = 200
        self.revoked: list[tuple[str, str]] = []

    async def __call__(self, request):
        if request.url.path == "/device":
            return reply(json=DEVICE)
        if request.url.path == "/revoke":
            form = dict(parse_qsl(request.content.decode()))
            self.revoked.append((form["token_type_hint"], form["token"].removeprefix(CANARY)))
            return reply(self.revoking)
        return await super().__call__(request)

    def grants(self) -> list[str]:
        return [form["grant_type"].rpartition(":")[2] for form in self.asked]


def person(**settings) -> OAuth2DeviceCode:
    return OAuth2DeviceCode("https://h/device", "tool", token_url="https://h/token", show=lambda _: None, **settings)


def test_a_person_logs_in_once_and_then_the_token_is_refreshed():
    async def scenario():
        provider, auth = Logins(lifetime=100.0), person()
        async with provider.client(auth) as api:
            for _ in range(4):
                await api.get("/")
                await provider.clock.sleep(101)
        assert provider.grants() == ["device_code", "refresh_token", "refresh_token", "refresh_token"]

    run(scenario())


def test_the_principal_changes_with_the_login_and_not_with_the_token():
    async def scenario():
        provider, auth = Logins(lifetime=100.0), person()
        assert await auth.principal() is None
        seen = []
        async with provider.client(auth) as api:
            for forgotten in (False, False, True, False):
                if forgotten:  # the server has ended the session
                    provider.refreshable.clear()
                await api.get("/")
                seen.append(await auth.principal())
                await provider.clock.sleep(101)
        assert provider.grants() == ["device_code", "refresh_token", "refresh_token", "device_code", "refresh_token"]
        assert seen[0] == seen[1] != seen[2] == seen[3]
        assert CANARY not in repr(seen)

    run(scenario())


def test_a_refresh_that_is_refused_for_another_reason_asks_nobody_to_log_in():
    async def scenario():
        provider, auth = Logins(lifetime=100.0), person()
        async with provider.client(auth) as api:
            await api.get("/")
            await provider.clock.sleep(101)
            provider.down = 400
            with pytest.raises(AuthError, match="400 temporarily_unavailable"):
                await api.get("/")
        assert provider.grants() == ["device_code", "refresh_token"]

    run(scenario())


def test_logging_out_revokes_the_refresh_token_and_then_the_access_token():
    async def scenario():
        provider, store = Logins(), MemoryStore()
        auth = person(store=store, revocation_url="https://h/revoke")
        async with provider.client(auth) as api:
            await api.get("/")
            await auth.revoke()
            assert provider.revoked == [("refresh_token", "-refresh-1"), ("access_token", "1")]
            assert (store._texts, await auth.principal()) == ({}, None)
            await auth.revoke()
            assert len(provider.revoked) == 2

    run(scenario())


def test_a_server_that_refuses_to_revoke_is_an_auth_error_with_its_status():
    async def scenario():
        provider = Logins()
        provider.revoking = 400
        auth = person(revocation_url="https://h/revoke")
        async with provider.client(auth) as api:
            await api.get("/")
            with pytest.raises(AuthError, match="the tokens are forgotten here, but not revoked: 400"):
                await auth.revoke()
        assert await auth.principal() is None

    run(scenario())


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


def test_an_issuer_names_the_endpoint_that_revokes():
    async def handler(request):
        if request.url.path.startswith("/.well-known"):
            return reply(
                json={
                    "issuer": "https://h",
                    "token_endpoint": "https://h/token",
                    "revocation_endpoint": "https://h/revoke",
                }
            )
        return await provider(request)

    async def scenario():
        provider.refreshable.add("first")
        auth = OAuth2RefreshToken(Issuer("https://h"), "tool", refresh_token="first")
        transport = MockTransport(handler, clock=provider.clock)
        async with Client("https://h", auth=auth, transport=transport, clock=provider.clock) as api:
            await api.get("/")
            await auth.revoke()

    provider = Logins()
    run(scenario())
    assert [kind for kind, _ in provider.revoked] == ["refresh_token", "access_token"]


@pytest.mark.parametrize(
    ("url", "token_url", "where"),
    [
        ("https://h/device", "https://h/token", "https://h/token"),
        (Issuer("https://h"), None, "Issuer('https://h')"),
        (Issuer("https://h"), "https://other/token", "https://other/token"),
    ],
)
def test_the_token_endpoint_of_a_login_is_the_one_given_or_the_issuers(url, token_url, where):
    options = complete(OAuth2DeviceCode, {"token_url": token_url})
    assert login_server("OAuth2DeviceCode", url, "tool", None, options).describe() == f"client tool at {where} (none)"
