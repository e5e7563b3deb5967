"""For whom a call is: a credential's user, the cookies that are kept, both, or nobody can tell."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.errors import AuthError
from asyncapi.layers.principal import PrincipalSource, principal
from asyncapi.types import Call, Request, Response


def _request():
    request = Request("GET", "https://h/")
    request.call = Call(0.0, "h")
    return request


def _told(name):
    async def told(_):
        if isinstance(name, Exception):
            raise name
        return name

    return told


def _whose(credential, cookies):
    return asyncio.run(PrincipalSource(credential, cookies).principal(_request()))


def test_the_user_is_the_credentials_or_the_cookies_or_both():
    assert _whose(_told("ann"), None) == _whose(_told("ann"), lambda _: "") == "ann"
    assert _whose(None, lambda _: "") == _whose(_told(""), None) == ""
    users = {_whose(_told(name), lambda _, kept=kept: kept) for name in ("", "ann") for kept in ("", "sid=1", "sid=2")}
    assert len(users) == 6
    assert "sid" not in "".join(users)


def test_where_the_credential_cannot_tell_nobody_can():
    assert _whose(_told(None), lambda _: "sid=1") is None


def test_the_layer_says_it_before_what_is_below():
    async def inner(request):
        return Response(200, content=request.call.principal.encode())

    send = principal(PrincipalSource(_told("ann"), None))(inner)
    assert asyncio.run(send(_request())).content == b"ann"


@pytest.mark.parametrize(
    ("said", "now", "unchanged"),
    [("ann", "ann", True), ("ann", "bob", False), (None, None, False), ("ann", AuthError("gone"), False)],
)
def test_it_is_asked_again_whether_that_has_changed(said, now, unchanged):
    request = _request()
    request.call.principal = said
    assert asyncio.run(PrincipalSource(_told(now), None).unchanged(request)) is unchanged
