"""Device codes: polled at the pace of the server, for as long as a code is valid."""

from __future__ import annotations

import logging
import traceback
from urllib.parse import parse_qsl

import pytest

from asyncapi import AuthError, Client, OAuth2DeviceCode
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider


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
def test_a_device_login_that_fails_says_why(answers, given, said):
    async def scenario():
        api, _, _ = device(answers, **given)
        async with api:
            with pytest.raises(AuthError, match=said):
                await api.authorize()

    run(scenario())


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
