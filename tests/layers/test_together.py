"""Single-flight, retry, hedging, breaker, semaphore and chaos in one stack: nothing of one breaks the others."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from asyncapi.errors import AsyncAPIError
from asyncapi.layers import telemetry
from asyncapi.layers.breaker import breaker, breaker_again
from asyncapi.layers.chaos import chaos
from asyncapi.layers.deadline import within_deadline
from asyncapi.layers.hedge import Hedges, hedge
from asyncapi.layers.retry import retry
from asyncapi.layers.singleflight import Flights, singleflight
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings import Retry
from asyncapi.settings.breaker import Breaker
from asyncapi.settings.chaos import Chaos
from asyncapi.settings.hedge import Hedge
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Call, Request, stack
from stepping import Places, each_cancellation


class World:
    """Everything on, in virtual time."""

    def __init__(self, trouble: Chaos, *, places=2) -> None:
        self.clock = FakeClock(seed=5)
        breaks, hedging = Breaker(minimum=5, count=10, open_for=2.0, slow=5.0), Hedge(0.1, copies=3, budget=1.0)
        self.policy = Retry(4, base=0.05)
        self.circuits = Keyed(partial(breaks.start, self.clock.random))
        self.hedges = Hedges(Keyed(hedging.start), self.clock)
        self.flights = Flights()
        self.watchdog = Watchdog(self.clock)
        self.places = Places(places, self.clock)
        self.inside = 0
        self.transport = MockTransport(self.handle, clock=self.clock)
        meter = telemetry.Meter()
        self.meter = meter
        self.send = stack(
            self.transport.send,
            telemetry.calls(meter, self.clock),
            within_deadline(self.watchdog, self.clock),
            singleflight(self.flights),
            retry(Keyed(Retry().budget.start), self.clock),
            hedge(self.hedges, hedging),
            breaker(self.circuits, breaks, self.clock),
            self.places.layer,
            breaker_again(self.circuits, breaks, self.clock),
            telemetry.attempts(meter, self.clock),
            chaos(trouble, self.watchdog, self.clock),
        )

    async def handle(self, request):
        self.inside += 1
        try:
            await self.clock.sleep(0.05)
        finally:
            self.inside -= 1
        return reply(200, content=b"{}")

    async def ask(self, path):
        request = Request("GET", f"https://h{path}")
        request.call = Call(self.clock.now(), "h", None, 2.0, self.policy)
        request.call.task = asyncio.current_task()
        request.deadline = self.clock.now() + 4.0
        try:
            return await self.send(request)
        finally:
            numbers = [record.number for record in request.call.attempts]
            assert numbers == list(range(1, len(numbers) + 1))

    def assert_clean(self) -> None:
        assert (self.inside, len(self.flights), len(self.hedges), len(self.watchdog)) == (0, 0, 0, 0)
        assert self.places.free == self.places.limit
        assert all(one.holder is None and not one.probing for one in self.circuits.values())
        self.hedges.close()
        self.watchdog.close()
        self.transport._watchdog.close()


TROUBLE = Chaos(latency=(0.05, 0.6), slow=0.4, drops=0.2, errors=0.2, throttle=0.05, truncate=0.1, seed=11)


def test_a_thousand_calls_through_trouble_end_and_leave_nothing():
    """Each ends with a response or an error."""

    def story():
        async def scenario():
            world, trace = World(TROUBLE, places=20), []

            async def one(number):
                try:
                    what = (await world.ask(f"/{number % 300}")).status
                except AsyncAPIError as error:
                    what = type(error).__name__
                trace.append((number, world.clock.now(), what))

            tasks = []
            for number in range(1000):
                tasks.append(asyncio.create_task(one(number)))
                await world.clock.sleep(0.01)
            await asyncio.gather(*tasks)
            world.assert_clean()
            return trace, world.meter.attempts

        return run(scenario())

    trace, attempts = story()
    assert len(trace) == 1000
    assert {what for *_, what in trace} >= {200, "CircuitOpen"}
    assert (trace, attempts) == story()


@pytest.mark.parametrize("seed", range(6))
def test_no_cancellation_at_any_point_leaves_anything_behind(seed):
    trouble = Chaos(latency=(0.05, 0.6), slow=0.5, drops=0.3, errors=0.3, seed=seed)

    async def scenario(loop):
        world = World(trouble)
        others = [asyncio.create_task(world.ask(path)) for path in ("/a", "/b", "/c")]
        loop.victim = asyncio.create_task(world.ask("/a"))
        await asyncio.wait([loop.victim, *others])
        assert not any(other.cancelled() for other in others)
        for other in others:
            other.exception()
        world.assert_clean()

    assert each_cancellation(scenario, gaps=(1, 2, 3)) >= 20
