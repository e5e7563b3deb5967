"""Streamed answers over the mock transport, in virtual time: what is held, what ends it, what the layers make of it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest
from tenacity import retry_if_result

from asyncapi import (
    Bearer,
    Breaker,
    Client,
    ConfigError,
    Fallback,
    Hedge,
    NotFound,
    ProtocolError,
    RateLimit,
    RequestTimeout,
    Retry,
    ServerError,
    Timeout,
    deadline,
)
from asyncapi.testing import Chaos, FakeClock, MockTransport, reply, run
from bodies import Source, at_rest


def client_of(*answers, **settings) -> Client:
    """A client whose requests get these answers in turn; a Source is the body of a 200."""
    left = list(answers)
    clock = FakeClock()

    def handler(request):
        answer = left.pop(0) if len(left) > 1 else left[0]
        return reply(200, content=answer) if isinstance(answer, Source) else answer

    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


async def drained(api: Client, **call) -> list[bytes]:
    async with api.stream("GET", "/", **call) as response:
        return [piece async for piece in response.bytes()]


# -- what there is to read --------------------------------------------------------------------------------------------


def test_a_stream_is_opened_once_read_inside_its_block_and_by_one_task():
    async def scenario():
        async with client_of(Source(b"a", 5.0, b"b")) as api:
            stream = api.stream("GET", "/")
            async with stream as response:
                pieces = response.bytes()
                assert await anext(pieces) == b"a"
                other = asyncio.create_task(anext(pieces))
                await asyncio.sleep(1)
                with pytest.raises(ConfigError, match="two tasks read one stream"):
                    await anext(pieces)
                assert await other == b"b"
            with pytest.raises(ConfigError, match="can be opened once"):
                async with stream:
                    pass
        async with client_of(Source(b"a", b"b")) as api:
            async with api.stream("GET", "/") as response:
                pieces = response.bytes()
                await anext(pieces)
            with pytest.raises(ConfigError, match="read it inside its `async with` block"):
                await anext(pieces)

    run(scenario())


# -- what is held, and until when -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["whole", "break", "error", "aclose", "cut", "cancel", "nothing read"])
def test_place_and_call_are_held_until_the_body_closes_however_it_ends(end):
    source = Source(b"a", b"b", *([ConnectionResetError("x")] if end == "cut" else []))

    async def reader(api):
        async with api.stream("GET", "/") as response:
            if end == "nothing read":
                return
            async for _ in response.bytes():
                assert (api.stats.in_flight, api._state.gate.free, source.closed) == (1, 0, False)
                if end == "break":
                    break
                if end == "error":
                    raise KeyError
                if end == "aclose":
                    await response.aclose()
                    break
                if end == "cancel":
                    asyncio.current_task().cancel()
                    await asyncio.sleep(0)
            assert end in {"whole", "break", "aclose"}
            if end != "break":
                assert at_rest(api, 1)

    async def scenario():
        async with client_of(source, concurrency=1) as api:
            task = asyncio.create_task(reader(api))
            await asyncio.wait([task])
            assert at_rest(api, 1)
            assert source.closed or end == "nothing read"
            stats = api.stats
            counted = {"cut": {"ProtocolError": 1}, "cancel": {"CancelledError": 1}}.get(end, {})
            assert (stats.by_error, stats.by_status) == (counted, {} if counted else {200: 1})
            with suppress(KeyError, ProtocolError, asyncio.CancelledError):
                await task

    run(scenario())


def test_who_waits_for_a_place_gets_it_the_moment_the_body_closes():
    async def scenario():
        api = client_of(Source(b"a", b"b"), reply(200), concurrency=1)
        async with api.stream("GET", "/") as response:
            other = asyncio.create_task(api.get("/"))
            await asyncio.sleep(5)
            assert api.stats.queued == 1
            await anext(response.bytes())
            response.close()
            assert api.stats.queued == 0
            await asyncio.sleep(0)
            await other
        await api.aclose()

    run(scenario())


def test_a_finished_stream_leaves_nothing_to_the_garbage_collector():
    async def scenario():
        async with client_of(Source(b"a"), watch=[Watcher()]) as api:
            await drained(api)
            gc.collect()
            gc.disable()
            try:
                gc.set_debug(gc.DEBUG_SAVEALL)
                await drained_once(api)
                gc.collect()
                ours = [one for one in gc.garbage if type(one).__module__.startswith("asyncapi")]
                assert not ours
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()

    async def drained_once(api):
        async with api.stream("GET", "/") as response:
            async for _ in response.bytes():
                pass

    run(scenario())


# -- time -------------------------------------------------------------------------------------------------------------


def test_the_clients_total_ends_with_the_headers():
    async def scenario():
        async with client_of(Source(b"a", 50.0, b"b", 50.0, b"c"), timeout=Timeout(5, attempt=2)) as api:
            assert await drained(api) == [b"a", b"b", b"c"]

        async def late(_):
            await asyncio.sleep(9)

        clock = FakeClock()
        async with Client("https://h", transport=MockTransport(late, clock=clock), clock=clock, timeout=5) as api:
            with pytest.raises(RequestTimeout) as caught:
                await drained(api)
            assert caught.value.phase == "headers"

    run(scenario())


def test_a_silent_body_times_out_after_read_and_its_place_is_free():
    async def scenario():
        for settings, call, limit in [
            ({}, {}, 60),
            ({"timeout": Timeout(read=7)}, {}, 7),
            ({"timeout": Timeout(read=7)}, {"timeout": Timeout(None, read=3)}, 3),
        ]:
            source = Source(b"a", 2.0, b"b", 1000.0, b"c")
            async with client_of(source, **settings) as api:
                began = api._clock.now()
                async with api.stream("GET", "/", **call) as response:
                    pieces = response.bytes()
                    assert [await anext(pieces), await anext(pieces)] == [b"a", b"b"]
                    with pytest.raises(RequestTimeout, match=f"silent for {limit} s") as caught:
                        await anext(pieces)
                    assert caught.value.phase == "body"
                    assert caught.value.request.url.path == "/"
                    assert api._clock.now() - began == pytest.approx(limit + 2)
                    assert at_rest(api)
                assert api.stats.by_error == {"RequestTimeout": 1}
                assert source.closed

    run(scenario())


def test_no_limit_is_no_limit():
    async def scenario():
        for settings, call in [({"timeout": None}, {}), ({}, {"timeout": None})]:
            async with client_of(Source(b"a", 100_000.0, b"b"), **settings) as api:
                assert await drained(api, **call) == [b"a", b"b"]

    run(scenario())


@pytest.mark.parametrize("how", ["call", "scope", "the scope of a reader"])
def test_a_total_of_the_calls_own_and_a_deadline_scope_bound_the_body_too(how):
    async def scenario():
        async with client_of(Source(*[b"a", 1.0] * 100)) as api:
            seen = []

            async def read():
                with deadline(4.5 if how == "scope" else 1000, clock=api._clock):
                    async with api.stream("GET", "/", **({"timeout": 4.5} if how == "call" else {})) as response:
                        with deadline(4.5 if how == "the scope of a reader" else 1000, clock=api._clock):
                            async for piece in response.bytes():
                                seen.append(piece)

            with pytest.raises(RequestTimeout) as caught:
                await read()
            assert (caught.value.phase, len(seen), api._clock.now()) == ("body", 5, 4.5)
            assert at_rest(api)

    run(scenario())


def test_a_slow_reader_is_told_by_its_next_read_and_not_in_its_own_code():
    async def scenario():
        async with client_of(Source(b"a", b"b")) as api:
            with deadline(5, clock=api._clock):
                async with api.stream("GET", "/") as response:
                    pieces = response.bytes()
                    await anext(pieces)
                    await asyncio.sleep(100)
                    with pytest.raises(RequestTimeout):
                        await anext(pieces)

    run(scenario())


def test_a_thousand_reads_share_one_timer():
    async def scenario():
        armed = 0
        api = client_of(Source(*[b"a", 0.001] * 1000))
        original = api._clock.call_at

        def counting(when, callback):
            nonlocal armed
            armed += 1
            return original(when, callback)

        api._clock.call_at = counting
        assert len(await drained(api)) == 1000
        assert armed <= 3
        await api.aclose()

    run(scenario())


# -- the layers -------------------------------------------------------------------------------------------------------


def test_a_stream_is_retried_before_its_headers_and_not_after_them():
    async def scenario():
        cut = Source(b"a", ConnectionResetError("gone"))
        async with client_of(reply(503), reply(429, headers={"Retry-After": "3"}), cut, Source(b"no")) as api:
            async with api.stream("GET", "/") as response:
                assert [one.status for one in response.attempts] == [503, 429, 200]
                assert api._clock.now() >= 3
                pieces = response.bytes()
                assert await anext(pieces) == b"a"
                with pytest.raises(ProtocolError, match="broke off") as caught:
                    await anext(pieces)
            assert len(caught.value.attempts) == 3
            assert caught.value.attempts[-1].error.startswith("ProtocolError")
            assert api._transport.requests == 3

    run(scenario())


def test_an_error_status_is_read_and_raised_or_returned():
    async def scenario():
        async with client_of(reply(404, content=aiter(Source(b"not ", b"here")))) as api:
            with pytest.raises(NotFound, match="not here"):
                await drained(api)
            assert at_rest(api)
        for settings, call in [({"raise_for_status": False}, {}), ({}, {"raise_for_status": False})]:
            async with client_of(reply(404, content=b"not here"), **settings) as api:
                assert await drained(api, **call) == [b"not here"]
                assert api.stats.by_status == {404: 1}

    run(scenario())


def test_redirects_are_followed_and_a_credential_is_shown():
    async def scenario():
        def handler(request):
            if request.url.path == "/":
                return reply(307, headers={"Location": "/there"})
            return reply(200, content=aiter(Source(request.headers["Authorization"].encode())))

        async with (
            Client("https://h", transport=MockTransport(handler), auth=Bearer("t0ken")) as api,
            api.stream("POST", "/", content=b"x") as response,
        ):
            assert response.url.path == "/there"
            assert await response.read() == b"Bearer t0ken"
            assert "Authorization" not in response.request.headers

    run(scenario())


def test_a_status_that_a_strategy_retries_closes_the_body_before_the_wait():
    async def scenario():
        first = Source(b"a")
        api = client_of(first, Source(b"b"), concurrency=1, retry=Retry(2, retry=retry_if_result(lambda _: True)))
        async with api.stream("GET", "/") as response:
            assert await response.read() == b"b"
        assert at_rest(api, 1)
        assert first.given == 0
        await api.aclose()

    run(scenario())


def test_a_layer_of_the_users_that_loses_the_answer_loses_no_body():
    async def scenario():
        def loses(inner):
            async def send(request):
                await inner(request)
                await asyncio.sleep(10)
                raise ProtocolError("lost")

            return send

        for cancelled in (False, True):
            api = client_of(Source(b"a"), concurrency=1, layers=[loses])
            task = asyncio.create_task(drained(api))
            await asyncio.sleep(5)
            assert api.stats.in_flight == 1
            if cancelled:
                task.cancel()
            with pytest.raises(asyncio.CancelledError if cancelled else ProtocolError):
                await task
            assert at_rest(api, 1)
            await api.aclose()

    run(scenario())


def test_single_flight_steps_aside():
    async def scenario():
        sources = [Source(b"a", 5.0, b"a"), Source(b"b", 5.0, b"b")]
        async with client_of(*sources, single_flight=True) as api:
            found = await asyncio.gather(drained(api), drained(api))
            assert found == [[b"a", b"a"], [b"b", b"b"]]
            assert api.stats.shared == 0

    run(scenario())


@pytest.mark.parametrize(
    ("takes", "winner"),
    [((9.0, 0.1), b"1"), ((0.5, 9.0), b"0"), ((0.2, 0.1), b"0"), ((0.3, 0.2), b"0"), ((9.0, 9.0), b"0")],
)
def test_hedging_races_the_headers_and_the_losers_are_closed(takes, winner):
    sources = [Source(b"0", 1.0, b"0"), Source(b"1", 1.0, b"1")]

    async def scenario():
        left = list(zip(takes, sources, strict=True))

        async def answer(_):
            wait, source = left.pop(0)
            await asyncio.sleep(wait)
            return reply(200, content=aiter(source))

        clock = FakeClock()
        transport = MockTransport(answer, clock=clock)
        hedge = Hedge(after=0.1, budget=1.0)
        async with Client("https://h", transport=transport, clock=clock, hedge=hedge, concurrency=2) as api:
            async with api.stream("GET", "/") as response:
                assert (api.stats.in_flight, api._state.gate.free) == (1, 1)
                assert await response.read() == winner * 2
            assert transport.requests == len(response.attempts) == 2
            assert at_rest(api, 2)

    run(scenario())


def test_a_fallback_answers_before_the_headers_but_keeps_no_stream():
    async def scenario():
        async with client_of(Source(b"a"), reply(503), retry=None, fallback=Fallback(stale=60)) as api:
            assert await drained(api) == [b"a"]
            with pytest.raises(ServerError):
                await drained(api)
        async with (
            client_of(reply(503), retry=None, fallback=Fallback(value=[1])) as api,
            api.stream("GET", "/") as response,
        ):
            assert "default value" in response.degraded
            assert await response.read() == b"[1]"

        def handler(request):
            return reply(503) if request.url.host == "h" else reply(200, content=aiter(Source(b"b")))

        elsewhere = Fallback(to="https://b")
        transport = MockTransport(handler)
        async with Client("https://h", transport=transport, retry=None, fallback=elsewhere) as api:
            assert await drained(api) == [b"b"]
            assert at_rest(api)

    run(scenario())


def test_the_breaker_goes_by_the_headers():
    async def scenario():
        cut = [Source(b"a", ConnectionResetError("x")) for _ in range(20)]
        async with client_of(*cut, breaker=Breaker(minimum=5), retry=None, rate=RateLimit(1000)) as api:
            for _ in range(20):
                with pytest.raises(ProtocolError):
                    await drained(api)
            assert api.stats.circuits["h"].state == "closed"
        async with client_of(reply(503), breaker=Breaker(minimum=5), retry=None) as api:
            for _ in range(5):
                with pytest.raises(ServerError):
                    await drained(api)
            assert api.stats.circuits["h"].state == "open"

    run(scenario())


class Watcher:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.seen = []

    def call_started(self, request):
        self.seen.append("call")

    def attempt_started(self, token, request, headers):
        self.seen.append("attempt")

    def attempt_ended(self, token, record):
        self.seen.append(("attempt", record.status, record.elapsed))

    def call_ended(self, token, record):
        self.seen.append(("call", record.status, (record.error or "").partition(":")[0], record.elapsed))


@pytest.mark.parametrize("end", ["whole", "cut", "left"])
def test_a_watcher_sees_the_attempt_at_its_headers_and_the_call_at_its_end(end):
    """The call ends when its body closes."""

    async def scenario():
        watcher = Watcher()
        source = Source(b"a", 5.0, *([ConnectionResetError("x")] if end == "cut" else []))
        async with client_of(source, watch=watcher) as api:
            with suppress(ProtocolError):
                async with api.stream("GET", "/") as response:
                    assert watcher.seen == ["call", "attempt", ("attempt", 200, 0.0)]
                    async for _ in response.bytes():
                        if end == "left":
                            await asyncio.sleep(5)
                            break
            assert watcher.seen[3:] == [("call", 200, "ProtocolError" if end == "cut" else "", 5.0)]
            assert api.stats.p50 < 1  # quantiles are of answers: to the headers

    run(scenario())


def test_chaos_meets_streams_too():
    async def scenario():
        for chaos, error in [
            (Chaos(truncate=1.0, seed=3), "in the response body"),
            (Chaos(drops=1.0, seed=3), "chaos"),
        ]:
            api = client_of(Source(b"a" * 100), Source(b"a" * 100), chaos=chaos, retry=None, concurrency=1)
            for _ in range(2):
                with pytest.raises((ProtocolError, OSError, Exception), match=error):
                    await drained(api)
                assert at_rest(api, 1)
            await api.aclose()

    run(scenario())


def test_a_streamed_reply_is_read_whole_by_a_plain_call_within_the_attempt():
    async def scenario():
        async with client_of(Source(b"a", 1.0, b"b")) as api:
            assert (await api.get("/")).content == b"ab"
        slow = [Source(b"a", 100.0, b"b"), Source(b"ok")]
        async with client_of(*slow, timeout=Timeout(100, attempt=5), retry=Retry(2, base=0.1)) as api:
            answer = await api.get("/")
            assert (answer.content, len(answer.attempts)) == (b"ok", 2)
            assert slow[0].closed
        used = reply(200, content=aiter(Source(b"a")))
        async with client_of(used, retry=None) as api:
            assert await drained(api) == [b"a"]
            with pytest.raises(ConfigError, match="make a new one for each request"):
                await drained(api)

    run(scenario())
