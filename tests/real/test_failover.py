"""A primary that is killed and comes back, calls that share one request, and services that call services."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from asyncapi import Client, Fallback, RequestTimeout, Retry, inbound
from daemons import haproxy, nginx
from servers import application
from upstream import plain

pytestmark = pytest.mark.lanes

PROBE_EVERY = 1.0


@pytest.fixture
def probing_often(monkeypatch):
    monkeypatch.setattr("asyncapi.client.chain.PROBE_EVERY", PROBE_EVERY)


async def test_a_killed_primary_costs_no_call(upstream, probing_often):
    """It is used again one probe after its return."""

    async def takes_its_time(request, arrival):
        await asyncio.sleep(0.02)
        return await plain(request, arrival)

    upstream.answer = takes_its_time
    answered, attempts, stop = [], [], asyncio.Event()

    async def caller(api):
        while not stop.is_set():
            began = time.monotonic()
            answer = await api.get("/x")
            answered.append((began, time.monotonic() - began, answer.degraded))
            await asyncio.sleep(0.005)

    async def until(condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    with nginx(upstream.address) as primary, nginx(upstream.address) as second:
        settings = {"retry": Retry(2, base=0.01), "timeout": 10, "hooks": [attempts.append]}
        async with Client(primary.url, fallback=Fallback(to=second.url), **settings) as api:
            callers = [asyncio.create_task(caller(api)) for _ in range(10)]
            await until(lambda: len(answered) >= 50)
            killed, killed_at = time.monotonic(), time.time()
            primary.kill()
            await until(lambda: answered[-1][2])
            await until(lambda: time.monotonic() - killed > 2.5 * PROBE_EVERY)
            to_primary = [one for one in attempts if str(primary.port) in one.url]
            await asyncio.to_thread(primary.start)
            back = time.monotonic()
            await until(lambda: not answered[-1][2] and answered[-1][0] > back)
            returned = time.monotonic() - back
            stop.set()
            await asyncio.gather(*callers)
            degraded = api.stats.degraded
    assert not any(reason for began, took, reason in answered if began + took < killed)
    assert all("answered by 127.0.0.1" in reason for *_, reason in answered if reason)
    assert degraded > 50
    assert max(took for _, took, _ in answered) < 5
    later = [one for one in to_primary if one.at > killed_at + PROBE_EVERY / 2]
    assert len(later) <= 2 * 3  # a probe now and then, of two attempts each
    assert returned <= PROBE_EVERY + 2


async def test_a_thousand_waiters_make_one_request_and_some_that_leave_disturb_nobody(upstream):
    everybody = asyncio.Event()

    async def waits_for_all(request, arrival):
        await everybody.wait()
        return await plain(request, arrival)

    upstream.answer = waits_for_all
    with nginx(upstream.address) as proxy:
        async with Client(proxy.url, single_flight=True) as api, asyncio.timeout(30):
            waiters = [asyncio.create_task(api.get("/same")) for _ in range(1000)]
            while api.stats.shared < 999 or not upstream.arrivals:
                await asyncio.sleep(0)
            for one in waiters[::10]:  # the first, which began it, too
                one.cancel()
            everybody.set()
            ended = await asyncio.gather(*waiters, return_exceptions=True)
    left = [one for one in ended if isinstance(one, asyncio.CancelledError)]
    values = [one.json() for one in ended if not isinstance(one, BaseException)]
    assert (len(left), values) == (100, [{"path": "/same"}] * 900)
    assert upstream.visits == {("GET", "/same"): 1}


async def test_a_callers_time_and_its_retries_hold_through_two_services(upstream):
    """The way: caller -> haproxy -> first -> nginx -> second -> haproxy -> upstream, which is silent or broken."""
    silent = asyncio.Event()
    ended = []

    async def in_trouble(request, arrival):
        if arrival.path == "/broken":
            return web.Response(status=503)
        await silent.wait()
        return web.Response()

    upstream.answer = in_trouble

    def service(name, below):
        async def serve(request):
            began = time.monotonic()
            with inbound(request.headers, most=20):
                try:
                    status = (await below.get(request.path, raise_for_status=False)).status
                except RequestTimeout as late:
                    status = 504
                    ended.append((name, time.monotonic() - began, late.phase))
            return web.Response(status=status)

        return web.get("/{path:.*}", serve)

    named = {"deadline_header": "Request-Timeout", "attempt_header": "X-Retry-Attempt", "raise_for_status": False}
    tells = {**named, "retry": Retry(3, base=0.01)}
    with haproxy(upstream.address) as last:
        async with (
            Client(last.url, **tells) as third,
            application(service("second", third)) as second_url,
        ):
            with nginx(second_url.removeprefix("http://")) as middle:
                async with Client(middle.url, **tells) as second, application(service("first", second)) as first_url:
                    with haproxy(first_url.removeprefix("http://")) as front:
                        async with Client(front.url, **tells) as caller:
                            began = time.monotonic()
                            with pytest.raises(RequestTimeout):
                                await caller.get("/silent", timeout=1.0)
                            took = time.monotonic() - began
                            broken = await caller.get("/broken")
                            silent.set()
    assert took >= 0.95
    assert [name for name, *_ in ended][:2] in (["second", "first"], ["first", "second"])
    assert all(elapsed <= took + 0.5 and phase == "headers" for _, elapsed, phase in ended)
    assert upstream.visits["GET", "/silent"] == 1
    assert (broken.status, upstream.visits["GET", "/broken"]) == (503, 3)  # the outermost retried, nobody else
