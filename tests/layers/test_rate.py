"""Rate limits: never over the limit, nearly all of it under load, first come first served, nothing spent for nothing."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi import (
    Breaker,
    CircuitOpen,
    Client,
    DeadlineExceeded,
    QueueFull,
    RateLimit,
    Request,
    RequestTimeout,
    Timeout,
    deadline,
)
from asyncapi.layers import telemetry
from asyncapi.layers.concurrency import Gate, concurrency
from asyncapi.layers.rate import rate
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.token_queue import Limiter
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Call, stack


class Host:
    """A client in virtual time, and what its host saw: (when, path) of every attempt."""

    def __init__(self, *rates: RateLimit, timeout: Timeout | float | None = None, **settings) -> None:
        self.clock = FakeClock()
        self.seen: list[tuple[float, str]] = []
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            rate=rates,
            timeout=timeout,
            concurrency=None,
            **settings,
        )

    def answer(self, request: Request):
        self.seen.append((self.clock.now(), request.url.path))
        return reply()

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.seen]


def weight_of(request: Request) -> float:
    return float(request.headers.get("Weight", "1"))


def pending_timers() -> int:
    return sum(not handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)


def most_in_any_window(times: list[float], per: float) -> int:
    first = most = 0
    for last, when in enumerate(times):
        while when - times[first] >= per:
            first += 1
        most = max(most, last - first + 1)
    return most


def tokens_before_places(burst: int):
    """The rate layer above a single place, with one token per 1,000 s: clock, limiter, gate, and a call."""
    clock = FakeClock()
    limiter, gate = Limiter([RateLimit(1, per=1000.0, burst=burst).start()], clock), Gate(1)
    send = stack(
        MockTransport(lambda _: reply(), clock=clock).send,
        rate(Keyed(lambda: limiter), lambda _: (1.0,), clock),
        concurrency(gate, clock),
        telemetry.attempts(telemetry.Meter(), clock),
    )

    def call(max_wait=None):
        request = Request("GET", "https://h/")
        request.call = Call(clock.now(), "h", None, None, None)
        request.call.max_wait = max_wait
        return send(request)

    return clock, limiter, gate, call


def test_a_token_goes_back_when_the_call_ends_while_it_waits_for_a_place():
    async def scenario():
        clock, limiter, gate, call = tokens_before_places(burst=3)

        def left():
            return limiter.buckets[0].available(clock.now())

        await gate.enter()  # somebody else has the only place
        with pytest.raises(QueueFull):
            await call(max_wait=0)
        assert left() == 3
        waiting = asyncio.create_task(call())
        await asyncio.sleep(1)
        assert 2 < left() < 2.1
        waiting.cancel()
        await asyncio.wait([waiting])
        assert left() == 3
        gate.leave()
        await call()
        assert 2 <= left() < 2.1  # that one was sent

    run(scenario())


def test_who_waits_for_a_token_gets_the_one_that_comes_back():
    async def scenario():
        clock, _, gate, call = tokens_before_places(burst=1)
        await gate.enter()
        first, second = asyncio.create_task(call()), asyncio.create_task(call())
        await asyncio.sleep(1)
        first.cancel()
        gate.leave()
        assert (await second).status == 200
        assert clock.now() < 2

    run(scenario())


def test_a_burst_goes_at_once_and_the_rest_is_spaced():
    async def scenario():
        host = Host(RateLimit(10, per=1.0, burst=5))
        await host.client.gather([f"/{n}" for n in range(10)])
        assert host.times[:5] == [0.0] * 5
        assert host.times[5:] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])

    run(scenario())


def test_a_burst_of_one_spaces_every_attempt_evenly():
    async def scenario():
        host = Host(RateLimit(4, per=1.0, burst=1))
        await host.client.gather([f"/{n}" for n in range(5)])
        assert host.times == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])

    run(scenario())


def test_under_load_at_least_99_percent_of_the_rate_is_used_and_never_more_than_it():
    async def scenario():
        host = Host(RateLimit(100, per=1.0, burst=10))
        calls = [asyncio.create_task(host.client.get(f"/{n}")) for n in range(3010)]
        await asyncio.gather(*calls)
        assert 29.999 <= host.times[-1] <= 30 / 0.99
        assert most_in_any_window(host.times, 1.0) <= 110

    run(scenario())


def test_the_order_is_first_come_first_served_whatever_each_one_weighs():
    async def scenario():
        draw, host = random.Random(3), Host(RateLimit(10, per=1.0, burst=3, weight=weight_of))
        calls = []
        for number in range(100):
            weight = str(draw.choice((0.5, 1, 2, 7)))
            calls.append(asyncio.create_task(host.client.get(f"/{number}", headers={"Weight": weight})))
            if draw.random() < 0.2:
                await asyncio.sleep(draw.random())
        await asyncio.gather(*calls)
        assert [path for _, path in host.seen] == [f"/{number}" for number in range(100)]

    run(scenario())


def test_several_limits_all_hold_at_once():
    async def scenario():
        host = Host(RateLimit(10, per=1.0), RateLimit(30, per=10.0), RateLimit(2, per=0.1, burst=2))
        await host.client.gather([f"/{n}" for n in range(100)], concurrency=100)
        assert most_in_any_window(host.times, 0.1) <= 2 + 2
        assert most_in_any_window(host.times, 1.0) <= 10 + 10
        assert most_in_any_window(host.times, 10.0) <= 30 + 30
        assert host.times[-1] == pytest.approx((100 - 30) / 3.0, rel=0.01)

    run(scenario())


def test_a_limit_by_host_lets_one_host_wait_and_the_other_pass():
    async def scenario():
        host = Host(RateLimit(1, per=10.0, by="host"))
        slow = [asyncio.create_task(host.client.get("https://a/1")) for _ in range(2)]
        await asyncio.sleep(1)
        await host.client.get("https://b/1")
        assert host.clock.now() == 1.0
        await host.client.get("https://a:8443/1")  # another port is another host
        assert host.clock.now() == 1.0
        await asyncio.gather(*slow)
        assert host.clock.now() == 10.0
        assert set(host.client.stats.rate) == {"a", "b", "a:8443"}

    run(scenario())


def test_limits_of_the_client_and_of_its_hosts_hold_together():
    async def scenario():
        host = Host(RateLimit(4, per=1.0, burst=1), RateLimit(1, per=1.0, burst=1, by="host"))
        await host.client.gather([f"https://{name}/{n}" for n in range(5) for name in ("a", "b")], concurrency=20)
        assert most_in_any_window(host.times, 0.99) <= 4
        assert host.times[-1] >= 4.0

    run(scenario())


def test_retries_take_tokens_too():
    async def scenario():
        host = Host(RateLimit(1, per=5.0, burst=1))
        replies = iter([reply(503), reply(503), reply()])
        host.client._transport._handler = lambda request: (host.answer(request), next(replies))[1]
        response = await host.client.get("/")
        assert host.times == pytest.approx([0.0, 5.0, 10.0])
        assert response.attempts[1].queued > 4
        assert sum(attempt.queued for attempt in response.attempts) < 10

    run(scenario())


def test_a_weight_over_the_burst_is_late_but_never_stuck():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=2, weight=weight_of))
        await host.client.get("/light")
        await host.client.get("/heavy", headers={"Weight": "10"})
        assert host.times[-1] == 1.0  # when the bucket was full again
        await host.client.get("/light")
        assert host.times[-1] == pytest.approx(10.0)

    run(scenario())


def test_a_wait_that_would_pass_the_deadline_is_refused_at_once_and_spends_nothing():
    async def scenario():
        host = Host(RateLimit(1, per=10.0, burst=1), timeout=5.0)
        await host.client.get("/1")
        for _ in range(3):
            with pytest.raises(RequestTimeout, match=r"the rate limit would hold it for 10 s") as caught:
                await host.client.get("/refused")
            assert caught.value.phase == "queue"
            assert caught.value.attempts == ()
        assert host.clock.now() == 0.0
        await host.client.get("/2", timeout=10.5)
        assert host.times == [0.0, 10.0]
        assert host.client.stats.retries == 0

    run(scenario())


def test_the_forecast_counts_those_who_wait_already():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=1, weight=weight_of), timeout=100.0)
        await host.client.get("/")
        ahead = [asyncio.create_task(host.client.get("/", headers={"Weight": "3"})) for _ in range(3)]
        await asyncio.sleep(0.5)
        with pytest.raises(RequestTimeout):
            await host.client.get("/", timeout=9.0)  # its turn is at 10.0, its deadline at 9.5
        assert host.clock.now() == 0.5
        await host.client.get("/", timeout=9.75)
        assert host.clock.now() == pytest.approx(10.0)
        await asyncio.gather(*ahead)

    run(scenario())


def test_a_passed_deadline_takes_no_token():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=1))
        with deadline(1.0, clock=host.clock):
            await asyncio.sleep(1)
            with pytest.raises(DeadlineExceeded):
                await host.client.get("/")
        await host.client.get("/")
        assert host.times == [1.0]

    run(scenario())


@pytest.mark.parametrize("times", [1, 2])
def test_cancelled_waiters_spend_nothing_and_leave_no_timer(times):
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=1))
        await host.client.get("/0")
        calls = [asyncio.create_task(host.client.get(f"/{n}")) for n in range(1, 51)]
        await asyncio.sleep(0.5)
        assert host.client.stats.queued == 50
        for call in calls:
            for _ in range(times):
                call.cancel()
        await asyncio.wait(calls)
        assert host.client.stats.queued == 0
        assert pending_timers() == 0
        await host.client.get("/51")
        assert host.times == [0.0, 1.0]

    run(scenario())


def test_a_waiter_that_is_cancelled_just_as_its_token_comes_hands_it_on():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=1))
        await host.client.get("/0")
        first, second = (asyncio.create_task(host.client.get(f"/{n}")) for n in (1, 2))
        await asyncio.sleep(0)
        ((_, _, limiters),) = host.client._state.limiters
        asyncio.get_running_loop().call_at(1.0, lambda: (limiters[""]._serve(), first.cancel()))
        await second
        assert first.cancelled()
        assert host.seen == [(0.0, "/0"), (1.0, "/2")]

    run(scenario())


def test_calls_behind_a_heavy_one_that_leaves_go_when_their_own_tokens_are_due():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=10, weight=weight_of))
        await host.client.get("/", headers={"Weight": "10"})
        heavy = asyncio.create_task(host.client.get("/heavy", headers={"Weight": "10"}))
        light = asyncio.create_task(host.client.get("/light"))
        await asyncio.sleep(0.25)
        heavy.cancel()
        await light
        assert host.seen[1:] == [(pytest.approx(1.0), "/light")]

    run(scenario())


def test_a_waiter_that_leaves_leaves_the_bucket_as_full_as_if_it_had_never_come():
    async def scenario():
        host = Host(RateLimit(1, per=1.0, burst=1, by="host"))
        await host.client.get("https://a/0")
        gone = asyncio.create_task(host.client.get("https://a/1"))
        await asyncio.sleep(0.1)
        gone.cancel()
        await asyncio.wait([gone])
        await asyncio.sleep(0.9)
        assert host.client.stats.rate["a"] == [pytest.approx(1.0)]

    run(scenario())


def test_idle_limits_arm_no_timer():
    async def scenario():
        host = Host(RateLimit(1000, per=1.0))
        for _ in range(100):
            await host.client.get("/")
        assert pending_timers() == 0

    run(scenario())


class Counters:
    """The textbook model of several limits and a first-come-first-served line, stepped through in small ticks."""

    TICK = 1 / 64

    def __init__(self, limits: list[tuple[int, int]]) -> None:
        self.limits = limits  # tokens per second, burst
        self.tokens = [float(burst) for _, burst in limits]
        self.now = 0.0

    def serve(self, weight: float) -> float:
        """When a request of this weight, next in line, goes."""
        while not all(have >= min(weight, burst) for have, (_, burst) in zip(self.tokens, self.limits, strict=True)):
            self.advance(self.now + self.TICK)
        self.tokens = [have - weight for have in self.tokens]
        return self.now

    def advance(self, now: float) -> None:
        gone, self.now = now - self.now, now
        self.tokens = [
            min(float(burst), have + gone * rate) for have, (rate, burst) in zip(self.tokens, self.limits, strict=True)
        ]


@settings(max_examples=200)
@given(
    limits=st.lists(st.tuples(st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 8)), min_size=1, max_size=3),
    arrivals=st.lists(st.tuples(st.integers(0, 64), st.sampled_from([0, 0.5, 1, 1, 1, 2, 5])), min_size=1, max_size=25),
)
def test_every_attempt_goes_exactly_when_the_textbook_model_lets_it(limits, arrivals):
    async def scenario():
        rates = [RateLimit(rate, per=1.0, burst=burst, weight=weight_of) for rate, burst in limits]
        host, model, expected = Host(*rates, retry=None), Counters(limits), []
        calls, now = [], 0.0
        for gap, weight in arrivals:
            now += gap * Counters.TICK
            if now > model.now:
                model.advance(now)
            expected.append(model.serve(weight))
            await asyncio.sleep(now - host.clock.now())
            calls.append(asyncio.create_task(host.client.get("/", headers={"Weight": str(weight)})))
        await asyncio.gather(*calls)
        assert host.times == pytest.approx(expected, abs=1e-6)

    run(scenario())


@pytest.mark.parametrize("why", ["refused", "cancelled", "open"])
def test_an_attempt_that_is_not_sent_after_all_gives_its_token_back(why):
    """Refused for want of a place, cancelled in line for one, or turned away by a circuit that has opened meanwhile."""

    async def scenario():
        clock = FakeClock()

        async def answer(request):
            await clock.sleep(1)
            return reply(503 if why == "open" else 200)

        api = Client(
            "https://h", transport=MockTransport(answer, clock=clock), clock=clock, retry=None, concurrency=1,
            rate=[RateLimit(5, per=1000), RateLimit(5, per=1000, by="host")], raise_for_status=False,
            breaker=Breaker(minimum=1) if why == "open" else None,
        )  # fmt: skip
        async with api:
            first = asyncio.create_task(api.get("/"))
            await clock.sleep(0.1)
            for _ in range(20):
                other = asyncio.create_task(api.get("/", wait=why != "refused"))
                await clock.sleep(0.01)
                if why == "cancelled":
                    other.cancel()
                await asyncio.wait([other] if why != "open" else [first, other])
                assert other.cancelled() or isinstance(other.exception(), QueueFull | CircuitOpen)
            await first
            buckets = [one.buckets[0] for *_, keyed in api._state.limiters for one in keyed.values()]
            return [bucket.available(clock.now()) for bucket in buckets]

    assert run(scenario()) == pytest.approx([4, 4], abs=0.1)


@pytest.mark.parametrize(("held", "lacks"), [(0.0, 3.0), (0.5, 3.5), (100.0, 3.0)])
def test_tokens_that_time_has_refilled_are_not_given_back_twice(held, lacks):
    """Whoever is cancelled after a long wait for a place must not let others go faster than the limit."""

    async def scenario():
        clock = FakeClock()

        async def inner(request):
            await clock.sleep(1000)  # in line for a place

        limiters = Keyed(lambda: Limiter([RateLimit(5, per=5).start()], clock))
        send = rate(limiters, lambda _: (1.0,), clock)(inner)

        def start(count):
            return [asyncio.create_task(send(Request("GET", "https://h/"))) for _ in range(count)]

        early = start(2)
        await clock.sleep(held)
        late = start(3)
        await clock.sleep(0)
        for task in early:
            task.cancel()
        await asyncio.wait(early)
        lacking = 5 - limiters[""].buckets[0].available(clock.now())
        for task in late:
            task.cancel()
        await asyncio.wait(late)
        return lacking

    assert run(scenario()) == pytest.approx(lacks)  # 3.5: half a token refilled, and two halves given back
