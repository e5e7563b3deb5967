"""What retries are learned for: routes and kinds of failures, by the names that a person would give them."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConnectError
from asyncapi.messages.call import NO_SETTINGS, Call
from asyncapi.messages.meaning import Meaning
from asyncapi.messages.request import Request
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.retry_keys import key_of, route_of


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/users/17", "/users/{}"),
        ("/users/18?page=2", "/users/{}"),
        ("/v1/users", "/v1/users"),
        ("/", "/"),
        ("/files/" + "a" * 40, "/files/{}"),
        ("/" + "/".join("abcdefghijklmnop"), "/a/b/c/d/e/f/g/h/i/j/k/l"),
        ("/" + "9" * 100_000, "/{}"),
    ],
)
def test_a_path_stands_for_those_that_differ_in_a_name(path, route):
    assert route_of(path) == route


def test_a_route_of_the_callers_is_taken_as_it_is():
    request = Request("GET", "https://h/users/17", route="/users/{id}")
    request.call = Call(0.0, "h", NO_SETTINGS, request.target)
    assert key_of(request, Response(503, {}, b"")) == ("GET /users/{id}", "503")
    request = Request("PUT", "https://h/users/17")
    request.call = Call(0.0, "h", NO_SETTINGS, request.target)
    assert key_of(request, ConnectError("refused")) == ("PUT /users/{}", "ConnectError")


def test_the_kind_of_a_failure_is_what_it_means():
    request, response = Request("GET", "https://h/users"), Response(200, {}, b"")
    request.call = Call(0.0, "h", NO_SETTINGS, request.target)
    response.mean(Meaning(503, "RPCError: UNAVAILABLE: no backend"))
    assert key_of(request, response) == ("GET /users", "RPCError: UNAVAILABLE")
    response.mean(Meaning(503))
    assert key_of(request, response) == ("GET /users", "503")
