"""Virtual time: a loop that never waits, a clock and draws that repeat."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncapi import Client, ConfigError
from asyncapi.testing import FakeClock, MockTransport, VirtualTimeLoop, reply, run


def test_a_virtual_hour_takes_no_time():
    began = time.monotonic()

    async def scenario():
        clock = FakeClock()
        await asyncio.sleep(1800)
        async with asyncio.timeout(3600):
            await clock.sleep(1800)
        return clock.now(), clock.wall()

    now, wall = run(scenario())
    assert now == pytest.approx(3600)
    assert wall == pytest.approx(1_700_000_000 + 3600)
    assert time.monotonic() - began < 5


def test_virtual_timers_fire_in_order():
    order = []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def scenario():
        await asyncio.gather(*(wait(seconds) for seconds in (5, 1, 3, 2, 4)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(2)

    run(scenario())
    assert order == [1, 2, 3, 4, 5]


def test_virtual_time_stands_still_while_code_runs():
    async def scenario():
        clock = FakeClock()
        before = clock.now()
        for _ in range(1000):
            await asyncio.sleep(0)
        return clock.now() - before

    assert run(scenario()) == 0


def test_a_scenario_that_waits_for_nothing_says_so(monkeypatch):
    monkeypatch.setattr("asyncapi.testing.virtual_time._HANG_AFTER", 0.05)

    async def scenario():
        await asyncio.Event().wait()

    with pytest.raises(
        RuntimeError, match="nothing left to do: the code under test waits for something that never happens"
    ):
        run(scenario())


def test_threads_may_wake_a_virtual_loop():
    async def scenario():
        return await asyncio.to_thread(lambda: 7)

    assert run(scenario()) == 7


def test_the_draws_of_a_fake_clock_repeat():
    assert [FakeClock(1).random() for _ in range(3)] == [FakeClock(1).random()] * 3
    assert FakeClock(1).random() != FakeClock(2).random()


def test_the_example_of_the_module_works():
    replies = iter([reply(503), reply(200, json={"id": 1})])
    clock = FakeClock()

    async def scenario():
        async with Client("https://h", transport=MockTransport(lambda _: next(replies)), clock=clock) as api:
            return await api.get("/users/1")

    assert run(scenario()).status == 200


def test_a_virtual_loop_closes_like_any_other():
    loop = VirtualTimeLoop()
    assert loop.run_until_complete(asyncio.sleep(9, "done")) == "done"
    loop.close()


def test_virtual_timers_run_at_their_own_time_and_ties_in_order():
    async def scenario():
        loop, ran = asyncio.get_running_loop(), []
        await asyncio.sleep(0.1)
        times = [0.7, 0.7 + 1e-12, 0.3, 0.7, 1e6 + 0.1, 0.3]
        for number, when in enumerate(times):
            loop.call_at(when, lambda number=number: ran.append((number, loop.time())))
        await asyncio.sleep(2e6)
        return [number for number, _ in ran], [at == times[number] for number, at in ran]

    assert run(scenario()) == ([2, 5, 0, 3, 1, 4], [True] * 6)


async def test_run_within_a_running_loop_says_what_to_do():
    """And leaves no coroutine behind that was never awaited, which would be a warning."""
    with pytest.raises(ConfigError, match=r"`def test_\.\.\.`, not `async def`"):
        run(asyncio.sleep(1))


def test_run_wants_a_coroutine():
    with pytest.raises(ConfigError, match="give a coroutine"):
        run(asyncio.sleep)
