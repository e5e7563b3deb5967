"""A streamed call that is cancelled, once or twice, in any turn of the loop, leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from asyncapi import AsyncAPIError, Bearer, Breaker, Client, Hedge, RateLimit, Retry, Timeout, deadline
from asyncapi.testing import FakeClock, MockTransport, reply
from bodies import Source
from stepping import each_cancellation


class World:
    """A client with its limits on, over a host that fails, redirects and then streams; and the sources it gave."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sources: list[Source] = []
        self.failing = 1
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            auth=Bearer("t"),
            breaker=Breaker(),
            concurrency=1,
            rate=RateLimit(2, per=1.0, burst=1),
            timeout=Timeout(30, attempt=3, read=5),
            retry=Retry(3, base=0.1),
        )

    async def answer(self, request):
        await asyncio.sleep(0.1)
        if request.url.path == "/moved":
            return reply(302, headers={"Location": "/flaky"})
        if self.failing:
            self.failing -= 1
            return reply(503, content=aiter(Source(b"x", 0.1, b"y")))
        self.sources.append(Source(b"1\n2", 0.1, b"\n3\n", 0.1, b"4\n", 100.0 if request.url.path == "/hang" else 0.0))
        return reply(200, content=self.sources[-1])


async def read_all(world: World) -> None:
    async with world.client.stream("GET", "/moved") as response:
        async for _ in response.json_lines():
            await asyncio.sleep(0.05)


async def read_some(world: World) -> None:
    async with world.client.stream("GET", "/") as response:
        lines = response.lines()
        await anext(lines)
        await anext(lines)


async def read_nothing(world: World) -> None:
    async with world.client.stream("GET", "/"):
        await asyncio.sleep(0.1)


async def a_silence(world: World) -> None:
    with suppress(TimeoutError):
        async with world.client.stream("GET", "/hang") as response:
            await response.read()


async def a_deadline(world: World) -> None:
    with suppress(TimeoutError), deadline(2.0, clock=world.clock):
        async with world.client.stream("GET", "/hang") as response:
            await response.read()


async def a_foreign_timeout_at_the_same_instant(world: World) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            with deadline(2.0, clock=world.clock):
                async with world.client.stream("GET", "/hang") as response:
                    await response.read()


async def a_line_for_the_place(world: World) -> None:
    async with world.client.stream("GET", "/") as response:
        rival = asyncio.create_task(world.client.get("/"))
        try:
            await response.read()
            await rival
        finally:
            rival.cancel()
            await asyncio.wait([rival])


def test_a_hedged_stream_leaves_nothing_whenever_it_is_cancelled():
    async def scenario(loop):
        clock, sources = FakeClock(), []

        async def answer(_):
            await asyncio.sleep(0.3 if len(sources) % 2 else 0.1 * (len(sources) + 2))
            sources.append(Source(b"a", 0.1, b"b"))
            return reply(200, content=sources[-1])

        transport = MockTransport(answer, clock=clock)
        hedge = Hedge(after=0.1, budget=1.0)
        api = Client("https://h", transport=transport, clock=clock, concurrency=2, hedge=hedge)

        async def reading():
            async with api.stream("GET", "/") as response:
                await response.read()

        loop.victim = asyncio.create_task(reading())
        await asyncio.wait([loop.victim])
        assert (api.stats.in_flight, api._state.gate.free, len(api._state.watchdog)) == (0, 2, 0)
        assert all(source.closed or not source.given for source in sources)
        await api.aclose()

    assert each_cancellation(scenario) > 20


@pytest.mark.parametrize(
    "way", [read_all, read_some, read_nothing, a_silence, a_deadline, a_foreign_timeout_at_the_same_instant,
            a_line_for_the_place],
)  # fmt: skip
def test_nothing_is_left_whenever_it_is_cancelled(way):
    async def scenario(loop):
        world = World()
        loop.victim = asyncio.create_task(way(world))
        with suppress(AsyncAPIError, asyncio.CancelledError):
            await loop.victim
        parts, stats = world.client._state, world.client.stats
        assert (stats.in_flight, stats.queued, parts.gate.free) == (0, 0, 1)
        assert len(parts.watchdog) == len(world.client._transport._watchdog) == 0
        assert stats.calls == stats.ok + stats.failed + stats.by_error.get("CancelledError", 0)
        assert all(source.closed or not source.given for source in world.sources)
        await asyncio.wait_for(world.client.get("/"), 50)  # the place and the tokens are there
        await world.client.aclose()

    assert each_cancellation(scenario) > 20
