"""A call without a route is told the nearest ones first, and what differs from each."""

from contextlib import suppress

import pytest

from asyncapi import Client, Request
from asyncapi.testing import APIMock, MockCall, UnmatchedCall
from asyncapi.testing.nearest import told, why_unmatched


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


@pytest.mark.parametrize(
    ("kind", "content", "line"),
    [
        ("application/x-www-form-urlencoded", b"password=s3cret&a=1", "'password=***&a=1'"),
        ("application/json", b'{"password":"s3cret"}', """'{"password":"***"}'"""),
        ("application/octet-stream", bytes(range(256)) * 5, "1,280 bytes"),
        ("text/plain", b"x" * 500, f"'{'x' * 79}..."),
        (
            "multipart/form-data; boundary=b",
            (
                b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\ns3cret\r\n--b\r\nContent-Disposition: form-data; '
                b'name="t"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--b--\r\n'
            ),
            "multipart, token=***, t='1', f (3 bytes)",
        ),
    ],
)
def test_a_body_is_told_in_one_line_without_secrets(kind, content, line):
    text = said(call("POST", content=content, **{"Content-Type": kind}), APIMock())
    assert text.splitlines()[1] == f"  its body: {line}"


def test_of_many_problems_the_first_are_told():
    assert told(["a", "b"]) == "a\nb"
    assert told([str(number) for number in range(2000)]) == "0\n1\n2\n3\n4\nand 1,995 more calls like these"


async def test_of_thousands_of_calls_without_a_route_the_first_are_explained():
    mock = APIMock()
    with suppress(UnmatchedCall), mock:
        mock.get("/a", required=False)
        async with Client("https://h", retry=None) as api:
            for number in range(100):
                with suppress(UnmatchedCall):
                    await api.get(f"/b/{number}")
        problems = mock.problems
    assert sum("the nearest routes" in text for text in problems) == 20
    assert len(problems) == 100


def test_it_is_called_by_the_name_that_users_import():
    assert f"{UnmatchedCall.__module__}.{UnmatchedCall.__qualname__}" == "asyncapi.testing.UnmatchedCall"
