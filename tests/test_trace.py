"""A recorded past replays to the same decisions, bit by bit in virtual time; other settings decide otherwise."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi import (
    Adaptive,
    AsyncAPIError,
    Breaker,
    Client,
    ConfigError,
    ConnectError,
    Fallback,
    Hedge,
    OAuth2ClientCredentials,
    ProtocolError,
    RateLimit,
    RequestTimeout,
    Retry,
    Timeout,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.trace import Recorder, Trace, replay

STORM = {
    "base_url": "https://h",
    "retry": Retry(4),
    "rate": [RateLimit(20, per=1), RateLimit(15, per=1, by="host")],
    "concurrency": 5,
    "breaker": Breaker(minimum=10, open_for=1),
    "hedge": Hedge(minimum=20),
    "single_flight": True,
    "fallback": Fallback(stale=60),
    "timeout": Timeout(8, attempt=1.5),
}


def trouble(clock, seed):
    chance = random.Random(seed)

    async def handler(request):
        fate, takes = chance.random(), chance.random() * 0.3
        await clock.sleep(takes if fate < 0.9 else 3.0)
        if fate < 0.1:
            raise ConnectError("refused", request=request)
        if fate < 0.2:
            raise ProtocolError("closed", request=request)
        if fate < 0.35:
            return reply(503)
        if fate < 0.4:
            return reply(429, headers={"Retry-After": "1"})
        return reply(200, json={"n": 1}, headers={"X-Api-Token": "s3cr3t"})

    return handler


async def storm(seed, **settings):
    """A hundred and fifty calls to a host in trouble, some of them cancelled; what was recorded."""
    clock = FakeClock(seed)
    recorder = Recorder(MockTransport(trouble(clock, seed), clock=clock), clock=clock)
    settings = {**STORM, **settings}
    chance = random.Random(seed + 1)
    async with recorder.client(**settings) as api:
        tasks = []
        for number in range(150):
            headers = {"Authorization": "Bearer s3cr3t"} if number % 3 else {}
            method = "GET" if number % 4 else "POST"
            keyed = True if number % 8 == 0 else None
            call = api.request(
                method, f"/items/{number % 40}", params={"token": "s3cr3t"}, headers=headers, idempotency_key=keyed,
                priority=number % 3 - 1,
            )  # fmt: skip
            tasks.append(asyncio.create_task(call))
            await clock.sleep(chance.random() * 0.2)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(not isinstance(one, Exception) or isinstance(one, AsyncAPIError) for one in ended)
    return recorder.trace


@pytest.mark.parametrize("seed", range(5))
def test_a_recorded_past_replays_bit_by_bit(seed, tmp_path):
    trace = run(storm(seed))
    assert len({steps[-1] for steps in trace.decisions}) > 3
    trace.save(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded == trace
    once = replay(loaded, **STORM)
    assert once.decisions == trace.decisions
    assert replay(once, **STORM) == once


def test_an_adaptive_limit_replays_too():
    trace = run(storm(7, concurrency=Adaptive(initial=4)))
    assert replay(trace, **{**STORM, "concurrency": Adaptive(initial=4)}).decisions == trace.decisions


def test_other_settings_decide_otherwise_about_the_same_past():
    trace = run(storm(3))
    without = replay(trace, **{**STORM, "retry": None, "hedge": None, "breaker": None, "fallback": ()})
    assert without.decisions != trace.decisions
    assert all(len(steps) <= 2 for steps in without.decisions)


def test_a_trace_shows_no_secrets(tmp_path):
    run(storm(1)).save(tmp_path / "trace.jsonl")
    assert "s3cr3t" not in (tmp_path / "trace.jsonl").read_text()


def test_tokens_are_fetched_again_in_a_replay_and_are_in_no_trace(tmp_path):
    """What a token endpoint said is part of the past; what it gave is masked."""

    async def scenario():
        clock = FakeClock()
        alive = iter(range(100))
        answers = iter([503, 401, 200, 200, 400])

        async def handler(request):
            await clock.sleep(0.1)
            if request.url.path == "/token":
                return reply(json={"access_token": f"s3cr3t{next(alive)}", "refresh_token": "s3cr3t", "expires_in": 60})
            return reply(next(answers), content=f"you sent {request.headers['Authorization']}".encode())

        recorder = Recorder(MockTransport(handler, clock=clock), clock=clock)
        async with recorder.client("https://h", retry=Retry(4), raise_for_status=False, auth=auth()) as api:
            for _ in range(3):
                await api.get("/x")
                await clock.sleep(50)
        return recorder.trace

    def auth():
        return OAuth2ClientCredentials("https://h/token", "me", "s3cr3t")

    trace = run(scenario())
    trace.save(tmp_path / "trace.jsonl")
    assert "s3cr3t" not in (tmp_path / "trace.jsonl").read_text()
    assert [steps[-1] for steps in trace.decisions] == ["200", "200", "400"]
    assert replay(trace, base_url="https://h", retry=Retry(4), auth=auth()).decisions == trace.decisions


def test_a_broken_trace_is_said_to_be_one(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text('["draw", 0.5]\n["dream", 1]\n')
    with pytest.raises(ConfigError, match=r"trace\.jsonl:2"):
        Trace.load(path)


def test_layers_of_ones_own_go_around_all_others():
    def naming(inner):
        async def send(request):
            try:
                return await inner(request)
            except RequestTimeout as error:
                error.add_note("seen")
                raise

        return send

    async def scenario():
        clock = FakeClock()

        async def hangs(request):
            await clock.sleep(100)

        transport = MockTransport(hangs, clock=clock)
        async with Client("https://h", transport=transport, clock=clock, layers=[naming], timeout=1) as api:
            with pytest.raises(RequestTimeout) as caught:
                await api.get("/x")
        return caught.value.__notes__

    assert run(scenario()) == ["seen"]
