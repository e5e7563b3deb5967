"""A call without a route is told the nearest ones first, and what differs from each."""

import pytest

from asyncapi import Request
from asyncapi.testing import APIMock, MockCall
from asyncapi.testing.nearest import why_unmatched


def said(call, mock):
    return why_unmatched(call, mock._routes)


def call(method="GET", url="https://h/users/1", content=b"", **headers):
    return MockCall(Request(method, url, headers=headers), content)


@pytest.mark.parametrize(
    ("received", "nearest", "differs"),
    [
        (call("PUT"), "GET /users/{id}", "the method is PUT, not GET"),
        (call(url="https://h/user/1"), "GET /users/{id}", "the path is /user/1, not /users/{id}"),
        (call("POST", "https://h/orders", b'{"n": 2}'), "POST /orders (json)", "in the JSON body, $.n is 2, not 1"),
        (call(url="https://h/search?q=b"), "GET /search (q='a')", "query parameter q is 'b', not 'a'"),
        (call(url="https://h/private"), "GET /private (header X-A: '1')", "header X-A is missing"),
    ],
    ids=str,
)
def test_the_nearest_route_comes_first(received, nearest, differs):
    mock = APIMock()
    mock.get("/users/{id}")
    mock.post("/orders", json={"n": 1})
    mock.get("/search", params={"q": "a"})
    mock.get("/private", headers={"X-A": "1"})
    lines = said(received, mock).splitlines()
    place = lines.index("  the nearest routes:")
    assert lines[place + 1].startswith(f"    {nearest}  [test_nearest.py:")
    assert lines[place + 2] == f"      {differs}"
    assert lines[-1] == "    and 1 more"


def test_without_routes_it_says_how_to_declare_one():
    assert "no routes are declared: api_mock.get(...)" in said(call(), APIMock())


def test_secrets_are_not_shown():
    assert "s3cret" not in said(call(url="https://h/a?api_key=s3cret"), APIMock())
