"""A proxy that turns requests away, breaks connections and goes silent: what the client makes of it."""

from __future__ import annotations

import asyncio
import math
import socket
import time

import pytest
from aiohttp import web

from asyncapi import (
    AsyncAPIError,
    Breaker,
    BudgetSpent,
    CircuitOpen,
    Client,
    Request,
    RequestTimeout,
    Retry,
    StatusError,
    Timeout,
)
from asyncapi.testing import Chaos
from daemons import haproxy, nginx
from upstream import plain

pytestmark = pytest.mark.lanes

PATIENT = Retry(attempts=10, base=0.02, cap=0.2, budget=None)

RANDOM_FAULTS = """
  http-request return status 503 hdr Retry-After 0 if { rand(100) lt 5 }
  http-request return status 429 hdr Retry-After 0 if { rand(100) lt 5 }
  http-request reject if { rand(100) lt 5 }
  http-response return status 503 if { rand(100) lt 5 }
"""


async def test_random_429_503_and_dropped_connections_end_with_every_row_ok(upstream):
    async def breaks_off(request, arrival):  # one in ten is done and then lost
        if len(upstream.arrivals) % 10 == 0:
            request.transport.abort()
        return await plain(request, arrival)

    upstream.answer = breaks_off
    rows = [Request("GET", f"/{n}") for n in range(200)]
    rows += [Request("POST", f"/{n}", json={"n": n}, idempotency_key=True) for n in range(200)]
    with haproxy(upstream.address, frontend=RANDOM_FAULTS) as proxy:
        async with Client(proxy.url, retry=PATIENT, timeout=60) as api:
            values = await api.gather(rows)
            stats = api.stats
    assert [value.json()["path"] for value in values] == [f"/{n}" for n in range(200)] * 2
    assert stats.ok == len(rows)
    assert stats.retries > 40  # a quarter of the attempts failed


async def test_a_post_without_a_key_is_never_done_twice_and_tells_what_became_of_it(upstream):
    async def breaks_off(request, arrival):
        if len(upstream.arrivals) % 10 == 0:
            request.transport.abort()
        return await plain(request, arrival)

    upstream.answer = breaks_off
    rows = [Request("POST", f"/{n}", json={"n": n}) for n in range(400)]
    with haproxy(upstream.address, frontend=RANDOM_FAULTS) as proxy:
        async with Client(proxy.url, retry=PATIENT, timeout=60) as api, api.map(rows) as outcomes:
            ended = [outcome async for outcome in outcomes]
    done = {path for _, path in upstream.visits}
    assert set(upstream.visits.values()) == {1}
    assert {outcome.request.url.path for outcome in ended if outcome.ok} <= done
    turned_away = [outcome for outcome in ended if 429 in [attempt.status for attempt in outcome.attempts]]
    assert any(outcome.ok for outcome in turned_away)  # a 429 was not processed: that is sent again
    assert {outcome.error.status for outcome in ended if isinstance(outcome.error, StatusError)} <= {502, 503}
    lost = {outcome.request.url.path for outcome in ended if not outcome.ok} & done
    assert lost  # some of the failed ones were done: had they been sent again, they would be in there twice


async def test_the_retry_after_of_a_503_is_obeyed_in_seconds_and_as_a_date(upstream):
    answers = """
      http-response return status 503 hdr Retry-After 1 if { res.hdr(X-Visit) 1 } { path_beg /seconds }
      http-response return status 503 hdr Retry-After "%[date(2),http_date]" if { res.hdr(X-Visit) 1 } { path_beg /date }
    """
    capture = "http-request set-header X-Asked 1"
    answers = answers.replace("{ path_beg", "{ capture.req.uri -m beg")
    with haproxy(upstream.address, frontend=f"{capture}\n{answers}") as proxy:
        async with Client(proxy.url, retry=Retry(base=0.01, budget=None)) as api:
            await api.gather([f"/{form}/{n}" for form in ("seconds", "date") for n in range(20)])
    for form in ("seconds", "date"):
        for n in range(20):
            first, second = [one for one in upstream.arrivals if one.path == f"/{form}/{n}"]
            if form == "seconds":
                assert second.at - first.at >= 1.0
            else:
                assert second.wall >= math.floor(first.wall) + 2


async def test_a_proxy_without_a_server_receives_1_2_times_the_calls_and_the_floor(upstream):
    with haproxy(upstream.address) as proxy:
        proxy.serves(up=False)
        before, began = proxy.received(), time.monotonic()
        settings = {"retry": Retry(base=0.02, cap=0.1)}
        async with Client(proxy.url, **settings) as api, api.map(f"/{n}" for n in range(600)) as outcomes:
            errors = [outcome.error async for outcome in outcomes]
        received, seconds = proxy.received() - before, time.monotonic() - began
    assert {error.status for error in errors} == {503}
    assert 600 < received <= 1.2 * 600 + 10 * (1 + seconds / 60)
    assert sum(isinstance(error.__cause__, BudgetSpent) for error in errors) > 300
    assert not upstream.arrivals


