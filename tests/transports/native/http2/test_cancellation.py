"""Calls over HTTP/2 that are cancelled in every turn of the loop, once and twice: nothing stays, nobody else notices."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi import HTTP2
from http2_engines import engine  # noqa: F401 - a fixture
from http2_memory import Server, client, left_nothing, texts
from memory_wire import Net
from stepping import each_cancellation

pytestmark = pytest.mark.usefixtures("engine")


@pytest.mark.parametrize("warm", [True, False], ids=["over a kept connection", "over a new one"])
@pytest.mark.parametrize("streams", [None, 1], ids=["side by side", "one after the other"])
def test_a_cancelled_call_leaves_nothing_and_its_neighbours_go_on(warm, streams):
    async def scenario(loop):
        server = Server()
        net = Net(server)
        async with client(net, http2=HTTP2(ping=None, streams=streams)) as api:
            if warm:
                await api.get("/warm")
            first = asyncio.create_task(api.get("/first"))
            loop.victim = asyncio.create_task(api.get("/victim"))
            others = [first, *[asyncio.create_task(api.get(f"/other{n}")) for n in range(2)]]
            await asyncio.wait([loop.victim, *others])
            assert [task.result().text for task in others] == ["first", "other0", "other1"]
            assert await texts(api, "/next", "/last") == ["next", "last"]
            assert left_nothing(api, net)
            assert len(net.lines) == 1
            assert server.most <= (streams or 100)
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2, 3)) > 10


def test_a_cancelled_call_whose_connection_goes_away_leaves_nothing():
    async def scenario(loop):
        net = Net(Server(goaway=1))
        async with client(net, http2=HTTP2(ping=None, streams=1)) as api:
            first = asyncio.create_task(api.get("/first"))
            loop.victim = asyncio.create_task(api.get("/victim"))
            last = asyncio.create_task(api.get("/last"))
            await asyncio.wait([first, loop.victim, last])
            assert (first.result().text, last.result().text) == ("first", "last")
            assert left_nothing(api, net)
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2)) > 10


def test_a_cancelled_stream_leaves_nothing_and_the_connection_stays():
    async def scenario(loop):
        net = Net(Server(turns=2))
        async with client(net) as api:

            async def read():
                async with api.stream("GET", "/victim") as response:
                    return [piece async for piece in response.bytes()]

            loop.victim = asyncio.create_task(read())
            await asyncio.wait([loop.victim])
            assert await texts(api, "/next", "/last") == ["next", "last"]
            assert left_nothing(api, net)
            assert len(net.lines) == 1
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2, 3)) > 10


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "in memory"])
def test_a_cancelled_upload_leaves_nothing_and_the_connection_stays(streamed):
    async def body():
        for _ in range(4):
            await asyncio.sleep(0)
            yield b"some"

    async def scenario(loop):
        net = Net(Server(room=5))
        async with client(net) as api:
            content = body() if streamed else b"some" * 4
            loop.victim = asyncio.create_task(api.post("/", content=content))
            await asyncio.wait([loop.victim])
            if not loop.victim.cancelled():
                assert loop.victim.result().text == "16"
            assert (await api.post("/", content=b"x" * 12)).text == "12"
            assert left_nothing(api, net)
            assert len(net.lines) == 1
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2)) > 10


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_are_cancelled_at_random_never_get_each_other_s_responses(seed):
    draw = random.Random(seed)

    async def scenario():
        net = Net(Server(goaway=31, limit=7))
        async with client(net) as api:
            calls = {}
            for number in range(400):
                calls[asyncio.create_task(api.get(f"/{number}"))] = str(number)
                for _ in range(draw.randrange(3)):
                    await asyncio.sleep(0)
                if draw.random() < 0.3:
                    draw.choice(list(calls)[-15:]).cancel()
            await asyncio.wait(calls)
            assert all(task.result().text == text for task, text in calls.items() if not task.cancelled())
            assert sum(task.cancelled() for task in calls) > 20
            assert left_nothing(api, net)
        assert not net.open

    asyncio.run(scenario())
