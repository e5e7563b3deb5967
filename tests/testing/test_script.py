"""The script of a route: steps by turns, calls that go to the network, and how the calls are told."""

import pytest
from aiohttp import web

from asyncapi import Client, ConfigError, ConnectError
from asyncapi.testing import APIMock
from asyncapi.testing.script import counted

LANES = ("aiohttp", "native")


@pytest.fixture
async def server():
    async def respond(request):
        return web.json_response({"real": request.path, "body": await request.text()})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    await runner.cleanup()


@pytest.mark.lanes
async def test_a_route_may_pass_calls_through_and_note_them(api_mock, server):
    route = api_mock.route(None, "/a/{n}").reply(json={"mocked": 1}).then.pass_through(times=1).then.reply(json={})
    async with Client(server) as api:
        got = [(await api.post("/a/7", json={"n": n})).json() for n in range(3)]
        async with api.stream("GET", "/a/8") as response:
            assert await response.read() == b"{}"
    assert got == [{"mocked": 1}, {"real": "/a/7", "body": '{"n":1}'}, {}]
    assert [call.response.status for call in route.calls] == [200] * 4
    assert route.calls[1].path_params == {"n": "7"}
    assert len(api_mock.calls) == 4


@pytest.mark.lanes
async def test_what_passes_through_may_stream_in_both_directions_and_fail(api_mock, server):
    async def pieces():
        yield b"ab"
        yield b"cd"

    route = api_mock.route(None, "/a").pass_through()
    async with Client(server, retry=None) as api:
        assert (await api.put("/a", content=pieces())).json()["body"] == "abcd"
        async with api.stream("GET", "/a") as response:
            assert b"real" in await response.read()
        with pytest.raises(ConnectError):
            await api.get("http://127.0.0.1:1/a")
    assert isinstance(route.calls.last.error, ConnectError)


async def test_without_a_network_nothing_can_pass_through():
    mock = APIMock()
    mock.get("/a").pass_through()
    async with Client("https://h", transport=mock.transport) as api:
        with pytest.raises(ConfigError, match="leave transport= out"):
            await api.get("/a")


def test_routes_are_listed_and_all_may_have_to_be_called(api_mock):
    one, other = api_mock.get("/a", required=False), api_mock.websocket("/b", required=False)
    assert list(api_mock.routes) == [one, other]
    with pytest.raises(AssertionError, match=r"never called:\n  GET /a  \[test_script.py:\d+\]\n  WebSocket /b"):
        api_mock.assert_all_called()


def test_calls_are_counted_in_words():
    assert (counted(0), counted(1), counted(2)) == ("0 calls", "1 call", "2 calls")
