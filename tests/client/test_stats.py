"""`client.stats`: the books balance at every moment."""

from __future__ import annotations

import asyncio
import random
from dataclasses import FrozenInstanceError

import pytest

from asyncapi import AsyncAPIError, Client, ConnectError, LearnedStats, RateLimit, Retry, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run


def client(handler, **settings) -> Client:
    clock = settings.pop("clock", None) or FakeClock()
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def balance(stats) -> int:
    return stats.ok + stats.failed + stats.by_error.get("CancelledError", 0) + stats.in_flight


def test_a_new_client_has_done_nothing():
    async def scenario():
        stats = client(lambda _: reply()).stats
        counts = (stats.calls, stats.ok, stats.failed, stats.attempts, stats.retries, stats.in_flight, stats.queued)
        assert counts == (0, 0, 0, 0, 0, 0, 0)
        assert (stats.p50, stats.p95, stats.p99) == (None, None, None)
        assert (stats.by_status, stats.by_error) == ({}, {})

    run(scenario())


def test_every_call_is_counted_once_by_how_it_ended():
    async def scenario():
        async def handler(request):
            path = request.url.path
            if path == "/refused":
                raise ConnectError("refused", request=request)
            if path == "/bug":
                raise ZeroDivisionError
            if path == "/slow":
                await asyncio.sleep(100)
            return reply(int(path[1:]) if path[1:].isdigit() else 200)

        api = client(handler, retry=None)
        for path in ["/200", "/200", "/204", "/404", "/503", "/503", "/refused", "/bug", "/slow"]:
            with pytest.raises((AsyncAPIError, ZeroDivisionError)) if path not in {"/200", "/204"} else Nothing():
                await api.get(path, timeout=5.0)
        call = asyncio.create_task(api.get("/slow"))
        await asyncio.sleep(1)
        assert api.stats.in_flight == 1
        call.cancel()
        await asyncio.wait([call])
        stats = api.stats
        assert (stats.calls, stats.ok, stats.failed, stats.in_flight) == (10, 3, 6, 0)
        assert stats.by_status == {200: 2, 204: 1, 404: 1, 503: 2}
        assert stats.by_error == {"CancelledError": 1, "ConnectError": 1, "RequestTimeout": 1, "ZeroDivisionError": 1}
        assert (stats.attempts, stats.retries) == (10, 0)

    run(scenario())


class Nothing:
    """A block that does nothing."""

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def test_retries_and_redirects_are_attempts_and_only_retries_are_retries():
    async def scenario():
        answers = iter([reply(503), reply(302, headers={"Location": "/x"}), reply(503), reply(), reply()])
        api = client(lambda _: next(answers))
        await api.get("/")
        await api.get("/")
        stats = api.stats
        assert (stats.calls, stats.ok, stats.attempts, stats.retries) == (2, 2, 5, 2)

    run(scenario())


def test_the_books_balance_at_every_moment_of_a_storm():
    async def scenario():
        draw, clock = random.Random(6), FakeClock()

        async def handler(request):
            await asyncio.sleep(draw.choice((0, 0.1, 1, 9)))
            if draw.random() < 0.1:
                raise ConnectError("refused", request=request)
            return reply(draw.choice((200, 200, 200, 404, 503)))

        api = client(
            handler, clock=clock, concurrency=10, rate=RateLimit(50), timeout=Timeout(20, attempt=3), retry=Retry(2)
        )

        async def call():
            await asyncio.sleep(draw.uniform(0, 20))
            task = asyncio.create_task(api.get("/"))
            await asyncio.sleep(draw.uniform(0, 40))
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                assert task.exception() is None or isinstance(task.exception(), AsyncAPIError)

        async def auditor():
            while clock.now() < 70:
                stats = api.stats
                assert balance(stats) == stats.calls
                assert 0 <= stats.queued <= stats.in_flight
                assert stats.attempts >= stats.retries
                await asyncio.sleep(0.37)

        await asyncio.gather(auditor(), *(call() for _ in range(500)))
        stats = api.stats
        assert (stats.calls, stats.in_flight, stats.queued) == (500, 0, 0)
        assert balance(stats) == 500
        assert stats.by_error["CancelledError"] > 10
        assert stats.retries > 10

    run(scenario())


def test_latency_quantiles_are_within_5_percent_and_count_waits_and_retries():
    async def scenario():
        draw, takes = random.Random(8), []

        async def handler(_):
            takes.append(draw.lognormvariate(0, 1))
            await asyncio.sleep(takes[-1])
            return reply()

        api = client(handler, timeout=None, concurrency=None)
        await asyncio.gather(*(api.get("/") for _ in range(3000)))
        takes.sort()
        stats = api.stats
        assert stats.p50 == pytest.approx(takes[1499], rel=0.05)
        assert stats.p95 == pytest.approx(takes[2849], rel=0.05)
        assert stats.p99 == pytest.approx(takes[2969], rel=0.05)
        answers = iter([reply(503, headers={"Retry-After": "7"}), reply()])
        retried = client(lambda _: next(answers))
        await retried.get("/")
        assert retried.stats.p50 == pytest.approx(7, rel=0.05)

    run(scenario())


def test_calls_without_an_answer_have_no_latency():
    async def scenario():
        def handler(request):
            raise ConnectError("refused", request=request)

        api = client(handler, retry=None)
        with pytest.raises(ConnectError):
            await api.get("/")
        assert api.stats.p50 is None

    run(scenario())


def test_queued_counts_those_in_line_for_a_token_and_for_a_place():
    async def scenario():
        api = client(
            lambda _: asyncio.sleep(10, reply()), concurrency=2, rate=RateLimit(1, per=100.0, burst=4), timeout=None
        )
        calls = [asyncio.create_task(api.get("/")) for _ in range(7)]
        await asyncio.sleep(1)
        stats = api.stats
        assert (stats.in_flight, stats.queued, stats.attempts, stats.concurrency) == (7, 3 + 2, 2, 2)
        assert stats.rate == {"": [pytest.approx(0.01)]}
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert api.stats.queued == 0

    run(scenario())


def test_the_budget_is_told_by_host():
    async def scenario():
        api = client(lambda _: reply())
        for _ in range(5):
            await api.get("/")
        await api.get("https://other:8443/")
        assert api.stats.budget == {"h": pytest.approx(11.0), "other:8443": pytest.approx(10.2)}

    run(scenario())


def test_a_snapshot_is_the_callers_own():
    async def scenario():
        api = client(lambda _: reply())
        before = api.stats
        await api.get("/")
        assert before.calls == 0
        before.by_status[200] = 99
        assert api.stats.by_status == {200: 1}
        with pytest.raises(FrozenInstanceError):
            before.calls = 5

    run(scenario())


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (1.6, "next retry after 1.6 s: 34 of 36 such retries ended well"),
        (0.2, "next retry after 0.2 s: none was seen yet"),
        (None, "no retry: 38 of 51 ended well"),
    ],
)
def test_what_was_learned_of_retries_is_said_in_words(choice, text):
    assert str(LearnedStats(38.3, 12.8, {1.6: (34.1, 1.8), 0.2: (0.4, 0.1)}, choice, 0.0)) == text
