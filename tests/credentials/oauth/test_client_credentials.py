"""One token for any number of callers, renewed before anybody waits; client credentials against real servers."""

from __future__ import annotations

import base64
import logging
import traceback

import pytest

from asyncapi import AuthError, Client, OAuth2ClientCredentials
from asyncapi.serve import FaultServer
from asyncapi.stores import MemoryStore
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider, service

# -- what is sent --------------------------------------------------------------------------------------------------


def test_the_token_goes_to_the_api_alone_and_the_secret_to_the_token_endpoint_alone():
    async def scenario():
        seen = []

        async def handler(request):
            seen.append((request.url.host, request.headers.get("Authorization", "")[:6]))
            if request.url.host == "login":
                return reply(json={"access_token": "t"})
            return reply(302, headers={"Location": "https://elsewhere/"}) if request.url.host == "h" else reply()

        auth = OAuth2ClientCredentials("https://login/token", "me", "secret")
        async with Client("https://h", auth=auth, transport=MockTransport(handler)) as api:
            await api.get("/")
        assert seen == [("login", "Basic "), ("h", "Bearer"), ("elsewhere", "")]

    run(scenario())


def test_a_store_keeps_the_token_between_clients():
    async def scenario():
        provider, store = Provider(), MemoryStore()
        for _ in range(3):
            async with provider.client(service(store=store)) as api:
                await api.get("/")
        provider.alive.clear()  # the kept one has been revoked
        async with provider.client(service(store=store)) as api:
            await api.get("/")
        assert len(provider.asked) == 2

    run(scenario())


def test_nothing_secret_shows(caplog):
    """Secret and tokens in what is logged, raised, recorded and shown."""

    async def scenario():
        provider = Provider(lifetime=100.0)
        auth = service()
        records = []
        async with provider.client(auth, hooks=[records.append]) as api:
            answer = await api.get("/")
            said = [repr(auth), api.explain(), repr(answer.attempts), repr(auth._tokens.token), str(api.stats)]
            said += [repr(answer.request.headers), repr(records)]
            provider.down = 503
            await provider.clock.sleep(101)
            try:
                await api.get("/")
            except AuthError as error:
                said += [
                    "".join(traceback.format_exception(error)),
                    repr(error.__dict__),
                    repr(error.__cause__.__dict__),
                ]
        return " ".join(said)

    with caplog.at_level(logging.DEBUG):
        text = run(scenario()) + caplog.text
    assert CANARY not in text
    assert base64.b64encode(f"me:{CANARY}".encode()).decode() not in text
    assert "503" in text


# -- real servers --------------------------------------------------------------------------------------------------


@pytest.mark.lanes
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_against_the_fault_server(method):
    async with FaultServer() as server:
        auth = OAuth2ClientCredentials(f"{server.url}/oauth/token", "demo", "secret", scope="read", auth_method=method)
        async with Client(server.url, auth=auth) as api:
            answers = await api.gather(["/me"] * 50)
            assert answers[0].json() == {"client_id": "demo", "scope": "read"}
        wrong = OAuth2ClientCredentials(f"{server.url}/oauth/token", "demo", "wrong", auth_method=method)
        async with Client(server.url, auth=wrong) as api:
            with pytest.raises(AuthError, match="401 invalid_client"):
                await api.get("/me")
