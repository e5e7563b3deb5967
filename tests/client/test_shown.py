"""Clients that share a store: what is private to the users of one never reaches another's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from asyncapi import (
    TLS,
    ApiKey,
    Basic,
    Bearer,
    Cache,
    Client,
    Digest,
    Env,
    KeyPool,
    OAuth2ClientCredentials,
    SQLiteStore,
)  # fmt: skip
from asyncapi.client.shown import shown_to_servers
from asyncapi.credentials.base import Signature
from asyncapi.testing import FakeClock, MockTransport, reply, run
from servers import always, scripted


class Own:
    """A credential of the user's own, which always acts for one user."""

    max_resends = 0
    principal = None

    def __init__(self, value, account=None):
        self._signature = Signature(headers=(("Authorization", value),))
        if account is not None:
            self.account = account

    def cached_signature(self, request, context):
        return self._signature

    async def fetch_signature(self, request, context):
        return self._signature

    def on_response(self, signature, response, refused, context):
        return ""

    def describe(self):
        return "Own"


def oauth(client, **more):
    return OAuth2ClientCredentials("https://login/token", client, "secret", **more)


def served(request):
    if request.url.host == "login":
        return reply(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
    control = "max-age=60, public" if request.url.path == "/public" else "max-age=60"
    return reply(200, json=1, headers={"Cache-Control": control})


async def found(store, auth, *, path="/x", base="https://h", **settings):
    """How a client with this credential, and the next one of the same process, get a response."""
    transport = MockTransport(served)
    async with Client(
        base, transport=transport, clock=FakeClock(), auth=auth, cache=Cache(store=store), **settings
    ) as api:
        return (await api.get(path)).from_cache


OTHERS = {
    "no credential": (None, Bearer("a")),
    "a credential, then none": (Bearer("a"), None),
    "bearer tokens": (Bearer("a"), Bearer("b")),
    "keys in a header": (ApiKey("a"), ApiKey("b")),
    "keys in the query": (ApiKey("a", query="key"), ApiKey("b", query="key")),
    "keys in a cookie": (ApiKey("a", cookie="key"), ApiKey("b", cookie="key")),
    "passwords": (Basic("a", "1"), Basic("b", "1")),
    "digest": (Digest("a", "1"), Digest("b", "1")),
    "pools": (KeyPool([ApiKey("a"), ApiKey("b")]), KeyPool([ApiKey("a"), ApiKey("c")])),
    "services": (oauth("a"), oauth("b")),
    "scopes of a service": (oauth("a", scope="x"), oauth("a", scope="y")),
    "audiences of a service": (oauth("a", params={"audience": "x"}), oauth("a", params={"audience": "y"})),
    "credentials of one's own": (Own("a"), Own("b")),
    "credentials that name their account": (Own("a", "1"), Own("b", "2")),
    "each for an origin": ({"https://h": Bearer("a")}, {"https://h": Bearer("b")}),
    "functions": (Bearer(lambda: "a"), Bearer(lambda: "b")),
}


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS.keys())
def test_what_is_stored_for_one_credential_is_not_used_for_another(one, other, tmp_path):
    async def scenario():
        store = SQLiteStore(tmp_path / "cache.db")
        return [await found(store, auth) for auth in (one, other)]

    assert run(scenario()) == ["", ""]


SAME = {
    "bearer tokens": lambda: Bearer("a"),
    "keys": lambda: ApiKey("a", query="key"),
    "passwords": lambda: Basic("a", "1"),
    "digest": lambda: Digest("a", "1"),
    "pools": lambda: KeyPool([ApiKey("a"), ApiKey("b")]),
    "services": lambda: oauth("a", scope="x"),
    "credentials that name their account": lambda: Own("a", "1"),
    "variables": lambda: Bearer(Env("SHOWN_TOKEN")),
    "none": lambda: None,
}


@pytest.mark.parametrize("credential", SAME.values(), ids=SAME.keys())
def test_a_client_with_the_same_credential_uses_what_is_stored(credential, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWN_TOKEN", "a")

    async def scenario():
        return [await found(SQLiteStore(tmp_path / "cache.db"), credential()) for _ in range(2)]

    assert run(scenario()) == ["", "fresh"]


def test_what_is_public_is_for_all_clients_with_a_credential(tmp_path):
    async def scenario():
        store = SQLiteStore(tmp_path / "cache.db")
        return [await found(store, auth, path="/public") for auth in (Bearer("a"), Bearer("b"), oauth("c"))]

    assert run(scenario()) == ["", "fresh", "fresh"]


def test_a_user_in_the_base_url_is_a_user(tmp_path):
    async def scenario():
        store = SQLiteStore(tmp_path / "cache.db")
        bases = ["https://a:1@h", "https://b:1@h", "https://h", "https://a:1@h"]
        return [await found(store, None, base=base) for base in bases]

    assert run(scenario()) == ["", "", "", "fresh"]


def test_a_client_certificate_tells_users_apart(tmp_path):
    found = []
    for name, text in [("a", "one"), ("b", "two"), ("c", "one"), ("missing", None)]:
        if text is not None:
            (tmp_path / name).write_text(text)
        found.append(shown_to_servers(TLS(cert=tmp_path / name), None, trust_env=False))
    assert found[0] == found[2]
    assert len(set(found)) == 3
    assert shown_to_servers(TLS(), None, trust_env=False) == shown_to_servers(False, None, trust_env=False) == found[3]


@pytest.mark.lane("aiohttp", reason="a session is aiohttp's")
async def test_what_one_session_got_is_not_anothers(tmp_path):
    answer = always("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\n1")
    store = SQLiteStore(tmp_path / "cache.db")
    got = []
    async with scripted(answer) as server:
        for user in ("a", "b", "a"):
            async with (
                aiohttp.ClientSession(headers={"Authorization": user}) as session,
                Client(server.url, session=session, cache=Cache(store=store), retry=None) as api,
            ):
                got.append((await api.get("/")).from_cache)
    assert got == ["", "", "fresh"]


async def test_what_a_session_sends_by_itself_tells_users_apart(tmp_path):
    async with (
        aiohttp.ClientSession(headers={"Authorization": "a"}) as one,
        aiohttp.ClientSession(headers={"Authorization": "b", "X-Plain": "1"}) as two,
        aiohttp.ClientSession(headers={"X-Plain": "1"}) as plain,
    ):
        three = SimpleNamespace(headers={}, auth=("a", "1"), connector=None)  # BasicAuth is deprecated
        found = [shown_to_servers(True, session, trust_env=False) for session in (one, two, three, one)]
        assert found[0] == found[3]
        assert len(set(found)) == 3
        assert shown_to_servers(True, plain, trust_env=False) == ""


def test_passwords_of_netrc_tell_users_apart(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine h login a password 1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    one = shown_to_servers(True, None, trust_env=True)
    (tmp_path / "netrc").write_text("machine h login b password 1")
    assert "" != one != shown_to_servers(True, None, trust_env=True) != ""
    monkeypatch.setenv("NETRC", str(tmp_path / "missing"))
    assert shown_to_servers(True, None, trust_env=True) == shown_to_servers(True, None, trust_env=False) == ""


def test_nothing_of_a_credential_is_shown():
    assert "secret" not in repr(Bearer("secret").account) + repr(oauth("a").account)
    assert asyncio.iscoroutinefunction(Bearer(lambda: "a").principal)
    assert Bearer(lambda: "a").account is None
