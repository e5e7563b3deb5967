"""Logins: who may bring the answer, how long is waited, what a store saves; device codes at the server's pace."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from asyncapi import AuthError, Client, ConfigError, OAuth2AuthorizationCode, OAuth2DeviceCode, RequestTimeout
from asyncapi.credentials import Issuer
from asyncapi.sansio.auth.oauth import challenge
from asyncapi.testing import MockTransport, reply
from provider import Provider


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


async def test_only_the_redirect_of_this_login_counts():
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


async def test_a_login_that_nobody_completes_is_an_auth_error():
    async with Provider().client(login(Shown(), patience=0.05)) as api:
        with pytest.raises(AuthError, match=r"nobody logged in within 0\.05 s"):
            await api.authorize()


async def test_a_port_that_is_taken_is_an_auth_error():
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
async def test_a_redirect_that_names_our_issuer_is_accepted(answer, metadata):
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
async def test_a_redirect_that_names_another_issuer_is_refused(answer, metadata, said):
    """RFC 9207 section 2.4: no code is sent to the token endpoint."""
    with pytest.raises(AuthError, match=said):
        await log_in_at_an_issuer(answer, **metadata)


# -- all of them ---------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_not_a_url_is_a_config_error():
    with pytest.raises(ConfigError, match="is not the URL of an endpoint"):
        OAuth2AuthorizationCode("https://h/authorize", "tool")
    with pytest.raises(ConfigError, match="is not the URL of an endpoint"):
        OAuth2DeviceCode("https://h/device", "tool", token_url="h")
