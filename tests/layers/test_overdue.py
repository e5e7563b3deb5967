"""An attempt that is overdue is given up for another one, where a fallback is at hand."""

import asyncio
import random

import pytest

from asyncapi import AsyncAPIError, Client, Fallback, Learned, Retry, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

TOTAL, LIMIT = 10.0, 5.0


def calls(handler, *, seconds=40.0, every=0.05, method="GET", policy=None, **settings):
    """Steady calls: start, seconds, response or error."""

    async def scenario():
        clock, ended, loop = FakeClock(1), [], asyncio.get_running_loop()
        usual = {
            "timeout": Timeout(total=TOTAL, attempt=LIMIT),
            "retry": Retry(policy=policy or Learned()),
            "fallback": Fallback(value={"default": True}),
            "concurrency": 1000,
        }
        transport = MockTransport(handler, clock=clock)
        async with Client("http://h", transport=transport, clock=clock, **(usual | settings)) as api:

            async def one():
                began = loop.time()
                try:
                    response = await api.request(method, "/items")
                except AsyncAPIError as error:
                    response = error
                ended.append((began, loop.time() - began, response))

            async with asyncio.TaskGroup() as tasks:
                for _ in range(round(seconds / every)):
                    tasks.create_task(one())
                    await asyncio.sleep(every)
        return sorted(ended, key=lambda each: each[0])

    return run(scenario())


def some_hang(share, start=5.0, latency=0.05, seconds=1e6):
    chance = random.Random(1)

    async def handler(_):
        hit = asyncio.get_running_loop().time() >= start and chance.random() < share
        await asyncio.sleep(seconds if hit else latency)
        return reply(200, json={})

    return handler


def test_where_some_attempts_hang_another_one_is_made_in_time():
    late = [(took, one) for began, took, one in calls(some_hang(0.3)) if began > 25.0]
    assert sum(bool(one.degraded) for _, one in late) <= 0.02 * len(late)
    assert sum(took < 1.0 for took, _ in late) >= 0.9 * len(late)


def test_the_record_says_that_it_was_given_up_and_why():
    ended = calls(some_hang(0.3))
    given_up = [
        attempt for *_, one in ended for attempt in one.attempts if attempt.state and "overdue" in attempt.state
    ]
    record = given_up[-1]
    assert record.error.startswith(f"RequestTimeout: given up after {record.elapsed:.3g} s: ")
    assert "attempts that took longer than 0.2 s ended well" in record.error
    assert record.then.startswith("retried after")
    assert record.state["overdue"]["after"] == pytest.approx(0.2)
    assert record.state["overdue"]["reason"] in record.error
    assert 0.2 <= record.elapsed < 2.0


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": Learned(degrade=False)},
        {"fallback": ()},
        {"method": "POST"},
        {"fallback": Fallback(stale=60), "raise_for_status": False, "method": "OPTIONS"},
    ],
    ids=["switched off", "no fallback", "unsafe", "nothing at hand"],
)
def test_without_a_fallback_at_hand_or_safety_nothing_is_given_up(settings):
    ended = calls(some_hang(0.03), **settings)
    assert not any(attempt.state and "overdue" in attempt.state for *_, one in ended for attempt in one.attempts)


@pytest.mark.parametrize("latency", [0.01, 1.0, 4.0])
def test_attempts_of_a_slow_host_that_end_well_are_waited_for(latency):
    ended = calls(some_hang(1.0, latency=0.05, seconds=latency))
    assert all(len(one.attempts) == 1 and not one.degraded for *_, one in ended)


def test_a_host_that_is_well_again_is_waited_for_again():
    """Some are not given up, to see."""
    chance = random.Random(1)

    async def handler(_):
        now = asyncio.get_running_loop().time()
        hit = now >= 5.0 and chance.random() < 0.3
        await asyncio.sleep((1e6 if now < 30.0 else 1.0) if hit else 0.05)
        return reply(200, json={})

    late = [one for began, _, one in calls(handler, seconds=90.0) if began > 75.0]
    assert not any(attempt.state and "overdue" in attempt.state for one in late for attempt in one.attempts)


def test_where_no_attempt_ends_well_another_one_would_not_either():
    """In a spike of latency attempts are waited for, as long as nothing shows that the host responds to others."""
    chance = random.Random(1)

    async def handler(_):
        now = asyncio.get_running_loop().time()
        if now >= 30.0:
            await asyncio.sleep(3.0)
        else:
            await asyncio.sleep(1e6 if now >= 5.0 and chance.random() < 0.3 else 0.05)
        return reply(200, json={})

    ended = [one for began, _, one in calls(handler, seconds=40.0) if began > 32.0]
    assert not any(attempt.state and "overdue" in attempt.state for one in ended[-100:] for attempt in one.attempts)


def test_attempts_that_end_with_the_deadline_count_as_well():
    """So it also holds where attempts have no limit of their own."""
    ended = calls(some_hang(0.3), timeout=Timeout(total=4.0, attempt=None))
    late = [one for began, _, one in ended if began > 15.0]
    assert sum(bool(one.degraded) for one in late) <= 0.05 * len(late)


def test_a_call_that_is_cancelled_says_nothing():
    async def scenario():
        async def handler(_):
            await asyncio.sleep(1e6 if asyncio.get_running_loop().time() > 1.0 else 0.05)
            return reply(200, json={})

        clock = FakeClock(1)
        settings = {"retry": Retry(policy=Learned()), "fallback": Fallback(value={}), "concurrency": 1000}
        async with Client("http://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings) as api:
            for _ in range(15):
                await api.get("/items")
                await asyncio.sleep(0.05)
            tasks = [asyncio.create_task(api.get("/items")) for _ in range(30)]
            await asyncio.sleep(3.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            last = asyncio.create_task(api.get("/items"))
            await asyncio.sleep(2.0)
            assert not last.done()
            last.cancel()
            with pytest.raises(asyncio.CancelledError):
                await last

    run(scenario())
