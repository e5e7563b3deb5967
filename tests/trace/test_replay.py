"""A recorded past replays to the same decisions, bit by bit in virtual time; other settings decide otherwise."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack, suppress
from email.utils import formatdate

import pytest

from asyncapi import (
    Adaptive,
    ApiKey,
    AsyncAPIError,
    Bearer,
    Breaker,
    Cache,
    Client,
    ConnectError,
    CostBudget,
    Fallback,
    Hedge,
    KeyPool,
    Learned,
    OAuth2ClientCredentials,
    ProtocolError,
    RateLimit,
    RequestTimeout,
    Retry,
    Timeout,
    deadline,
)
from asyncapi.messages.meaning import Meaning
from asyncapi.speakers.line import line_of
from asyncapi.testing import Chaos, FakeClock, MockTransport, reply, run
from asyncapi.trace import Recorder, Trace, replay
from asyncapi.types import UNSET

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


def test_what_responses_meant_replays_without_their_protocol(tmp_path):
    meanings = {"0": Meaning(503, "RPCError: UNAVAILABLE", wait=2.0), "1": Meaning(429, unprocessed=True)}

    async def spoken():
        clock, numbers = FakeClock(3), iter("012")
        transport = MockTransport(lambda _: reply(200, headers={"Number": next(numbers)}), clock=clock)
        recorder = Recorder(transport, clock=clock)
        async with recorder.client(base_url="https://api.test", pace=False) as api:
            reading = lambda response: meanings.get(response.headers["Number"])  # noqa: E731
            await line_of(api).call("POST", "/rpc", reading=reading, idempotent=True)
        return recorder.trace

    trace = run(spoken())
    trace.save(tmp_path / "trace.jsonl")
    once = replay(Trace.load(tmp_path / "trace.jsonl"), base_url="https://api.test", pace=False)
    assert once.decisions == trace.decisions
    assert [exchange.meaning.get("status") for exchange in once.exchanges] == [503, 429, None]


def test_an_adaptive_limit_replays_too():
    trace = run(storm(7, concurrency=Adaptive(initial=4)))
    assert replay(trace, **{**STORM, "concurrency": Adaptive(initial=4)}).decisions == trace.decisions


def any_settings(draw):
    """Settings of a client, with any of the layers on."""
    pick = {
        "retry": [None, 2, Retry(4), Retry(5, base=0.1), Retry(3, budget=CostBudget(20))],
        "rate": [(), RateLimit(20, per=1), [RateLimit(20, per=1), RateLimit(15, per=1, by="host", burst=1)]],
        "concurrency": [None, 1, 5, Adaptive(initial=4)],
        "breaker": [None, Breaker(minimum=10, open_for=1), Breaker(minimum=5, count=10, slow=0.2)],
        "hedge": [None, Hedge(minimum=20), Hedge(0.1, copies=3, budget=0.5)],
        "fallback": [(), Fallback(stale=60), [Fallback(to="https://spare"), Fallback(value={"n": 0})]],
        "timeout": [None, 4, Timeout(8, attempt=1.5), Timeout(8, attempt=0.3)],
        "chaos": [None, Chaos(errors=0.1, drops=0.1, latency=(0.0, 0.5), slow=0.2, seed=3)],
        "wait": [True, 0.5, False],
        "max_queue": [None, 3],
        "cache": [None, Cache(stale_if_error=2)],
        "single_flight": [False, True],
        "pace": [False, True],
        "deadline_header": [None, "grpc-timeout"],
        "attempt_header": [None, "x-retry-attempt"],
        "redirects": [0, 10],
        "auth": [None, Bearer("s3cr3t"), KeyPool([ApiKey("s3cr3t1"), ApiKey("s3cr3t2")])],
    }
    return {"base_url": "https://h"} | {name: draw.choice(options) for name, options in pick.items()}


def any_call(draw, number):
    """What a call may ask for otherwise than its client."""
    rarely = draw.random() < 0.2
    return {
        "headers": draw.choice([{}, {"Authorization": "Bearer s3cr3t-ada"}, {"Authorization": "Bearer s3cr3t-bob"}]),
        "params": {"token": f"s3cr3t{number % 2}"},
        "priority": number % 3 - 1,
        "tenant": draw.choice("ab"),
        "timeout": draw.choice([None, 0.5, Timeout(3, attempt=0.2)]) if rarely else UNSET,
        "retry": draw.choice([None, 2, Retry(3, base=0.01, budget=None)]) if rarely else UNSET,
        "wait": draw.choice([True, False, 0.1]) if rarely else UNSET,
    }


def any_trouble(clock, draw):
    async def handler(request):
        fate = draw.random()
        await clock.sleep(draw.random() * 0.3 if fate < 0.9 else 3.0)
        if fate < 0.1:
            raise draw.choice([ConnectError, ProtocolError])("broken", request=request)
        if fate < 0.2:
            date = formatdate(clock.wall() + draw.randrange(3), usegmt=True)
            return reply(draw.choice([429, 503]), headers={"Retry-After": draw.choice(["1", date])})
        if fate < 0.3:
            return reply(503)
        if fate < 0.4:
            return reply(302, headers={"Location": f"/other/{draw.randrange(9)}?token=s3cr3t"})
        body = {"n": 1, "access_token": "s3cr3t-in-body"}
        headers = {"X-Api-Token": "s3cr3t", "Set-Cookie": "sid=s3cr3t", "ETag": '"1"', "Cache-Control": "max-age=1"}
        known = draw.random() < 0.5 and "If-None-Match" in request.headers
        if request.call.open_bodies is not None and not known:
            return reply(200, content=_trickle(clock, draw.random()), headers=headers)
        return reply(304 if known else 200, json=body, headers=headers)

    return handler


async def _trickle(clock, gap):
    for _ in range(4):
        await clock.sleep(gap)
        yield b"s3cr3t"


async def any_storm(seed, began):
    draw = random.Random(seed)
    settings = any_settings(draw)
    clock = FakeClock(seed, epoch=1_700_000_000 + draw.random() * 1e6)
    await clock.sleep(began)
    recorder = Recorder(MockTransport(any_trouble(clock, draw), clock=clock), clock=clock)

    async def one(number, api):
        with ExitStack() as scope, suppress(AsyncAPIError):
            if draw.random() < 0.1:
                scope.enter_context(deadline(draw.random() * 2, clock=clock))
            method = "POST" if number % 5 == 0 else "GET"
            content = None if method == "GET" else draw.choice([b"x", _stream()])
            asked = {"content": content, **any_call(draw, number)}
            if draw.random() < 0.8:
                await api.request(method, f"/items/{number % 10}", **asked)
                return
            leaves = draw.random() < 0.3
            async with api.stream(method, f"/items/{number % 10}", **asked) as response:
                async for _ in response.bytes():
                    if leaves:
                        break

    async with recorder.client(**settings) as api:
        tasks = []
        for number in range(80):
            tasks.append(asyncio.create_task(one(number, api)))
            await clock.sleep(draw.random() * 0.1)
            if draw.random() < 0.1:
                draw.choice(tasks).cancel()
                await clock.sleep(draw.random() * 0.1)
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
    return recorder.trace, any_settings(random.Random(seed))  # a pool of keys has a memory: another one


async def _stream():
    yield b"x"


@pytest.mark.parametrize("began", [0.0, 3.7, 123_456.789])
@pytest.mark.parametrize("seed", range(40))
def test_any_past_under_any_settings_replays_bit_by_bit_and_holds_no_secret(seed, began, tmp_path):
    """Whatever is switched on, whatever calls ask for, whenever they are cancelled, wherever the clock stood."""
    trace, settings = run(any_storm(seed, began))
    trace.save(tmp_path / "trace.jsonl")
    assert "s3cr3t" not in (tmp_path / "trace.jsonl").read_text()
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded == trace
    once = replay(loaded, **settings)
    assert once.decisions == trace.decisions
    assert once.draws == trace.draws


def test_other_settings_decide_otherwise_about_the_same_past():
    trace = run(storm(3))
    without = replay(trace, **{**STORM, "retry": None, "hedge": None, "breaker": None, "fallback": ()})
    assert without.decisions != trace.decisions
    assert all(len(steps) <= 2 for steps in without.decisions)


def test_a_shorter_limit_cuts_the_same_past_off_and_a_calls_own_limit_stays_its_own():
    async def past():
        clock = FakeClock()

        async def slow(request):
            await clock.sleep(1)
            return reply(200)

        recorder = Recorder(MockTransport(slow, clock=clock), clock=clock)
        async with recorder.client("https://h", retry=None, timeout=Timeout(9, attempt=5)) as api:
            await api.get("/as-the-client")
            await api.get("/its-own", timeout=Timeout(7, attempt=4))
        return recorder.trace

    trace = run(past())
    again = replay(trace, base_url="https://h", retry=None, timeout=Timeout(9, attempt=0.5))
    assert [steps[-1].partition(":")[0] for steps in again.decisions] == ["RequestTimeout", "200"]
    assert again.decisions[0][0][-1] == 0.5


def test_tokens_fetched_outside_of_calls_are_replayed_and_never_recorded():
    def credential():
        return OAuth2ClientCredentials("https://h/token", "me", "s3cr3t-of-mine")

    async def past():
        clock = FakeClock()

        def host(request):
            if request.url.path == "/token":
                return reply(200, json={"access_token": "s3cr3t-token", "token_type": "Bearer", "expires_in": 60})
            return reply(200, json={"you": request.headers["Authorization"]})

        recorder = Recorder(MockTransport(host, clock=clock), clock=clock)
        async with recorder.client("https://h", auth=credential()) as api:
            await api.authorize()
            await api.get("/me")
            await clock.sleep(100)
            await api.get("/me")
        return recorder.trace

    trace = run(past())
    assert [exchange.call for exchange in trace.exchanges] == [-1, 0, 1, 1]
    assert "s3cr3t" not in repr(trace.exchanges[0])
    again = replay(trace, base_url="https://h", auth=credential())
    assert [steps[-1] for steps in again.decisions] == ["200", "200"]
    assert again.decisions[1] == trace.decisions[1]


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


def test_a_request_that_was_not_begun_is_replayed_by_a_replay_too(tmp_path):
    async def scenario():
        clock = FakeClock()
        seen = []

        def handler(request):
            seen.append(request)
            if len(seen) == 1:
                error = ProtocolError("refused", request=request)
                error.unprocessed = True
                raise error
            return reply(201, trailers={"Checksum": "1"})

        record = Recorder(MockTransport(handler, clock=clock), clock=clock)
        async with record.client("https://h", retry=None) as api:
            await api.post("/orders", json={"amount": 1})
        return record.trace

    trace = run(scenario())
    trace.save(tmp_path / "trace.jsonl")
    kept = Trace.load(tmp_path / "trace.jsonl")
    assert [exchange.unprocessed for exchange in kept.exchanges] == [True, False]
    assert kept.exchanges[1].trailers == {"Checksum": "1"}
    assert replay(kept, base_url="https://h", retry=None).decisions == trace.decisions


@pytest.mark.parametrize("seed", range(3))
def test_learned_retries_replay_bit_by_bit_and_their_likelihood_is_in_the_trace(seed, tmp_path):
    """What-if needs what was chosen, how likely that was, and what else was allowed."""
    settings = STORM | {"retry": Retry(policy=Learned())}
    trace = run(storm(seed, **settings))
    trace.save(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded == trace
    assert replay(loaded, **settings).decisions == trace.decisions
    assert replay(loaded, **settings).outline == loaded.outline
    learned = [step[6]["learned"] for steps in trace.decisions for step in steps[:-1] if len(step) > 6]
    assert len(learned) > 10
    for choice in learned:
        assert {"route", "kind", "arm", "wait", "value", "propensity", "arms", "best", "left", "overruled"} <= {*choice}
        assert 0 < choice["propensity"] <= 1


def test_a_calls_own_policy_is_in_the_trace_and_replays(tmp_path):
    clock = FakeClock()
    recorder = Recorder(MockTransport(lambda _: reply(503), clock=clock), clock=clock)
    settings = {"base_url": "https://h", "retry": None, "raise_for_status": False}

    async def scenario():
        async with recorder.client(**settings) as api:
            for _ in range(20):
                await api.get("/a", retry=Retry(5, policy=Learned(patience=0.5)), timeout=10)

    run(scenario())
    recorder.trace.save(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    assert loaded.calls[0].retry["learned"]["patience"] == 0.5
    assert replay(loaded, **settings).decisions == recorder.trace.decisions
