"""Every way to declare a route asks for its method, and says where it was declared."""

import pytest

from asyncapi import Client
from asyncapi.testing import APIMock


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
async def test_each_method_has_its_way(api_mock, method):
    route = getattr(api_mock, method)("/a").reply(headers={"X-M": method})
    assert route.place.startswith("test_route_methods.py:")
    async with Client("https://h") as api:
        assert (await api.request(method, "/a")).headers["X-M"] == method


async def test_any_method_and_any_url_may_be_taken(api_mock):
    api_mock.route().reply(json=1)
    async with Client("https://h") as api:
        assert (await api.request("PROPFIND", "/whatever")).json() == 1


def test_names_say_what_a_route_takes():
    mock = APIMock()
    named = [
        mock.get("/a", params={"x": 1}), mock.route(), mock.graphql("User"), mock.websocket("/feed"), mock.grpc("/p.S/M"),
    ]  # fmt: skip
    assert [route.name for route in named] == [
        "GET /a (x=1)", "any method any URL", "GraphQL User at any URL", "WebSocket /feed", "RPC /p.S/M",
    ]  # fmt: skip
