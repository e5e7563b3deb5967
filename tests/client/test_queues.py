"""Standing in line, or not: fail-fast, bounded queues, priorities and tenants, over the whole client."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import (
    Adaptive,
    Client,
    ConfigError,
    QueueFull,
    RateExceeded,
    RateLimit,
    RateLimited,
    RejectedError,
    Request,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run

SERVICE = 1.0  # seconds that the host takes for each attempt


class Host:
    """A host that takes its time, and the order in which attempts came to it."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.order = []
        settings.setdefault("retry", None)
        settings.setdefault("timeout", None)
        transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=transport, clock=self.clock, **settings)

    async def answer(self, request):
        self.order.append(request.url.name)
        await self.clock.sleep(SERVICE)
        return reply(200)

    async def start(self, *calls):
        """Begin calls, in this order, and let them come as far as they can."""
        tasks = [asyncio.create_task(self.api.get(url, **settings)) for url, settings in calls]
        await self.clock.sleep(0)
        await self.clock.sleep(0)
        return tasks


def test_a_call_that_does_not_wait_is_refused_at_once_when_all_places_are_taken():
    async def scenario():
        host = Host(concurrency=1)
        async with host.api:
            await host.api.get("/warm")
            (first,) = await host.start(("/1", {}))
            began = host.clock.now()
            with pytest.raises(QueueFull, match="wait=False") as refused:
                await host.api.get("/2", wait=False)
            assert host.clock.now() == began
            await first
            return refused.value, host.order

    error, order = run(scenario())
    assert error.retry_after == pytest.approx(SERVICE, rel=0.05)
    assert isinstance(error, RejectedError)
    assert order == ["warm", "1"]


def test_a_free_place_is_taken_by_a_call_that_does_not_wait():
    async def scenario():
        host = Host(concurrency=1, wait=False, rate=RateLimit(10))
        async with host.api:
            return (await host.api.get("/1")).status

    assert run(scenario()) == 200


def test_a_call_waits_as_long_as_it_says():
    async def scenario():
        host = Host(concurrency=1)
        async with host.api:
            (first,) = await host.start(("/1", {}))
            with pytest.raises(QueueFull, match=r"no place came free within 0\.4 s"):
                await host.api.get("/2", wait=0.4)
            assert host.clock.now() == pytest.approx(0.4)
            await host.api.get("/3", wait=0.7)
            await first
            gate = host.api._state.gate
            return gate.free, gate.queue.length, len(host.api._state.watchdog)

    assert run(scenario()) == (1, 0, 0)


def test_a_rate_limit_refuses_at_once_with_when_to_come_back():
    async def scenario():
        host = Host(rate=RateLimit(1, per=10))
        async with host.api:
            await host.api.get("/1")
            with pytest.raises(RateLimited) as refused:
                await host.api.get("/2", wait=False)
            await host.clock.sleep(refused.value.retry_after)
            await host.api.get("/3", wait=False)
            return refused.value, host.order

    error, order = run(scenario())
    assert isinstance(error, RateExceeded)
    assert isinstance(error, RejectedError)
    assert (error.status, error.retry_after) == (429, pytest.approx(9.0))
    assert order == ["1", "3"]


def test_a_refusal_is_not_retried():
    async def scenario():
        host = Host(rate=RateLimit(1, per=10), retry=4)
        async with host.api:
            await host.api.get("/1")
            with pytest.raises(RateExceeded) as refused:
                await host.api.get("/2", wait=1.0)
            return refused.value.attempts, host.api.stats.by_error

    assert run(scenario()) == ((), {"RateExceeded": 1})


@pytest.mark.parametrize("limit", [{"concurrency": 1}, {"rate": RateLimit(1, per=10), "concurrency": None}])
def test_no_more_than_max_queue_wait(limit):
    async def scenario():
        host = Host(max_queue=2, **limit)
        async with host.api:
            tasks = await host.start(*[(f"/{n}", {}) for n in range(3)])
            with pytest.raises(QueueFull, match="max_queue=2"):
                await host.api.get("/3")
            await asyncio.gather(*tasks)
            return host.order

    assert run(scenario()) == ["0", "1", "2"]


@pytest.mark.parametrize("limit", [{"concurrency": 1}, {"rate": RateLimit(1, per=1), "concurrency": None}])
def test_the_higher_priority_goes_first_and_tenants_take_turns(limit):
    async def scenario():
        host = Host(**limit)
        calls = [
            ("/first", {}),
            ("/a1", {"tenant": "a"}),
            ("/a2", {"tenant": "a"}),
            ("/b1", {"tenant": "b"}),
            ("/low", {"priority": -1}),
            ("/high", {"priority": 1}),
        ]
        async with host.api:
            await asyncio.gather(*await host.start(*calls))
        return host.order

    assert run(scenario()) == ["first", "high", "a1", "b1", "a2", "low"]


def test_an_urgent_light_call_does_not_wait_for_the_tokens_of_the_first():
    """The first of the wait queue asks for more tokens."""

    async def scenario():
        host = Host(rate=RateLimit(10, per=10, weight=lambda request: 10.0 if request.url.name == "big" else 1.0))
        async with host.api:
            first, big = await host.start(("/big", {}), ("/big", {}))
            await host.clock.sleep(2)
            began = host.clock.now()
            await host.api.get("/small", priority=1)
            waited = host.clock.now() - began - SERVICE
            await asyncio.gather(first, big)
        return waited

    assert run(scenario()) == pytest.approx(0, abs=1e-6)


