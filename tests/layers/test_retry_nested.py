"""A call made inside another retrying call does not multiply attempts: only the outermost retries."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from tenacity import wait_fixed

from asyncapi import Client, DeadlineExceeded, Retry, ServerError, blocking, deadline
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Chain:
    """Services a -> b -> c, each calling the next while it answers; the last one always fails."""

    def __init__(self, *retries: Retry | int | None) -> None:
        self.clock = FakeClock()
        self.counts = [0] * len(retries)
        self.clients: list[Client] = []
        for depth, retry in enumerate(retries):
            transport = MockTransport(self._handler(depth), clock=self.clock)
            self.clients.append(Client(f"https://s{depth}", transport=transport, clock=self.clock, retry=retry))

    def _handler(self, depth: int):
        async def handler(_):
            self.counts[depth] += 1
            if depth + 1 == len(self.clients):
                return reply(503)
            response = await self.clients[depth + 1].get("/", raise_for_status=False)
            return reply(response.status)

        return handler

    async def fail(self) -> None:
        with pytest.raises(ServerError):
            await self.clients[0].get("/")


@pytest.mark.parametrize(
    ("retries", "expected"),
    [
        ((4, 4), [4, 4]),
        ((4, 4, 4), [4, 4, 4]),
        ((4, 4, 4, 4), [4, 4, 4, 4]),
        ((None, 4), [1, 4]),  # the outer one does not retry: the inner one may
        ((None, 3, 4), [1, 3, 3]),
        ((2, None, 4), [2, 2, 2]),
        ((4, None), [4, 4]),
        ((1, 4), [1, 1]),  # an outer policy of one attempt is a policy
    ],
)
def test_nesting_adds_nothing(retries, expected):
    async def scenario():
        chain = Chain(*retries)
        await chain.fail()
        assert chain.counts == expected

    run(scenario())


def test_calls_of_the_same_client_nest_too():
    async def scenario():
        clock, counts = FakeClock(), {"/outer": 0, "/inner": 0}

        async def handler(request):
            counts[request.url.path] += 1
            if request.url.path == "/outer":
                return reply((await client.get("/inner", raise_for_status=False)).status)
            return reply(503)

        client = Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock)
        with pytest.raises(ServerError):
            await client.get("/outer")
        assert counts == {"/outer": 4, "/inner": 4}

    run(scenario())


def test_one_after_the_other_is_not_nested():
    async def scenario():
        chain = Chain(4)
        await chain.fail()
        await chain.fail()
        assert chain.counts == [8]

    run(scenario())


def test_side_by_side_is_not_nested():
    async def scenario():
        chain = Chain(3)
        await asyncio.gather(chain.fail(), chain.fail())
        assert chain.counts == [6]

    run(scenario())


def test_a_fan_out_inside_a_retrying_call_is_nested():
    async def scenario():
        clock, inner = FakeClock(), []

        def leaf(request):
            inner.append(request.url.path)
            return reply(503)

        deep = Client("https://deep", transport=MockTransport(leaf, clock=clock), clock=clock)

        async def handler(_):
            async with deep.map(["/1", "/2"]) as outcomes:
                return reply(503 if [o async for o in outcomes if not o.ok] else 200)

        client = Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, retry=2)
        with pytest.raises(ServerError):
            await client.get("/")
        assert sorted(inner) == ["/1", "/1", "/2", "/2"]

    run(scenario())


@pytest.mark.parametrize("how", ["succeeds", "fails", "is cancelled"])
def test_a_background_task_retries_normally_once_the_outer_call_has_ended(how):
    async def scenario():
        clock, inner, tasks = FakeClock(), [], []

        def leaf(_):
            inner.append(clock.now())
            return reply(503)

        deep = Client("https://deep", transport=MockTransport(leaf, clock=clock), clock=clock, retry=3)

        async def background():
            await asyncio.sleep(500)
            await deep.get("/", raise_for_status=False)

        async def handler(_):
            if not tasks:
                tasks.append(asyncio.create_task(background()))
            if how == "is cancelled":
                await asyncio.sleep(100)
            return reply(200 if how == "succeeds" else 503)

        client = Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock)
        call = asyncio.create_task(client.get("/", raise_for_status=False))
        await asyncio.sleep(1)
        if how == "is cancelled":
            call.cancel()
        await asyncio.wait([call])
        await tasks[0]
        assert len(inner) == 3

    run(scenario())


def test_a_background_task_makes_one_attempt_while_the_outer_call_still_runs():
    async def scenario():
        clock, inner = FakeClock(), []

        def leaf(_):
            inner.append(clock.now())
            return reply(503)

        deep = Client("https://deep", transport=MockTransport(leaf, clock=clock), clock=clock, retry=3)

        async def handler(_):
            side = asyncio.create_task(deep.get("/", raise_for_status=False))
            await asyncio.sleep(50)
            await side
            return reply(200)

        client = Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, timeout=None)
        await client.get("/")
        assert len(inner) == 1

    run(scenario())


def test_a_nested_call_pays_nothing_into_the_budget_and_takes_nothing_out():
    async def scenario():
        chain = Chain(4, 4)
        await chain.fail()
        assert chain.clients[1].stats.budget == {}
        assert chain.clients[1].stats.retries == 0
        assert chain.clients[0].stats.retries == 3

    run(scenario())


def _failing(clock, counts, name):
    def leaf(_):
        counts.append(name)
        return reply(503)

    return MockTransport(leaf, clock=clock)


@pytest.mark.parametrize("how", ["a task", "a group of tasks", "map", "a generator", "its own layer"])
def test_however_the_inner_call_is_made_it_makes_one_attempt(how):
    async def scenario():
        clock, counts = FakeClock(), []
        deep = Client("https://deep", transport=_failing(clock, counts, "deep"), clock=clock, retry=5)

        async def inner_call():
            with suppress(ServerError):
                await deep.get("/")

        async def lazily():
            await inner_call()
            yield

        async def inside():
            if how == "a task":
                await asyncio.create_task(inner_call())
            elif how == "a group of tasks":
                async with asyncio.TaskGroup() as group:
                    group.create_task(inner_call())
            elif how == "map":
                async with deep.map(["/"]) as outcomes:
                    async for _ in outcomes:
                        pass
            elif how == "a generator":
                async for _ in lazily():
                    pass
            else:
                await inner_call()

        async def handler(_):
            await inside()
            return reply(503)

        transport = MockTransport(handler, clock=clock)
        async with Client("https://h", transport=transport, clock=clock, retry=2) as outer:
            with pytest.raises(ServerError):
                await outer.get("/")
        return counts

    assert run(scenario()) == ["deep", "deep"]


def test_a_call_that_a_hook_starts_makes_one_attempt_while_the_outer_one_goes_on():
    async def scenario():
        clock, counts, tasks = FakeClock(), [], []
        deep = Client("https://deep", transport=_failing(clock, counts, "deep"), clock=clock, retry=5)

        def hook(_):
            tasks.append(asyncio.create_task(deep.get("/", raise_for_status=False)))

        transport = _failing(clock, counts, "outer")
        retry = Retry(2, wait=wait_fixed(1))
        async with Client("https://h", transport=transport, clock=clock, retry=retry, hooks=[hook]) as outer:
            with pytest.raises(ServerError):
                await outer.get("/")
        await asyncio.gather(*tasks)
        return counts.count("outer"), counts.count("deep")

    assert run(scenario()) == (2, 1 + 5)  # what was started with the last attempt outlives the outer call


def test_a_call_in_another_thread_with_the_same_context_is_nested():
    """It ends by the outer call's deadline."""
    counts = []

    def leaf(_):
        counts.append("deep")
        return reply(503)

    async def main(deep):
        async def handler(_):
            response = await asyncio.to_thread(deep.get, "/", raise_for_status=False)
            return reply(response.status)

        async with Client("https://h", transport=MockTransport(handler), retry=Retry(2, base=0)) as outer:
            with pytest.raises(ServerError):
                await outer.get("/")
            assert counts == ["deep"] * 2
            with deadline(1e-9), pytest.raises(DeadlineExceeded):
                await asyncio.to_thread(deep.get, "/")
            assert counts == ["deep"] * 2

    with blocking.Client("https://deep", transport=MockTransport(leaf), retry=Retry(5, base=0)) as deep:
        asyncio.run(main(deep))


def test_who_shares_a_flight_with_a_nested_call_does_not_lose_its_own_retries():
    async def scenario():
        clock, counts = FakeClock(), []

        async def leaf(_):
            counts.append(1)
            await clock.sleep(1)
            return reply(503)

        transport = MockTransport(leaf, clock=clock)
        deep = Client("https://deep", transport=transport, clock=clock, single_flight=True, retry=3)

        async def handler(_):
            return reply((await deep.get("/", raise_for_status=False)).status)

        outer = Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, retry=1)
        nested = asyncio.create_task(outer.get("/", raise_for_status=False))
        await clock.sleep(0.5)
        free = await deep.get("/", raise_for_status=False)
        await nested
        return len(free.attempts), len(counts)

    assert run(scenario()) == (3, 4)
