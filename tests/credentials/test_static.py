"""API keys, bearer tokens and Basic: what goes on the wire, and what is refused before it does."""

from __future__ import annotations

import base64

import pytest

from asyncapi import ApiKey, AuthError, Basic, Bearer, Client, ConfigError, Unauthorized
from asyncapi.testing import MockTransport, reply
from servers import application, echo


async def sent(auth, path="/", **call):
    """The request as it reaches the transport."""
    seen = []

    def handler(request):
        seen.append(request)
        return reply()

    async with Client("https://h", auth=auth, transport=MockTransport(handler)) as api:
        await api.get(path, **call)
    return seen[0]


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (ApiKey("k-1"), "X-Api-Key", "k-1"),
        (ApiKey("Token a b", header="Authorization"), "Authorization", "Token a b"),
        (ApiKey("k-1", cookie="sid"), "Cookie", "sid=k-1"),
        (Bearer("t.o-k"), "Authorization", "Bearer t.o-k"),
        (Basic("me", "pw"), "Authorization", "Basic bWU6cHc="),
        (Basic("Aladdin", "open sesame"), "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),  # RFC 7617 section 2
        (Basic("test", "123£"), "Authorization", "Basic dGVzdDoxMjPCow=="),  # RFC 7617 section 2.1
        (Basic("me", "a:b"), "Authorization", f"Basic {base64.b64encode(b'me:a:b').decode()}"),
    ],
)
async def test_headers(auth, name, value):
    assert (await sent(auth)).headers.getall(name) == [value]


async def test_a_key_in_the_query_is_added_to_the_others():
    request = await sent(ApiKey("a+b &c", query="api_key"), "/x", params={"q": "1"})
    assert list(request.url.query.items()) == [("q", "1"), ("api_key", "a+b &c")]


async def test_a_cookie_joins_the_others():
    assert (await sent(ApiKey("k", cookie="sid"), headers={"Cookie": "a=b"})).headers.getall("Cookie") == ["a=b; sid=k"]


@pytest.mark.parametrize(
    ("auth", "call"),
    [
        (Bearer("client-wide"), {"headers": {"authorization": "Bearer mine"}}),
        (ApiKey("client-wide"), {"headers": {"x-api-key": "mine"}}),
        (ApiKey("client-wide", query="key"), {"params": {"key": "mine"}}),
        (ApiKey("client-wide", cookie="sid"), {"headers": {"cookie": "a=b; sid=mine"}}),
    ],
)
async def test_a_call_that_carries_its_own_credential_keeps_it(auth, call):
    request = await sent(auth, **call)
    assert "client-wide" not in repr((list(request.headers.items()), str(request.url)))
    assert "mine" in repr((list(request.headers.items()), str(request.url)))


async def test_user_info_in_the_url_of_a_call_goes_before_the_credential():
    request = await sent(Bearer("client-wide"), "https://me:pw@h/")
    assert "Authorization" not in request.headers
    assert request.url.user == "me"


@pytest.mark.parametrize("name", ["\n", "a\r\nb", "é", " x", "x ", "a\0b"])
def test_a_value_that_would_break_its_header_is_refused_at_once_and_not_shown(name):
    value = f"canary{name}"
    for make in (ApiKey, Bearer):
        if name == " x" and make is ApiKey:
            continue  # a space inside is fine in a header
        with pytest.raises(ConfigError, match="can't be sent there") as caught:
            make(value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["a;b", "a b", 'a"b', "a,b", "a\\b", "é"])
def test_a_value_that_would_break_its_cookie_is_refused(value):
    with pytest.raises(ConfigError, match="can't be sent there"):
        ApiKey(value, cookie="sid")


async def test_a_fetched_value_that_can_not_be_sent_is_an_auth_error():
    with pytest.raises(AuthError, match="can't be sent there"):
        await sent(Bearer(lambda: "a b"))


@pytest.mark.parametrize(
    "places",
    [{"header": "A", "query": "b"}, {"query": "a", "cookie": "b"}, {"header": "A", "query": "b", "cookie": "c"}],
)
def test_a_key_has_one_place(places):
    with pytest.raises(ConfigError, match="a key goes into one place"):
        ApiKey("k", **places)


@pytest.mark.parametrize(
    "place", [{"header": ""}, {"header": "a b"}, {"header": "a:"}, {"cookie": "a=b"}, {"query": ""}]
)
def test_a_place_has_a_name(place):
    with pytest.raises(ConfigError, match="this is not a valid name of a"):
        ApiKey("k", **place)


def test_a_basic_user_has_no_colon():
    with pytest.raises(ConfigError, match="has a colon"):
        Basic("a:b", "c")


async def test_a_constant_that_is_refused_is_not_sent_again():
    transport = MockTransport(lambda _: reply(401))
    async with Client("https://h", auth=Bearer("t"), transport=transport) as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert transport.requests == 1


@pytest.mark.lanes
async def test_over_real_sockets_they_arrive():
    from aiohttp import web

    async with application(web.get("/{any}", echo)) as url:
        for auth, name, value in (
            (Bearer("tok"), "authorization", "Bearer tok"),
            (ApiKey("k"), "x-api-key", "k"),
            (ApiKey("k", cookie="sid"), "cookie", "sid=k"),
        ):
            async with Client(url, auth=auth) as api:
                assert (await api.get("/x")).json()["headers"][name] == value
        async with Client(url, auth=ApiKey("a+b", query="key")) as api:
            assert (await api.get("/x")).json()["path"] == "/x?key=a%2Bb"
