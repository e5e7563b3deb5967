"""The queue for a host that refuses connections, under everything at once: nobody hangs, and nothing is left over."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from asyncapi import Breaker, Client, ConnectError, Hedge, Learned, ProtocolError, Response, Retry, Timeout
from asyncapi.layers.hold import Line
from asyncapi.testing import FakeClock, MockTransport, reply, run

TROUBLES = ("refuse", "refuse", "hang", "errors", "slow", "well")


def host(random):
    """A host with one trouble after the other, and when it is well at last."""
    when, changes = 0.5, []
    for _ in range(6):
        changes.append((when, random.choice(TROUBLES)))
        when += random.choice([0.05, 0.3, 1.0, 3.0, 8.0])
    changes.append((when, "well"))

    async def handler(request):
        await asyncio.sleep(0.001)
        now = asyncio.get_running_loop().time()
        trouble = next((trouble for begin, trouble in reversed(changes) if now >= begin), "well")
        if trouble == "refuse":
            raise ConnectError("refused")
        if trouble == "hang":
            request.call.phase = "connect"
            await asyncio.Event().wait()
        await asyncio.sleep(4.0 if trouble == "slow" else 0.02)
        return reply(503 if trouble == "errors" else 200)

    return handler, when


def left(line):
    """What is left in the queue: waiters, probes, attempts under way, and a timer."""
    return line.length, line.refusals.out, len(line._flying), line._timer


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_all_calls_end_in_time_and_nothing_is_left(seed):
    """The host refuses, hangs, fails and is slow by turns; calls are cancelled one by one, or all at once."""
    random, clock = Random(seed), FakeClock(seed)
    handler, well_from = host(random)
    total = random.choice([1.0, 3.0, 10.0])
    settings = {
        "timeout": Timeout(total, attempt=random.choice([None, 2.0]), connect=random.choice([None, 0.5])),
        "retry": Retry(random.choice([2, 3, 6]), policy=Learned()),
        "concurrency": random.choice([3, 1000]),
        "breaker": random.choice([None, Breaker()]),
        "hedge": random.choice([None, Hedge()]),
    }
    took = []

    async def call(api, path):
        began = asyncio.get_running_loop().time()
        try:
            return await api.get(path)
        finally:
            took.append(asyncio.get_running_loop().time() - began)

    async def scenario():
        loop, calls = asyncio.get_running_loop(), []
        async with Client("http://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings) as api:
            while loop.time() < well_from:
                calls.append(asyncio.ensure_future(call(api, f"/{len(calls)}")))
                await asyncio.sleep(random.choice([0.02, 0.1]))
                if random.random() < 0.1:
                    for each in calls if random.random() < 0.1 else [random.choice(calls)]:
                        each.cancel()
            async with asyncio.timeout(60):
                ended = await asyncio.gather(*calls, return_exceptions=True)
            await asyncio.sleep(60)  # a breaker that has opened closes again
            assert (await api.get("/after", timeout=60)).status == 200
            assert all(left(line) == (0, 0, 0, None) for line in api._state.lines.values())
        assert len(asyncio.all_tasks()) == 1
        return ended

    assert any(isinstance(outcome, Response) for outcome in run(scenario()))
    assert max(took) <= total + 0.01


def test_a_probe_whose_connection_never_comes_lets_others_go():
    """The host refuses for a second; of the first connection after that it never says a word."""
    hanging, hung = asyncio.Event(), []

    async def handler(request):
        now = asyncio.get_running_loop().time()
        if 1.0 <= now < 2.0:
            raise ConnectError("refused")
        if now >= 2.0 and not hung:
            hung.append(request.url.path)
            request.call.phase = "connect"
            await hanging.wait()
        return reply(200)

    async def scenario():
        clock, loop = FakeClock(1), asyncio.get_running_loop()
        async with Client(
            "http://h", transport=MockTransport(handler, clock=clock), clock=clock, timeout=30.0,
            retry=Retry(policy=Learned(explore=1e-9)),
        ) as api:  # fmt: skip
            await asyncio.sleep(1.0)
            calls = [asyncio.ensure_future(api.get(f"/{number}")) for number in range(20)]
            ended, _ = await asyncio.wait(calls, timeout=10.0)
            took = loop.time()
            hanging.set()
            await asyncio.gather(*calls)
            return len(ended), took

    ended, took = run(scenario())
    assert hung
    assert (ended, took) == (19, 11.0)  # all others, long before the deadline


def test_nobody_joins_a_queue_whose_client_is_closed():
    """A call that comes from a backoff learns it at once; it does not wait for its deadline."""

    async def handler(_):
        await asyncio.sleep(0.001)
        raise ConnectError("refused")

    async def scenario():
        clock, loop = FakeClock(1), asyncio.get_running_loop()
        api = Client(
            "http://h", transport=MockTransport(handler, clock=clock), clock=clock, timeout=30.0,
            retry=Retry(policy=Learned(explore=1e-9)),
        )  # fmt: skip
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(10)]
        await asyncio.sleep(0.5)
        await api.aclose()
        return await asyncio.gather(*calls, return_exceptions=True), loop.time()

    errors, ended_at = run(scenario())
    assert ended_at < 1.0
    assert all(isinstance(error, ProtocolError) and "the client was closed" in str(error) for error in errors)


def test_the_record_of_a_call_that_waited_in_vain_says_so():
    async def handler(_):
        await asyncio.sleep(0.001)
        raise ConnectError("refused")

    async def scenario():
        clock = FakeClock(1)
        async with Client(
            "http://h", transport=MockTransport(handler, clock=clock), clock=clock, timeout=1.0,
            retry=Retry(policy=Learned(explore=1e-9)),
        ) as api:  # fmt: skip
            return await asyncio.gather(*(api.get("/") for _ in range(10)), return_exceptions=True)

    held = [error for error in run(scenario()) if error.held_by == "hold" and error.attempts]
    assert held
    for error in held:
        assert error.attempts[-1].then.startswith("gave up: h has refused connections for ")


def test_a_closed_line_takes_nobody_in():
    async def scenario():
        line = Line(FakeClock(1))
        line.close()
        return await line.wait(100.0, spare=True)

    assert run(scenario()) is False