def test_a_bulk_job_delays_an_urgent_call_by_one_service_time_at_most():
    async def scenario():
        host = Host(concurrency=10)
        waits = []
        async with host.api:

            async def bulk():
                async with host.api.map((f"/b{n}" for n in range(1000)), priority=-1, concurrency=50) as outcomes:
                    return [o.ok async for o in outcomes]

            job = asyncio.create_task(bulk())
            for _ in range(40):
                await host.clock.sleep(1.37)
                began = host.clock.now()
                await host.api.get("/urgent")
                waits.append(host.clock.now() - began - SERVICE)
            assert all(await job)
        return waits

    assert max(run(scenario())) <= SERVICE + 1e-9


@pytest.mark.parametrize("rows", [5_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_a_waiting_job_delays_urgent_calls_by_no_more_than_what_is_under_way(rows):
    """One place, all of it waiting: an urgent call is the very next, every time; cancelling the job leaves nothing."""

    async def scenario():
        host = Host(concurrency=1)
        waits = []
        async with host.api:
            job = [asyncio.create_task(host.api.get("/b", priority=-1, timeout=None)) for _ in range(rows)]
            await host.clock.sleep(0)
            for _ in range(50):
                await host.clock.sleep(0.73)
                began = host.clock.now()
                await host.api.get("/urgent")
                waits.append(host.clock.now() - began - SERVICE)
            for task in job:
                task.cancel()
            await asyncio.wait(job)
            gate = host.api._state.gate
            return max(waits), gate.free, gate.queue.length, gate.queue._tickets.size

    waited, *left = run(scenario())
    assert waited <= SERVICE
    assert left == [1, 0, 0]


def test_a_request_in_a_map_has_its_own_place_in_line():
    async def scenario():
        host = Host(concurrency=1)
        source = [Request("GET", f"/{n}", priority=n) for n in range(4)]
        async with host.api, host.api.map(source, concurrency=4) as outcomes:
            async for _ in outcomes:
                pass
        return host.order

    assert run(scenario()) == ["0", "3", "2", "1"]


@pytest.mark.parametrize("wrong", [-1, "yes", float("nan"), None])
def test_a_wait_that_makes_no_sense_is_said_to(wrong):
    with pytest.raises(ConfigError, match="wait="):
        Client("https://h", wait=wrong)


def test_an_attempts_record_says_what_held_it_and_how_the_limits_were():
    async def scenario():
        seen = []
        host = Host(concurrency=1, rate=RateLimit(2, per=1, by="host"), hooks=[seen.append])
        async with host.api:
            await asyncio.gather(*await host.start(("/1", {}), ("/2", {}), ("/3", {})))
        return seen

    first, second, third = run(scenario())
    assert first.held == ""
    assert second.held == "concurrency 1 s behind 0"
    assert third.held == "rate 0.5 s behind 0, concurrency 1.5 s behind 1"
    assert second.state == {
        "concurrency": "1 of 1, 1 waiting",
        "rate (host)": "1 left, 0 waiting",
    }
    assert "held: rate" in repr(third)


LINES = [
    {"concurrency": 1},
    {"concurrency": Adaptive(initial=1, maximum=1)},
    {"rate": RateLimit(1, per=10), "concurrency": None},
    {"rate": RateLimit(1, per=10, by="host"), "concurrency": None},
]


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("bound", [{"wait": False}, {"max_queue": 0}], ids=str)
@pytest.mark.parametrize("limit", LINES, ids=str)
def test_who_does_not_wait_is_refused_without_ever_giving_up_control(limit, bound, timeout):
    """Not one turn of the loop passes, no timer is armed for it; when it comes back as told, there is a place."""

    async def scenario():
        host = Host(**limit, **bound, retry=4)
        async with host.api:
            (first,) = await host.start(("/1", {}))
            loop = asyncio.get_running_loop()
            armed = loop._timers
            call = host.api.get("/2", timeout=timeout)
            with pytest.raises((QueueFull, RateExceeded)) as refused:
                call.send(None)
            assert loop._timers - armed <= (timeout is not None)  # the one that all deadlines share
            assert refused.value.retry_after > 0
            await host.clock.sleep(refused.value.retry_after)
            await host.api.get("/3", timeout=timeout)
            await first
        return host.order

    assert run(scenario()) == ["1", "3"]


def test_who_is_told_to_come_back_to_a_line_of_tokens_finds_its_place():
    """Whatever stands in line before: told once, it is served at once."""

    async def scenario():
        host = Host(rate=[RateLimit(5, per=10, burst=1), RateLimit(3, per=4)], concurrency=None)
        async with host.api:
            tasks = await host.start(*[(f"/{n}", {}) for n in range(12)])
            for _ in range(5):
                with pytest.raises(RateExceeded) as refused:
                    await host.api.get("/late", wait=False)
                await host.clock.sleep(refused.value.retry_after)
                await host.api.get("/back", wait=False)
            await asyncio.gather(*tasks)

    run(scenario())


@pytest.mark.parametrize("wrong", [{"priority": "high"}, {"priority": 1.5}, {"priority": True}, {"tenant": 7}], ids=str)
def test_a_place_in_line_that_makes_no_sense_is_said_to(wrong):
    async def scenario():
        async with Host().api as api:
            with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
                await api.get("/x", **wrong)
            with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
                await api.gather([Request("GET", "/x", **wrong)])

    run(scenario())
