"""A request: what the user wrote is kept, copies share what they don't change, and nothing secret is shown."""

from __future__ import annotations

import pytest
from yarl import URL

from asyncapi import ConfigError, Request
from asyncapi.messages.call import NO_CALL
from asyncapi.messages.request import Body
from asyncapi.types import UNSET


def test_a_request_keeps_what_the_user_wrote():
    request = Request("patch", "/a%2Fb?x=1", json={"a": 1}, headers={"X-A": "1"}, id=7, route="/{id}")
    assert (request.method, str(request.url), request.json, request.id) == ("PATCH", "/a%2Fb?x=1", {"a": 1}, 7)
    assert (request.headers["x-a"], request.route) == ("1", "/{id}")


def test_what_is_not_given_is_the_client_s_to_say():
    request = Request("GET", "/")
    assert (request.timeout, request.retry, request.wait) == (UNSET, UNSET, UNSET)
    assert (request.priority, request.tenant, request.idempotency_key, request.deadline) == (None, None, None, None)
    assert request.call is NO_CALL


def test_headers_are_a_copy():
    given = {"X-A": "1"}
    request = Request("GET", "/", headers=given)
    given["X-A"] = "2"
    assert request.headers["X-A"] == "1"


def test_a_url_that_is_none_is_refused_at_once():
    with pytest.raises(ConfigError, match="not a valid URL"):
        Request("GET", "http://h:99999/")


def test_a_copy_shares_what_it_does_not_change():
    request = Request("GET", "https://h/", headers={"X-A": "1"})
    twin = request.copy(method="HEAD")
    assert (request.method, twin.method) == ("GET", "HEAD")
    assert twin.headers is request.headers
    assert all(getattr(twin, name) is getattr(request, name) for name in Request.__slots__ if name != "method")


def test_a_redacted_copy_has_neither_secrets_nor_body():
    request = Request(
        "POST", "https://user:s3cr3t@h/?api_key=s3cr3t", headers={"Authorization": "Bearer s3cr3t"}, json="s3cr3t"
    )
    shown = request.redacted()
    assert "s3cr3t" not in f"{shown!r} {shown.url} {dict(shown.headers)}"
    assert (shown.json, shown.content, shown.call) == (None, None, NO_CALL)
    assert request.json == "s3cr3t"


def test_its_text_masks_secrets():
    assert repr(Request("GET", URL("https://h/?token=s3cr3t"))) == "<Request GET https://h/?token=***>"


async def test_a_body_is_opened_once_for_each_attempt():
    opened = []

    async def pieces():
        opened.append(1)
        yield b"a"

    body = Body(pieces, length=1, rewindable=True)
    for _ in range(2):
        assert [piece async for piece in body.open()] == [b"a"]
    assert (len(opened), body.length, body.rewindable) == (2, 1, True)
