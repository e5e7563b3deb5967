"""The semaphore: never over its limit, first come first served, no place lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi import Client, ConfigError, RequestTimeout, ServerError
from asyncapi.layers.concurrency import Gate
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """A client in virtual time, and how many attempts were at its host at once."""

    def __init__(self, limit: int | None, *, takes=lambda: 1.0, status: int = 200, **settings) -> None:
        self.clock = FakeClock()
        self.takes, self.status = takes, status
        self.inside = self.most = 0
        self.order: list[str] = []
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            concurrency=limit,
            **settings,
        )

    async def answer(self, request):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(request.url.path)
        try:
            await asyncio.sleep(self.takes())
        finally:
            self.inside -= 1
        return reply(self.status)

    @property
    def gate(self) -> Gate:
        return self.client._state.gate


def test_the_limit_is_reached_and_never_passed_in_the_order_of_arrival():
    async def scenario():
        host = Host(7, timeout=None)
        calls = [asyncio.create_task(host.client.get(f"/{n}")) for n in range(70)]
        await asyncio.sleep(0.5)
        assert (host.inside, host.client.stats.queued, host.client.stats.in_flight) == (7, 63, 70)
        await asyncio.gather(*calls)
        assert host.most == 7
        assert host.order == [f"/{n}" for n in range(70)]
        assert host.clock.now() == 10.0  # no gap between one and the next
        assert host.gate.free == 7

    run(scenario())


def test_without_a_limit_all_go_at_once():
    async def scenario():
        host = Host(None)
        await asyncio.gather(*(host.client.get("/") for _ in range(300)))
        assert host.most == 300
        assert host.client.stats.concurrency is None

    run(scenario())


def test_waiting_for_a_place_is_told_apart_from_the_hosts_own_time():
    async def scenario():
        host = Host(1)
        _, second = await asyncio.gather(host.client.get("/1"), host.client.get("/2"))
        assert second.attempts[0].queued == 1.0
        assert second.attempts[0].elapsed == 1.0
        assert second.elapsed == 2.0

    run(scenario())


def test_a_deadline_in_the_wait_queue_names_the_queue_and_sends_nothing():
    async def scenario():
        host = Host(1, timeout=5.0, takes=lambda: 100.0)
        first = asyncio.create_task(host.client.get("/1", timeout=None))
        await asyncio.sleep(0)
        with pytest.raises(RequestTimeout) as caught:
            await host.client.get("/2")
        assert (caught.value.phase, host.clock.now(), host.order) == ("queue", 5.0, ["/1"])
        await first
        assert host.gate.free == 1

    run(scenario())


def test_a_failure_a_retry_and_a_cancellation_give_their_place_back():
    async def scenario():
        host = Host(1, status=503, timeout=None)
        with pytest.raises(ServerError):
            await host.client.get("/")
        assert host.gate.free == 1
        call = asyncio.create_task(host.client.get("/"))
        await asyncio.sleep(0.5)
        call.cancel()
        await asyncio.wait([call])
        assert host.gate.free == 1

    run(scenario())


def test_a_place_is_free_during_the_backoff():
    async def scenario():
        host = Host(1, timeout=None, pace=False)
        replies = iter([reply(503, headers={"Retry-After": "30"}), reply(), reply()])
        host.client._transport._handler = lambda _: next(replies)
        waiting = asyncio.create_task(host.client.get("/1"))
        await asyncio.sleep(1)
        await host.client.get("/2")
        assert host.clock.now() == 1.0
        await waiting

    run(scenario())


def test_a_place_that_becomes_free_goes_to_the_first_in_line_not_to_a_newcomer():
    async def scenario():
        host = Host(1)
        calls = [asyncio.create_task(host.client.get(f"/{n}")) for n in (0, 1)]

        async def newcomer():
            await asyncio.sleep(1.0)  # runs in the very step in which the place becomes free
            await host.client.get("/2")

        calls.append(asyncio.create_task(newcomer()))
        await asyncio.gather(*calls)
        assert host.order == ["/0", "/1", "/2"]

    run(scenario())


def test_a_place_handed_to_a_task_that_was_just_cancelled_goes_to_the_next():
    async def scenario():
        gate = Gate(1)
        await gate.enter()
        first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.leave()  # handed to the first, which has not run yet
        first.cancel()
        await second
        assert (gate.free, gate.queue.length, first.cancelled()) == (0, 0, True)
        gate.leave()
        assert gate.free == 1

    run(scenario())


def test_no_place_is_lost_or_made_in_any_storm_of_calls():
    """Arrivals, failures, and cancellations in random order."""

    async def scenario(seed: int):
        draw = random.Random(seed)
        host = Host(5, takes=lambda: draw.choice((0, 0, 0.5, 1, 3)), timeout=draw.choice((None, 2.0)), retry=None)
        calls = []
        for number in range(120):
            calls.append(asyncio.create_task(host.client.get(f"/{number}")))
            await asyncio.sleep(draw.choice((0, 0, 0.1, 0.5)))
            for call in draw.sample(calls, min(2, len(calls))):
                for _ in range(draw.choice((0, 1, 2))):
                    call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert host.most <= 5
        assert (host.gate.free, host.gate.queue.length, host.inside) == (5, 0, 0)
        await host.client.get("/last", timeout=None)

    for seed in range(40):
        run(scenario(seed))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ConfigError, match="concurrency="):
        Client("https://h", concurrency=limit)
