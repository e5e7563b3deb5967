"""The queue of waiting tasks: first come first served, and nothing lost when one leaves."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.testing import run


class Counter:
    """A limit of one kind over a queue: what was given back."""

    def __init__(self) -> None:
        self.back: list[tuple[float, ...]] = []

    def give_back(self, weights: tuple[float, ...]) -> None:
        self.back.append(weights)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def wait_in(
    queue: WaitQueue, counter: Counter, served: list[int], number: int, weights: tuple[float, ...] = ()
) -> None:
    await queue.wait(counter.give_back, weights)
    served.append(number)


async def queue_up(queue: WaitQueue, count: int, weights: tuple[float, ...] = ()):
    counter, served = Counter(), []
    tasks = [asyncio.create_task(wait_in(queue, counter, served, n, weights)) for n in range(count)]
    await settle()
    return counter, served, tasks


async def test_tasks_are_called_in_the_order_they_came():
    queue = WaitQueue()
    _, served, tasks = await queue_up(queue, 5)
    for length in range(5, 0, -1):
        assert queue.length == length
        assert queue.call()
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]
    assert not queue.call()
    assert queue.head() is None


async def test_a_task_that_is_cancelled_while_it_waits_is_skipped_and_gives_nothing_back():
    queue = WaitQueue()
    counter, served, tasks = await queue_up(queue, 4)
    tasks[0].cancel()
    tasks[2].cancel()
    await settle()
    assert queue.length == 2
    assert queue.call()
    assert queue.call()
    assert not queue.call()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [1, 3]
    assert counter.back == []


async def test_a_cancelled_task_is_skipped_even_before_it_has_noticed():
    queue = WaitQueue()
    _, served, tasks = await queue_up(queue, 2)
    tasks[0].cancel()
    assert queue.call()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [1]
    assert queue.length == 0


@pytest.mark.parametrize("times", [1, 2])
async def test_what_a_task_was_given_but_never_used_is_given_back_once(times):
    queue = WaitQueue(1)
    counter, served, tasks = await queue_up(queue, 2, (3.0,))
    assert queue.call()
    for _ in range(times):
        tasks[0].cancel()
    await settle()
    assert counter.back == [(3.0,)]
    assert queue.length == 1
    assert queue.ahead(0) == [3.0]
    assert queue.call()
    await tasks[1]
    assert served == [1]


async def test_a_wait_that_is_closed_instead_of_cancelled_gives_nothing_back():
    queue, counter = WaitQueue(1), Counter()
    wait = queue.wait(counter.give_back, (2.0,))
    wait.send(None)
    assert queue.length == 1
    wait.close()
    assert (queue.length, queue.ahead(0), counter.back) == (0, [0.0], [])
    assert not queue.call()


async def test_what_is_asked_for_is_the_sum_over_those_who_wait():
    queue = WaitQueue(2)
    counter, _, tasks = await queue_up(queue, 3, (1.0, 10.0))
    assert queue.ahead(0) == [3.0, 30.0]
    tasks[1].cancel()
    await settle()
    assert queue.ahead(0) == [2.0, 20.0]
    assert queue.call()
    assert queue.ahead(0) == [1.0, 10.0]
    tasks[2].cancel()
    await settle()
    assert queue.ahead(0) == [0.0, 0.0]
    assert counter.back == []


async def test_ten_thousand_who_left_from_the_middle_are_forgotten():
    queue = WaitQueue()
    _, served, tasks = await queue_up(queue, 10_000)
    for task in tasks[1:]:
        task.cancel()
    await settle()
    assert queue.length == 1
    assert queue._tickets.size <= 2 * 1 + 64 + 1
    assert queue.call()
    await tasks[0]
    assert served == [0]


def test_in_any_order_of_events_nothing_is_lost_and_nobody_overtakes():
    """A limit of three places over the queue, against the one rule: places held plus places free is three."""

    async def scenario(seed: int) -> None:
        draw, queue = random.Random(seed), WaitQueue(1)
        free, inside, order, began = 3, set(), [], []

        def leave(_: object = None) -> None:
            nonlocal free
            if not queue.call():
                free += 1

        async def visit(number: int) -> None:
            nonlocal free
            if free > 0:
                free -= 1
            else:
                began.append(number)
                await queue.wait(leave, (1.0,))
                order.append(number)
            inside.add(number)
            try:
                assert len(inside) <= 3
                for _ in range(draw.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                inside.discard(number)
                leave()

        tasks = []
        for number in range(60):
            tasks.append(asyncio.create_task(visit(number)))
            for task in draw.sample(tasks, min(len(tasks), draw.randrange(3))):
                task.cancel()
                if draw.random() < 0.3:
                    task.cancel()
            if draw.random() < 0.5:
                await asyncio.sleep(0)
        await asyncio.wait(tasks)
        assert free == 3
        assert (queue.length, queue.ahead(0), queue.head()) == (0, [0.0], None)
        assert order == [number for number in began if number in order]

    for seed in range(200):
        run(scenario(seed))
