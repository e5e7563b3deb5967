"""A breaker and a host that is back in a moment: calls that retry wait for its probe; of a longer outage they are told."""

from __future__ import annotations

import asyncio

import pytest
from tenacity import stop_after_delay

from asyncapi import Breaker, CircuitOpen, Client, ConnectError, Retry
from asyncapi.testing import FakeClock, MockTransport, reply, run

SETTINGS = {"minimum": 4, "count": 4, "open_for": 1.0, "open_cap": 4.0, "jitter": 0.0, "probes": 1}


class Host:
    """A host that refuses connections while it is `down`, and a client with a breaker, whose circuit is open."""

    def __init__(self, **settings) -> None:
        self.clock, self.down, self.reached = FakeClock(), True, 0
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            breaker=Breaker(**{**SETTINGS, **settings.pop("breaker", {})}),
            **settings,
        )

    def answer(self, request):
        self.reached += 1
        if self.down:
            raise ConnectError("refused")
        return reply(200)

    async def open(self) -> Host:
        for _ in range(4):
            with pytest.raises(ConnectError):
                await self.client.get("/", retry=None)
        assert self.client.stats.circuits["h"].state == "open"
        self.reached = 0
        return self


def test_a_call_waits_for_the_probe_and_is_sent_once():
    async def scenario():
        host = await Host().open()
        asyncio.get_running_loop().call_later(0.5, setattr, host, "down", False)
        response = await host.client.get("/")
        assert host.reached == 1
        assert 1.0 <= host.clock.now() <= 1.25
        (record,) = response.attempts
        assert record.held.startswith("breaker 1")
        assert host.client.stats.held_back == {"breaker": 1}

    run(scenario())


def test_a_post_waits_too_for_nothing_was_sent():
    async def scenario():
        host = await Host().open()
        host.down = False
        assert (await host.client.post("/")).status == 200
        assert host.reached == 1

    run(scenario())


def test_a_hundred_calls_wait_out_a_restart_and_send_only_probes_meanwhile():
    async def scenario():
        host = await Host().open()
        calls = [asyncio.create_task(host.client.get("/")) for _ in range(100)]
        await asyncio.sleep(2.0)
        assert host.reached <= 1
        host.down = False
        assert [one.status for one in await asyncio.gather(*calls)] == [200] * 100

    run(scenario())


def test_a_retry_that_meets_an_open_circuit_waits_as_well():
    async def scenario():
        host = Host()
        calls = [asyncio.create_task(host.client.get("/")) for _ in range(10)]
        await asyncio.sleep(0.6)
        host.down = False
        assert [one.status for one in await asyncio.gather(*calls)] == [200] * 10
        assert host.reached < 10 + 10 + 4

    run(scenario())


def test_of_a_longer_outage_calls_are_told_at_once():
    async def scenario():
        host = await Host().open()
        with pytest.raises(ConnectError) as caught:  # it waited, and was a probe itself
            await host.client.get("/", timeout=100)
        assert caught.value.held_by == "breaker"
        assert host.clock.now() <= 6.0
        began, reached = host.clock.now(), host.reached
        for _ in range(100):
            with pytest.raises(CircuitOpen) as caught:
                await host.client.get("/", timeout=100)
        assert host.clock.now() == began
        assert host.reached == reached
        assert caught.value.held_by == "breaker"
        assert caught.value.probe_in is None
        assert caught.value.retry_after > 0

    run(scenario())


@pytest.mark.parametrize(
    ("breaker", "call"),
    [
        ({}, {"retry": None}),
        ({}, {"retry": 1}),
        ({}, {"timeout": 0.5}),
        ({}, {"wait": False}),
        ({}, {"wait": 0.5}),
        ({}, {"retry": Retry(stop=stop_after_delay(0.0))}),
        ({"open_for": 30.0}, {}),  # as the user says: this host is to be left alone
    ],
)
def test_who_does_not_want_to_wait_is_told_at_once(breaker, call):
    async def scenario():
        host = await Host(breaker=breaker).open()
        with pytest.raises(CircuitOpen) as caught:
            await host.client.get("/", **call)
        assert host.clock.now() == 0.0
        assert "held back by: breaker" in str(caught.value)
        assert host.client.stats.held_back == {"breaker": 1}

    run(scenario())


def test_a_wait_for_a_probe_can_be_cancelled_and_ends_by_the_deadline():
    async def scenario():
        host = await Host().open()
        call = asyncio.create_task(host.client.get("/"))
        await asyncio.sleep(0.5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        host.down = False
        assert (await host.client.get("/")).status == 200
        assert host.reached == 1

    run(scenario())
