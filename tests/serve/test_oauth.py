"""Tokens."""

from __future__ import annotations

import aiohttp
import pytest

BASIC = (
    {"Authorization": aiohttp.encode_basic_auth("demo", "secret")}
    if hasattr(aiohttp, "encode_basic_auth")
    else {"Authorization": "Basic ZGVtbzpzZWNyZXQ="}
)
FORM = {"client_id": "demo", "client_secret": "secret"}
GRANT = {"grant_type": "client_credentials"}


async def issue(http, data, headers=None, query=""):
    return await http.post(f"/oauth/token{query}", data=data, headers=headers or {})


async def me(http, token):
    return await http.get("/me", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("form", "headers"), [(GRANT, BASIC), (GRANT | FORM, {})], ids=["basic", "post"])
async def test_client_credentials_give_a_bearer_token_that_opens_me(http, form, headers):
    answer = await issue(http, form | {"scope": "read"}, headers)
    token = await answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 30, "read")
    assert await (await me(http, token["access_token"])).json() == {"client_id": "demo", "scope": "read"}
    assert (await (await http.get("/stats")).json())["tokens_issued"] == 1


async def test_a_refresh_token_works_once(http):
    first = await (await issue(http, GRANT, BASIC)).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = await (await issue(http, refresh, BASIC)).json()
    assert (await me(http, second["access_token"])).status == 200
    again = await issue(http, refresh, BASIC)
    assert (again.status, (await again.json())["error"]) == (400, "invalid_grant")


async def test_a_token_expires(http):
    token = await (await issue(http, GRANT, BASIC, "?expires_in=0")).json()
    answer = await me(http, token["access_token"])
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_me_without_a_token_gets_401_with_a_challenge(http):
    answer = await http.get("/me")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        (GRANT, {}, 401, "invalid_client"),
        (GRANT | FORM | {"client_secret": "wrong"}, {}, 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic !!!"}, 401, "invalid_client"),
        ({"grant_type": "password"}, BASIC, 400, "unsupported_grant_type"),
        (FORM, {}, 400, "unsupported_grant_type"),
    ],
)
async def test_refusals_are_those_of_rfc_6749(http, form, headers, status, error):
    answer = await issue(http, form, headers)
    assert (answer.status, (await answer.json())["error"]) == (status, error)


async def test_a_json_token_request_is_invalid(http):
    answer = await http.post("/oauth/token", json=GRANT | FORM)
    assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")
