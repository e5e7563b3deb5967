"""Tasks that find no tokens wait in order for theirs, and are refused at once where waiting could not help."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from asyncapi.errors import QueueFull, RateExceeded, RequestTimeout
from asyncapi.messages.call import CallSettings
from asyncapi.sansio.limits.bucket import Bucket
from asyncapi.scheduling.token_queue import Limiter, refuse, wait_for_tokens
from asyncapi.testing import FakeClock, run
from asyncapi.types import Call, Request


def request_of(*, deadline: float | None = None, max_wait: float | None = None, priority: int = 0) -> Request:
    request = Request("GET", "https://h/")
    request.deadline = deadline
    request.call = Call(0.0, "h", CallSettings(max_wait=max_wait, priority=priority))
    return request


def limiter_of(clock: FakeClock, *buckets: tuple[float, float, float]) -> Limiter:
    return Limiter([Bucket(*bucket) for bucket in buckets or [(1, 1.0, 1)]], clock)


async def take(limiter: Limiter, clock: FakeClock, times: list[float], weight: float = 1.0, **call: int) -> None:
    """Take tokens, waiting for them if need be; the time goes into `times`."""
    weights = (weight,) * len(limiter.buckets)
    if not limiter.take(weights):
        await limiter.wait(weights, **call)
    times.append(clock.now())


def test_tokens_that_are_there_are_taken_at_once_and_the_others_in_order():
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock, (2, 1.0, 3))
        await asyncio.gather(*(take(limiter, clock, times) for _ in range(7)))
        assert times == pytest.approx([0, 0, 0, 0.5, 1, 1.5, 2])
        assert not limiter.busy or limiter.queue.length == 0

    run(scenario())


def test_several_limits_hold_at_once():
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock, (10, 1.0, 10), (2, 60.0, 2))
        await asyncio.gather(*(take(limiter, clock, times) for _ in range(3)))
        assert times == pytest.approx([0, 0, 30])

    run(scenario())


def test_a_newcomer_does_not_overtake_who_waits():
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock)
        assert limiter.take((1.0,))
        heavy = asyncio.create_task(take(limiter, clock, times))
        await asyncio.sleep(0)
        await asyncio.sleep(1.0)
        assert times == [1.0]
        assert not limiter.take((1.0,))
        await heavy

    run(scenario())


def test_who_is_cancelled_spends_nothing_and_the_next_is_due_earlier():
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock, (1, 1.0, 10))
        limiter.take((10.0,))
        heavy, light = (asyncio.create_task(take(limiter, clock, times, weight)) for weight in (8.0, 1.0))
        await asyncio.sleep(1.5)
        heavy.cancel()
        await asyncio.wait([heavy, light])
        assert times == [1.5]
        assert limiter.buckets[0].available(clock.now()) == pytest.approx(0.5)

    run(scenario())


def test_the_higher_priority_goes_first_as_soon_as_there_are_tokens_for_it():
    async def scenario():
        clock, heavy, urgent = FakeClock(), [], []
        limiter = limiter_of(clock, (1, 1.0, 10))
        limiter.take((10.0,))
        tasks = [asyncio.create_task(take(limiter, clock, heavy, 8.0))]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(take(limiter, clock, urgent, 2.0, priority=1)))
        await asyncio.gather(*tasks)
        assert (urgent, heavy) == ([pytest.approx(2.0)], [pytest.approx(10.0)])

    run(scenario())


def test_a_forecast_counts_those_who_go_before():
    async def scenario():
        clock = FakeClock()
        limiter = limiter_of(clock)
        limiter.take((1.0,))
        tasks = [asyncio.create_task(take(limiter, clock, [])) for _ in range(3)]
        await asyncio.sleep(0)
        assert limiter.forecast((1.0,)) == pytest.approx(4.0)
        assert limiter.forecast((1.0,), priority=1) == pytest.approx(1.0)
        await asyncio.gather(*tasks)

    run(scenario())


def test_a_bucket_that_has_changed_is_looked_at_again():
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock, (1, 100.0, 1))
        limiter.take((1.0,))
        task = asyncio.create_task(take(limiter, clock, times))
        await asyncio.sleep(3.0)
        limiter.buckets[0].give_back(1.0)
        limiter.look_again()
        await task
        assert times == [3.0]

    run(scenario())


def test_a_wait_is_written_down_in_the_call():
    async def scenario():
        clock, request = FakeClock(), request_of()
        limiter = limiter_of(clock)
        limiter.take((1.0,))
        await wait_for_tokens(request, limiter, (1.0,), clock, who="rate", max_queue=None)
        assert request.call.queued == pytest.approx(1.0)
        assert request.call.phase == "queue"
        assert request.call.wait_log == "rate 1 s behind 0"

    run(scenario())


@pytest.mark.parametrize(("who", "held_by"), [("rate", "rate"), ("server's", "pace"), ("keys'", "keys'")])
def test_a_wait_past_the_deadline_is_refused_at_once_and_says_by_whom(who, held_by):
    with pytest.raises(RequestTimeout, match="limit would hold this call for 5 s; its deadline is in 2 s") as caught:
        refuse(request_of(deadline=12.0), 5.0, 10.0, who=who)
    assert (caught.value.phase, caught.value.held_by, caught.value.final) == ("queue", held_by, True)


def test_a_longer_wait_than_the_call_wants_is_refused_with_when_to_come_back():
    with pytest.raises(RateExceeded, match=r"the rate limit would hold this call for 5 s; it waits 1 s") as caught:
        refuse(request_of(max_wait=1.0), 4.9999, 10.0, who="rate")
    assert (caught.value.retry_after, caught.value.held_by) == (5.0, "wait")


def test_a_full_queue_is_refused_with_when_to_come_back():
    with pytest.raises(QueueFull, match=r"3 calls wait already \(max_queue=3\); come back in 5 s") as caught:
        refuse(request_of(), 5.0, 10.0, who="rate", before=3, max_queue=3)
    assert caught.value.retry_after == 5.0


def test_a_wait_that_is_short_enough_is_not_refused():
    refuse(request_of(deadline=20.0, max_wait=6.0), 5.0, 10.0, who="rate", before=2, max_queue=3)


@pytest.mark.parametrize("cancelled", range(4))
def test_whoever_leaves_the_tokens_go_on_in_turn_and_none_is_lost(cancelled):
    async def scenario():
        clock, times = FakeClock(), []
        limiter = limiter_of(clock)
        limiter.take((1.0,))
        tasks = [asyncio.create_task(take(limiter, clock, times)) for _ in range(4)]
        await asyncio.sleep(0.5)
        tasks[cancelled].cancel()
        await asyncio.wait(tasks)
        assert times == [1.0, 2.0, 3.0]
        assert all(later - earlier == 1.0 for earlier, later in itertools.pairwise(times))
        assert limiter.queue.length == 0

    run(scenario())
