"""Signatures are written onto a copy and erased from what comes back; a context ends all that it started."""

from __future__ import annotations

import asyncio
from html import escape
from json import dumps
from urllib.parse import quote, quote_plus

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi import AuthError
from asyncapi.credentials import AuthContext, Signature
from asyncapi.credentials.base import carried, mask, route
from asyncapi.credentials.key_pool import _Use
from asyncapi.messages.request import Request
from asyncapi.testing import FakeClock, reply, run

ODD = 'c@nary/bird +"é"&='  # written differently in a URL, a form, JSON and HTML


def request(url="https://h/x?a=1", **headers) -> Request:
    return Request("GET", url, headers=headers)


# -- writing -------------------------------------------------------------------------------------------------------


def test_a_signature_is_written_onto_a_copy_beside_what_is_there():
    plain = request(Cookie="sid=1", Accept="*/*")
    signed = Signature(headers=(("X-Key", "k"),), params=(("key", "a b&"),), cookies=(("c", "2"),)).write(plain, 0.0)
    assert dict(signed.headers) == {"Cookie": "sid=1; c=2", "Accept": "*/*", "X-Key": "k"}
    assert dict(signed.url.query) == {"a": "1", "key": "a b&"}
    assert dict(plain.headers) == {"Cookie": "sid=1", "Accept": "*/*"}
    assert str(plain.url) == "https://h/x?a=1"


def test_an_authorization_header_takes_the_place_of_user_info():
    assert Signature(headers=(("Authorization", "Bearer t"),)).write(request("https://me:pw@h/"), 0.0).url.user is None
    assert Signature(headers=(("X-Key", "k"),)).write(request("https://me:pw@h/"), 0.0).url.user == "me"


def test_sign_sees_the_written_copy_and_the_time():
    def sign(copy, now):
        assert copy.headers["X-Key"] == "k"
        return copy.copy(headers=CIMultiDict({**copy.headers, "X-Time": str(now)}))

    assert Signature(headers=(("X-Key", "k"),), sign=sign).write(request(), 5.0).headers["X-Time"] == "5.0"


@pytest.mark.parametrize(
    ("signature", "sent", "conflicts"),
    [
        (Signature(headers=(("X-Key", "k"),)), request(**{"x-key": "own"}), True),
        (Signature(headers=(("X-Key", "k"),)), request(**{"X-Other": "own"}), False),
        (Signature(params=(("a", "k"),)), request(), True),
        (Signature(params=(("b", "k"),)), request(), False),
        (Signature(cookies=(("sid", "k"),)), request(Cookie="a=1; sid=2"), True),
        (Signature(cookies=(("sid", "k"),)), request(Cookie="a=sid"), False),
        (Signature(), request(), False),
    ],
)
def test_a_request_conflicts_that_has_its_own_in_the_same_place(signature, sent, conflicts):
    assert signature.conflicts(sent) is conflicts


def test_a_repr_names_the_places_and_no_value():
    signature = Signature(headers=(("X-Key", ODD),), params=(("key", ODD),), cookies=(("sid", ODD),), source=ODD)
    assert repr(signature) == "<Signature X-Key, key, sid>"
    assert repr(Signature(secrets=(ODD,))) == "<Signature (none)>"


# -- erasing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        str, lambda text: quote(text, safe=""), quote, quote_plus, lambda text: dumps(text)[1:-1],
        lambda text: dumps(text, ensure_ascii=False)[1:-1], escape,
    ],
)  # fmt: skip
def test_a_secret_is_masked_however_it_is_written(write):
    assert mask(f"say {write(ODD)} no".encode(), (ODD,)) == b"say *** no"


def test_what_is_too_short_to_be_told_from_other_text_is_left():
    assert mask(b"abcde, abcdef", ("abcde",)) == b"abcde, abcdef"
    assert mask(b"abcde, abcdef", ("abcdef",)) == b"abcde, ***"


def test_a_response_is_left_with_the_unsigned_request_and_without_echoes():
    signature = Signature(params=(("key", ODD),), secrets=(ODD,))
    plain = request()
    sent = signature.write(plain, 0.0)
    location = f"/y?b=2&key={quote_plus(ODD)}"
    response = reply(302, headers={"Location": location, "X-Other": location})
    response.request, response.url = sent, sent.url
    signature.erase(response, plain)
    assert response.request is plain
    assert response.url == plain.url
    assert response.headers == CIMultiDictProxy(CIMultiDict({"Location": "/y?b=2", "X-Other": location}))


@pytest.mark.parametrize(("status", "content"), [(200, ODD.encode()), (400, b"***"), (500, b"***")])
def test_only_the_bodies_of_errors_are_masked(status, content):
    response = reply(status, content=ODD.encode())
    Signature(secrets=(ODD,)).erase(response, request())
    assert response.content == content


def test_the_source_of_a_pooled_signature_is_that_of_its_key():
    own = Signature(source="token")
    pooled = Signature(source=_Use(0, own, 1, 0.0))
    assert carried(own) == carried(pooled) == carried(Signature(source=_Use(0, pooled, 1, 0.0))) == "token"
    assert carried(Signature()) is None


def test_a_route_is_that_of_the_request():
    def of(url):
        response = reply(401)
        response.request = request(url)
        return route(response)

    assert of("https://h/users/1") == of("https://h/users/2?a=b") != of("https://h/teams/1")
    response = reply(401)
    response.request = None
    assert route(response) is None


# -- what a credential may use of its client -----------------------------------------------------------------------


def context() -> AuthContext:
    async def send(_):
        raise AssertionError

    return AuthContext(send, FakeClock())


def test_closing_cancels_what_still_runs_and_waits_until_it_has_ended():
    async def scenario():
        ended = []

        async def work():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                ended.append(True)

        auth = context()
        task = auth.start(work())
        await asyncio.sleep(0)
        await auth.aclose()
        assert (task.cancelled(), ended, auth.closed) == (True, [True], True)

    run(scenario())


def test_nothing_is_started_after_closing():
    async def scenario():
        auth = context()
        await auth.aclose()
        with pytest.raises(AuthError, match="this client is closed"):
            auth.start(asyncio.sleep(0))

    run(scenario())


@pytest.mark.parametrize(("takes", "finished"), [(4.0, True), (6.0, False)])
def test_closing_waits_five_seconds_for_what_should_not_be_cancelled(takes, finished):
    async def scenario():
        done = []

        async def work():
            with auth.finishing():
                await asyncio.sleep(takes)
                done.append(True)

        auth = context()
        auth.start(work())
        await asyncio.sleep(0)
        await auth.aclose()
        assert done == [True] * finished

    run(scenario())


def test_what_is_to_happen_at_the_close_happens_once():
    async def scenario():
        async def last():
            calls.append(auth.closed)

        calls, auth = [], context()
        for _ in range(3):
            auth.at_close(last)
        await auth.aclose()
        await auth.aclose()
        assert calls == [True]

    run(scenario())