async def test_a_breaker_opens_refuses_and_comes_back_with_one_probe_at_a_time(upstream):
    async def takes_its_time(request, arrival):
        await asyncio.sleep(0.15)  # so that a second probe would come while the first is there
        return await plain(request, arrival)

    upstream.answer = takes_its_time
    settings = Breaker(minimum=10, open_for=0.4, open_cap=0.4, jitter=0, probes=3)
    closed_again, refusals, good = asyncio.Event(), [], 0

    async def worker(api):
        nonlocal good
        while not closed_again.is_set():
            try:
                good += (await api.get("/x", raise_for_status=False)).ok
            except CircuitOpen as refusal:
                refusals.append(refusal.retry_after)
                await asyncio.sleep(0.02)
            if good > 3:
                closed_again.set()

    with haproxy(upstream.address) as proxy:
        proxy.serves(up=False)
        async with Client(proxy.url, breaker=settings, retry=None) as api, asyncio.timeout(30):
            for _ in range(10):
                await api.get("/x", raise_for_status=False)
            assert next(iter(api.stats.circuits.values())).state == "open"
            before, began = proxy.received(), time.monotonic()
            workers = [asyncio.create_task(worker(api)) for _ in range(20)]
            while proxy.received() < before + 3:  # three probes find it still down
                await asyncio.sleep(0.05)
            probes, seconds = proxy.received() - before, time.monotonic() - began
            proxy.serves(up=True)
            await asyncio.gather(*workers)
            state = next(iter(api.stats.circuits.values())).state
    assert probes <= 1 + seconds / settings.open_for
    assert len(refusals) > 20
    assert all(0 <= wait <= settings.lease for wait in refusals)
    assert [arrival.beside for arrival in upstream.arrivals[:3]] == [1, 1, 1]
    assert max(arrival.beside for arrival in upstream.arrivals) > 1  # and then everybody
    assert state == "closed"


def is_silent(proxy) -> bool:
    """Whether a dropped connection hears nothing: haproxy may do that only with a capability of the system."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3) as wire:
        wire.sendall(b"GET /silent HTTP/1.1\r\nHost: h\r\n\r\n")
        try:
            return bool(wire.recv(1))
        except TimeoutError:
            return True
        except ConnectionError:
            return False


async def test_a_connection_dropped_in_silence_ends_with_the_calls_time(upstream):
    with haproxy(upstream.address, frontend="http-request silent-drop if { path /silent }") as proxy:
        if not is_silent(proxy):
            pytest.skip("haproxy may not drop connections in silence here (CAP_NET_ADMIN)")
        async with Client(proxy.url, timeout=Timeout(1.0, attempt=0.25), retry=Retry(base=0)) as api:
            began = time.monotonic()
            with pytest.raises(RequestTimeout) as late:
                await api.get("/silent")
            elapsed = time.monotonic() - began
            assert (await api.get("/loud")).ok
    assert 0.7 <= elapsed < 5
    assert late.value.phase in {"headers", "backoff"}
    assert len(late.value.attempts) >= 3
    assert not [one for one in upstream.arrivals if one.path == "/silent"]


@pytest.fixture
def unreachable():
    """An address whose connections are never made: nobody accepts, and the line is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


async def test_wherever_a_call_hangs_it_ends_in_time_and_says_where(upstream, unreachable):
    async def hangs(request, arrival):
        if arrival.path == "/body":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
        await asyncio.Event().wait()

    upstream.answer = hangs
    late = "http-request return status 503 hdr Retry-After 20 if { path /later }"
    ended = {}

    async def ask(api, name, url, most=0.5):
        began = time.monotonic()
        try:
            await api.get(url, timeout=Timeout(most, connect=None))
        except AsyncAPIError as error:
            ended[name] = error, time.monotonic() - began

    with haproxy(upstream.address, frontend=late) as proxy, nginx(upstream.address) as other:
        async with (
            Client() as api,
            Client(concurrency=1) as narrow,
        ):
            async with asyncio.TaskGroup() as group:
                group.create_task(ask(api, "headers", f"{proxy.url}/headers"))
                group.create_task(ask(api, "body", f"{other.url}/body"))
                group.create_task(ask(api, "connect", f"{unreachable}/"))
                group.create_task(ask(narrow, "before", f"{other.url}/headers", 1.0))
                group.create_task(ask(narrow, "queue", f"{other.url}/headers"))
            await ask(api, "backoff", f"{proxy.url}/later")
    for name in ("headers", "body", "connect", "queue"):
        error, elapsed = ended[name]
        assert isinstance(error, RequestTimeout)
        assert error.phase == name
        assert 0.45 <= elapsed < 5
    error, elapsed = ended["backoff"]  # nobody waits for what can't come in time
    assert (error.status, error.retry_after) == (503, 20)
    assert elapsed < 0.45


async def test_chaos_meets_the_same_calls_in_every_run(upstream):
    trouble = Chaos(drops=0.2, errors=0.1, throttle=0.1, retry_after=0.01, truncate=0.1, latency=(0, 0.01), seed=5)
    stubborn = Retry(
        attempts=40, base=0.02, cap=0.2, budget=None
    )  # faults go by the URL, whose port is another each time

    async def story(url):
        upstream.arrivals.clear()
        async with Client(url, chaos=trouble, retry=stubborn, timeout=60) as api:
            values = await api.gather([f"/{n}" for n in range(100)])
        told = [[(one.status, one.error) for one in value.attempts] for value in values]
        return told, sorted(arrival.path for arrival in upstream.arrivals)

    with nginx(upstream.address) as proxy:
        first, second = await story(proxy.url), await story(proxy.url)
    assert first == second
    assert sum(len(attempts) for attempts in first[0]) > 120
    assert set(first[1]) == {f"/{n}" for n in range(100)}
