"""Logins: who may bring the answer, how long is waited, what a store saves; device codes at the server's pace."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import pytest

from asyncapi import (
    AuthError,
    Client,
    ConfigError,
    Env,
    OAuth2AuthorizationCode,
    OAuth2DeviceCode,
    OAuth2RefreshToken,
    OAuth2TokenExchange,
    RequestTimeout,
)
from asyncapi.credentials import Issuer
from asyncapi.sansio.auth.oauth import challenge
from asyncapi.stores import MemoryStore
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider


def login(show, **settings) -> OAuth2AuthorizationCode:
    return OAuth2AuthorizationCode("https://h/authorize", "tool", token_url="https://h/token", show=show, **settings)


def asked(text: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(re.search(r"https\S+", text)[0]).query).items()}


async def bring(query, **answer):
    async with aiohttp.ClientSession() as browser, browser.get(query["redirect_uri"], params=answer) as page:
        return page.status, await page.text()


class Shown(asyncio.Queue):
    """What a person was shown."""

    def __call__(self, text):
        self.put_nowait(text)


async def test_only_the_answer_to_our_own_question_counts():
    provider, shown = Provider(), Shown()
    async with provider.client(login(shown, scope=["read", "write"], params={"prompt": "consent"})) as api:
        task = asyncio.ensure_future(api.authorize())
        query = asked(await shown.get())
        assert (query["response_type"], query["client_id"], query["scope"]) == ("code", "tool", "read write")
        assert (query["prompt"], query["code_challenge_method"]) == ("consent", "S256")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/callback", query["redirect_uri"])
        assert (await bring(query, code="forged", state="other"))[0] == 404
        assert (await bring(query, code="forged"))[0] == 404
        assert (await bring(query | {"redirect_uri": query["redirect_uri"] + "/x"}, code="c", state=query["state"]))[
            0
        ] == 404
        assert not task.done()
        status, page = await bring(query, code="the-code", state=query["state"])
        await task
    [form] = provider.asked
    assert (status, "Logged in" in page) == (200, True)
    assert (form["grant_type"], form["code"]) == ("authorization_code", "the-code")
    assert (form["redirect_uri"], form["client_id"]) == (query["redirect_uri"], "tool")
    assert challenge(form["code_verifier"]) == query["code_challenge"]


async def test_what_is_no_http_does_not_disturb_the_listener():
    provider, shown = Provider(), Shown()
    async with provider.client(login(shown)) as api:
        task = asyncio.ensure_future(api.authorize())
        query = asked(await shown.get())
        port = urlsplit(query["redirect_uri"]).port
        for garbage in (
            b"\x16\x03\x01\x00\r\n\r\n",
            b"",
            b"GET",
            b"A" * 100_000,
            b"GET " + b"/" * 100_000 + b"\r\n\r\n",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            writer.close()
        await bring(query, code="c", state=query["state"])
        await task
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)  # it listens no more


async def test_nobody_who_comes_is_an_auth_error():
    async with Provider().client(login(Shown(), patience=0.05)) as api:
        with pytest.raises(AuthError, match=r"nobody logged in within 0\.05 s"):
            await api.authorize()


async def test_a_port_that_is_taken_is_said():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Provider().client(login(Shown(), redirect_port=port)) as api:
            with pytest.raises(AuthError, match=f"can't listen on port {port} of 127.0.0.1"):
                await api.authorize()
    finally:
        server.close()
        await server.wait_closed()


async def test_a_call_that_does_not_wait_for_the_person_leaves_the_login_going():
    provider, shown = Provider(), Shown()
    async with provider.client(login(shown)) as api:
        with pytest.raises(RequestTimeout):
            await api.get("/", timeout=0.05)
        query = asked(await shown.get())
        await bring(query, code="c", state=query["state"])
        assert (await api.get("/")).status == 200
        assert shown.empty()


async def test_a_client_that_closes_ends_the_login():
    shown = Shown()
    async with Provider().client(login(shown)) as api:
        task = asyncio.ensure_future(api.authorize())
        query = asked(await shown.get())
    with pytest.raises(AuthError, match="closed"):
        await task
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", urlsplit(query["redirect_uri"]).port)


async def log_in_at_an_issuer(answer, **metadata):
    """Logs in where the metadata say this and the redirect brings that."""
    provider, shown = Provider(), Shown()

    async def handler(request):
        if ".well-known" in request.url.path:
            endpoints = {"authorization_endpoint": "https://h/authorize", "token_endpoint": "https://h/token"}
            return reply(json={"issuer": "https://h", **endpoints, **metadata})
        return await provider(request)

    auth = OAuth2AuthorizationCode(Issuer("https://h"), "tool", show=shown)
    transport = MockTransport(handler, clock=provider.clock)
    async with Client("https://h", auth=auth, transport=transport, clock=provider.clock) as api:
        task = asyncio.ensure_future(api.authorize())
        query = asked(await shown.get())
        await bring(query, code="c", state=query["state"], **answer)
        await task
    return provider.asked


ANNOUNCED = {"authorization_response_iss_parameter_supported": True}


@pytest.mark.parametrize(
    ("answer", "metadata"), [({"iss": "https://h"}, ANNOUNCED), ({"iss": "https://h"}, {}), ({}, {})]
)
async def test_the_issuer_that_was_asked_may_answer(answer, metadata):
    [form] = await log_in_at_an_issuer(answer, **metadata)
    assert form["code"] == "c"


@pytest.mark.parametrize(
    ("answer", "metadata", "said"),
    [
        ({}, ANNOUNCED, "names no issuer"),
        ({"iss": "https://evil"}, ANNOUNCED, "another issuer"),
        ({"iss": "https://evil"}, {}, "another issuer"),
    ],
)
async def test_the_answer_of_another_issuer_is_refused(answer, metadata, said):
    """RFC 9207 section 2.4: no code is sent to the token endpoint."""
    with pytest.raises(AuthError, match=said):
        await log_in_at_an_issuer(answer, **metadata)


# -- refresh tokens ------------------------------------------------------------------------------------------------


def test_a_rotated_refresh_token_is_kept_in_the_store():
    async def scenario():
        provider, store = Provider(lifetime=100.0), MemoryStore()
        provider.rotating = True
        provider.refreshable.add("first")
        for _ in range(3):
            auth = OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store)
            async with provider.client(auth) as api:
                await api.get("/")
                await provider.clock.sleep(101)
                await api.get("/")
        used = [form["refresh_token"] for form in provider.asked]
        assert used == ["first", *(f"{CANARY}-refresh-{number}" for number in range(1, len(used)))]
        assert all(status == 200 for _, status in provider.served)

    run(scenario())


def test_two_programs_that_share_a_store_do_not_use_a_refresh_token_twice():
    async def scenario():
        provider, store = Provider(lifetime=100.0), MemoryStore()
        provider.rotating = True
        provider.refreshable.add("first")

        def make():
            return provider.client(OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store))

        async with make() as one, make() as two:
            for _ in range(5):
                await one.get("/")
                await two.get("/")
                await provider.clock.sleep(101)
        assert all(status == 200 for _, status in provider.served)
        assert len(provider.asked) == 5

    run(scenario())


def test_nobody_logged_in_is_said():
    async def scenario():
        provider = Provider()
        async with provider.client(OAuth2RefreshToken("https://h/token", "tool", refresh_token=Env("NO_SUCH"))) as api:
            with pytest.raises(AuthError, match="could not get the token: the environment variable NO_SUCH is not set"):
                await api.get("/")

    run(scenario())


# -- device codes --------------------------------------------------------------------------------------------------


def device(answers, **given):
    """A client with a device code login, the times at which the token endpoint was asked, and what was shown."""
    provider, times, shown = Provider(), [], []
    left = iter(answers)

    async def handler(request):
        if request.url.path == "/device":
            return reply(
                json={
                    "device_code": CANARY,
                    "user_code": "AB-CD",
                    "verification_uri": "https://h/d",
                    "expires_in": 60,
                    **given,
                }
            )
        if request.url.path == "/token":
            form = dict(parse_qsl(request.content.decode()))
            assert (form["device_code"], form["client_id"]) == (CANARY, "tool")
            times.append(round(provider.clock.now() - began, 3))
            said = next(left)
            return (
                provider.issue()
                if said is None
                else reply(
                    400 if isinstance(said, str) else said, json={"error": said} if isinstance(said, str) else None
                )
            )
        return await provider(request)

    auth = OAuth2DeviceCode("https://h/device", "tool", token_url="https://h/token", show=shown.append)
    began = provider.clock.now()
    return (
        Client("https://h", auth=auth, transport=MockTransport(handler, clock=provider.clock), clock=provider.clock),
        times,
        shown,
    )


def test_a_device_is_polled_at_the_pace_that_the_server_asks_for():
    async def scenario():
        api, times, shown = device(["authorization_pending", "slow_down", "authorization_pending", None], interval=2)
        async with api:
            await api.authorize()
            assert (await api.get("/")).ok
        assert [round(later - first) for first, later in zip([0, *times], times, strict=False)] == [2, 2, 7, 7]
        assert shown == ["To log in, open https://h/d in a browser and enter the code AB-CD"]

    run(scenario())


@pytest.mark.parametrize(
    ("answers", "given", "said"),
    [
        (["authorization_pending"] * 99, {}, "nobody entered the code in time"),
        (["access_denied"], {}, "400 access_denied"),
        (["expired_token"], {}, "400 expired_token"),
        ([], {"verification_uri": "javascript:alert(1)"}, "has no device_code"),
        ([], {"user_code": None}, "has no device_code"),
        ([], {"user_code": "AB\x1b[2J"}, "has no device_code"),
        (["authorization_pending"] * 9999, {"expires_in": 10**400, "interval": 60}, "nobody entered the code in time"),
        (["authorization_pending"] * 9999, {"expires_in": 1e18, "interval": 60}, "nobody entered the code in time"),
    ],
)
def test_a_device_that_nobody_agrees_to(answers, given, said):
    async def scenario():
        api, _, _ = device(answers, **given)
        async with api:
            with pytest.raises(AuthError, match=said):
                await api.authorize()

    run(scenario())


# -- token exchange ------------------------------------------------------------------------------------------------


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


# -- all of them ---------------------------------------------------------------------------------------------------


def test_revoking_tells_the_server_and_forgets_even_if_it_can_not_be_told():
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


def test_endpoints_that_make_no_sense():
    with pytest.raises(ConfigError, match="is not the URL of an endpoint"):
        OAuth2AuthorizationCode("https://h/authorize", "tool")
    with pytest.raises(ConfigError, match="is not the URL of an endpoint"):
        OAuth2DeviceCode("https://h/device", "tool", token_url="h")


def test_nothing_secret_shows_of_a_login(caplog):
    async def scenario():
        said = []
        api, _, shown = device([503, 503, 503, "access_denied"])
        async with api:
            try:
                await api.authorize()
            except AuthError as error:
                said += [
                    "".join(traceback.format_exception(error)),
                    repr(error.__dict__),
                    repr(error.__cause__.__dict__),
                ]
            said += [repr(api._state.settings.auth), api.explain(), *shown]
        return " ".join(said)

    with caplog.at_level(logging.DEBUG):
        text = run(scenario()) + caplog.text
    assert "access_denied" in text
    assert CANARY not in text
