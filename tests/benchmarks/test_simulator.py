"""The simulator is repeatable, and what it shows of the SDK's real layers holds."""

import asyncio

import pytest
from simulator import dip, matrix, outages, restarts
from simulator.server import Condition
from simulator.storm import Scenario, measure
from simulator.workers import TokenBucket

from asyncapi import Adaptive, Breaker, Client, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

BROKEN = Scenario("", (Condition(), Condition(5, broken=True), Condition(65)), (5, 65), rate=40.0, seconds=75)
OUTAGE = Scenario("", (Condition(), Condition(5, refuses=True), Condition(10)), (5, 10), rate=40.0, seconds=20)


@pytest.mark.parametrize("name", ["none", "fixed x3", "urllib3", "openai", "aws", "asyncapi"])
def test_the_same_seed_gives_the_same_storm(name):
    assert measure(OUTAGE, name, seed=3) == measure(OUTAGE, name, seed=3)


def test_retries_add_no_more_than_a_fifth_to_the_load_in_a_minute_of_503s():
    """A fifth above the offered load, and the retry budget's floor; a fixed three attempts send 3.5 times the load."""
    offered = BROKEN.rate * 60
    assert measure(BROKEN, "asyncapi").load * offered <= 1.2 * offered * 1.05 + 20
    assert measure(BROKEN, "fixed x3").load > 3.5


def test_what_no_policy_can_answer_none_answers_and_all_recover():
    for name in ("none", "openai", "asyncapi"):
        measured = measure(OUTAGE, name)
        assert measured.success_in_trouble < 0.7
        assert measured.recovery is not None


@pytest.mark.parametrize("length", [5, 60])
def test_a_breaker_closes_within_five_seconds_of_the_end_of_an_outage(length):
    """While the outage lasts it sends next to nothing."""
    seen = outages.measure(length, seeds=(1, 2), breaker=Breaker())
    assert seen.worst <= 5.5
    assert seen.down <= 2.5 * outages.RATE + 3 * length / 4


def test_a_breaker_makes_two_second_restarts_no_worse():
    without, armed = (restarts.measure(seeds=(1, 2), **restarts.POLICIES[one]) for one in ("no breaker", "breaker"))
    assert armed.worst < without.failed
    assert armed.down <= without.down


@pytest.mark.parametrize(
    "rate", [*dip.RATES[:1], *(pytest.param(rate, marks=pytest.mark.soak) for rate in dip.RATES[1:])]
)
def test_retries_do_not_keep_a_dip_alive_that_a_client_without_them_gets_over(rate):
    """As soon normal again as with retry=None, and as many answered, but for the few calls of the first moment."""
    off, ours = (dip.dip(rate, seeds=(1,), **dip.POLICIES[one]) for one in ("retry=None", "default"))
    assert ours.normal[0] <= off.normal[0] + 5
    assert ours.answered[0] >= off.answered[0] - 0.001


@pytest.mark.soak
def test_the_matrix_tells_of_every_algorithm():
    told = matrix.measure(quick=True)
    assert all(set(by) == set(matrix.ALGORITHMS) for by in told["changes"].values())
    assert all(one["rejected"] < 0.01 for by in told["sizes"].values() for one in by.values())


@pytest.mark.parametrize("burst", [1.0, 20.0])
def test_two_hundred_workers_of_a_client_send_nothing_in_a_pause_for_everybody(burst):
    """The real layers, in virtual time, against a hidden token bucket that tells nothing but Retry-After."""

    async def scenario():
        loop, clock, bucket = asyncio.get_running_loop(), FakeClock(1), TokenBucket(burst=burst)
        broken, counts = [], {}

        async def handler(_):
            now = loop.time()
            if now < api._state.paces["h"].pacer.pause.until - 1e-9:
                broken.append(now)
            await asyncio.sleep(0.02)
            status, headers = bucket.answer(loop.time())
            counts[int(loop.time()), status] = counts.get((int(loop.time()), status), 0) + 1
            await asyncio.sleep(0.02)
            return reply(status, headers=headers)

        transport = MockTransport(handler, clock=clock)
        async with Client(
            "http://h", transport=transport, clock=clock, timeout=Timeout(None), concurrency=200, pace="learn"
        ) as api:

            async def work():
                while loop.time() < 60:
                    await api.get("/", raise_for_status=False)

            await asyncio.gather(*(work() for _ in range(200)))
        return broken, counts

    broken, counts = run(scenario())
    assert broken == []
    ok = sum(count for (second, status), count in counts.items() if status == 200 and 10 <= second < 60)
    refused = sum(count for (second, status), count in counts.items() if status == 429 and 10 <= second < 60)
    assert refused < 0.01 * (ok + refused)
    if burst > 1:
        assert ok / 50 >= 93


def test_an_adaptive_client_uses_a_hidden_capacity():
    async def scenario():
        loop, clock = asyncio.get_running_loop(), FakeClock(1)
        busy, rejected, done = 0, 0, {}

        async def handler(_):
            nonlocal busy, rejected
            if busy >= 100:  # fifty at work, fifty in the server's queue
                await asyncio.sleep(0.005)
                rejected += loop.time() > 10
                return reply(503)
            busy += 1
            await asyncio.sleep(0.1 * max(1.0, busy / 50))
            busy -= 1
            done[int(loop.time())] = done.get(int(loop.time()), 0) + 1
            return reply(200)

        transport = MockTransport(handler, clock=clock)
        async with Client(
            "http://h", transport=transport, clock=clock, concurrency=Adaptive(), retry=None, timeout=Timeout(None)
        ) as api:

            async def work():
                while loop.time() < 25:
                    await api.get("/", raise_for_status=False)

            await asyncio.gather(*(work() for _ in range(300)))
        return done, rejected

    done, rejected = run(scenario())
    assert sum(done[second] for second in range(10, 25)) >= 0.9 * 15 * 500
    assert rejected < 0.01 * sum(done.values())
