"""With learned retries a fallback is taken as soon as it is worth more than to wait, and never at a healthy host."""

import asyncio

import pytest

from asyncapi import Client, Fallback, Learned, Retry, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

VALUE = Fallback(value={"default": True})
TOTAL = 10.0


def client(handler, policy=None, fallback=VALUE, **settings):
    clock = FakeClock(1)
    settings = {"timeout": Timeout(total=TOTAL), "retry": Retry(policy=policy or Learned()), **settings}
    transport = MockTransport(handler, clock=clock)
    return Client("http://h", transport=transport, clock=clock, fallback=fallback, concurrency=1000, **settings)


def calls(handler, seconds=30.0, every=0.05, method="GET", **settings):
    """Steady calls: start, seconds, response."""

    async def scenario():
        loop, ended = asyncio.get_running_loop(), []
        async with client(handler, **settings) as api:

            async def one():
                began = loop.time()
                response = await api.request(method, "/items")
                ended.append((began, loop.time() - began, response))

            async with asyncio.TaskGroup() as tasks:
                for _ in range(round(seconds / every)):
                    tasks.create_task(one())
                    await asyncio.sleep(every)
        return sorted(ended, key=lambda each: each[0])

    return run(scenario())


def hangs(start, end, latency=0.05):
    async def handler(_):
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(1e6 if start <= now < end else latency)
        return reply(200, json={})

    return handler


def test_a_host_that_hangs_is_left_long_before_the_deadline_and_found_again():
    ended = calls(hangs(5.0, 45.0), seconds=60.0)
    during = [(took, one) for began, took, one in ended if 25.0 < began < 45.0 - TOTAL]
    assert all(one.degraded for _, one in during)
    quick = [one for took, one in during if took < 1.0]
    assert len(quick) >= 0.85 * len(during)
    assert "calls that took longer than" in quick[0].degraded
    assert "ended well" in quick[0].degraded
    assert quick[0].attempts[-1].state["degraded"]["reason"] in quick[0].degraded
    assert not any(one.degraded for began, _, one in ended if began > 46.0)
    assert max(took for _, took, _ in ended) <= TOTAL


def test_switched_off_it_waits_as_before():
    ended = calls(hangs(5.0, 1e9), policy=Learned(degrade=False))
    assert min(took for began, took, _ in ended if began > 20.0) > 9.0


@pytest.mark.parametrize("latency", [0.01, 0.5, 3.0])
def test_a_healthy_host_never_degrades(latency):
    async def handler(_):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(latency * (3.0 if round(loop.time() * 1000) % 50 == 7 else 1.0))
        return reply(200, json={})

    assert not any(one.degraded for *_, one in calls(handler, seconds=20.0, every=0.033))


def test_a_host_that_gets_slow_but_responds_in_time_does_not_degrade():
    async def handler(_):
        await asyncio.sleep(0.05 if asyncio.get_running_loop().time() < 5 else 4.0)
        return reply(200, json={})

    assert not any(one.degraded for *_, one in calls(handler))


def test_posts_are_not_cut_short():
    ended = calls(hangs(5.0, 1e9), method="POST")
    assert min(took for began, took, _ in ended if began > 20.0) > 9.0


def test_retries_that_hardly_ever_end_well_give_way_at_once_and_say_so():
    async def handler(_):
        await asyncio.sleep(0.01)
        return reply(503)

    ended = calls(handler, seconds=60.0, retry=Retry(policy=Learned(), budget=None))
    late = [(took, one) for began, took, one in ended if began > 50.0]
    assert sum(took for took, _ in late) / len(late) < 1.0
    reasons = [one.degraded for took, one in late if took < 0.1]
    assert any("after 503: " in why and "retries of 503" in why for why in reasons)


def test_another_place_is_taken_as_soon():
    async def handler(request):
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(1e6 if request.url.host == "h" and now >= 5.0 else 0.05)
        return reply(200, json={})

    ended = calls(handler, fallback=Fallback(to="http://other"), seconds=60.0)
    late = [(took, one) for began, took, one in ended if began > 40.0]
    assert all(one.degraded.startswith("answered by other") for _, one in late)
    assert sum(took < 1.0 for took, _ in late) >= 0.85 * len(late)


def test_without_a_stale_response_nothing_is_at_hand():
    """Then a retry is what it is without a fallback."""
    seen = []

    async def handler(request):
        seen.append(request.call.instead)
        return reply(503)

    async def scenario():
        async with client(handler, fallback=Fallback(stale=60), raise_for_status=False) as api:
            await api.get("/items")

    run(scenario())
    assert set(seen) == {0.0}
