"""Which stored response belongs to a request, and whose a response is."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.messages.call import Call
from asyncapi.messages.request import Request
from asyncapi.messages.response import Response
from asyncapi.sansio.http import caching
from asyncapi.stores.answers import Answers
from asyncapi.stores.shelf import Shelf, key_of, target_of, unavailable
from asyncapi.stores.variants import Variants
from asyncapi.testing import FakeClock, run


def request_of(principal="", url="https://h/x", redirects=None, **headers):
    call = Call(0.0, "h")
    call.principal = principal
    fields = CIMultiDict((name.replace("_", "-"), value) for name, value in headers.items())
    return Request("GET", url, redirects=redirects).copy(call=call, headers=fields)


def shelf_with(*stored, unchanged=None, redirects=True):
    variants = Variants(Answers(100_000), {})
    for one in stored:
        variants.keep(key_of(request_of()), one)
    return Shelf(variants, FakeClock(), unchanged, heuristic=0.0, redirects=redirects)


def stored(identity="", status=200):
    headers = CIMultiDict({"Cache-Control": "max-age=60"})
    return caching.store(status, headers, b"x", caching.Fetched(0, 0, {}), version="1.1", identity=identity)


async def still(_):
    return True


@pytest.mark.parametrize(
    ("unchanged", "principal", "found"),
    [(None, "", True), (still, "", True), (still, "lynn", False), (still, None, False)],
)
def test_what_belongs_to_nobody_is_for_those_without_a_user(unchanged, principal, found):
    request = request_of(principal)
    assert (shelf_with(stored(), unchanged=unchanged).find(request, key_of(request)) is not None) == found


def test_what_is_public_is_for_everybody_that_the_client_acts_for():
    asked = request_of("lynn")
    shelf = shelf_with(unchanged=still)
    owner = run(shelf.owner(asked, CIMultiDict({"Cache-Control": "public"})))
    shelf.variants.keep(key_of(asked), stored(owner))
    for user in ("lynn", "hugo", None):
        assert shelf.find(request_of(user), key_of(asked)) is not None
    assert shelf.find(request_of("lynn", X_Api_Key="1"), key_of(asked)) is None  # of another in its own headers


def test_a_response_belongs_to_nobody_once_the_user_has_changed():
    async def changed(_):
        return False

    assert run(shelf_with(unchanged=changed).owner(request_of("lynn"), CIMultiDict())) is None


@pytest.mark.parametrize(
    ("client_follows", "redirects", "status", "found"),
    [
        (False, None, 301, True),
        (True, None, 301, False),
        (False, 5, 301, False),
        (True, 0, 301, False),
        (True, 0, 200, True),
        (True, None, 300, True),  # it names no one place
    ],
)
def test_a_redirect_is_only_for_clients_that_follow_none(client_follows, redirects, status, found):
    request = request_of(redirects=redirects)
    shelf = shelf_with(stored(status=status), redirects=client_follows)
    assert (shelf.find(request, key_of(request)) is not None) == found


def test_only_if_cached_has_its_own_response():
    assert unavailable(request_of(Cache_Control="only-if-cached")).status == 504
    assert unavailable(request_of()) is None


@pytest.mark.parametrize(("named", "url"), [("/y", "https://h/y"), ("y?z", "https://h/y?z"), ("", "https://h/x")])
def test_what_a_header_names_is_read_from_where_the_response_came(named, url):
    request = request_of()
    assert target_of(request, Response(200, url="https://h/x", request=request), named).text == url
