"""The line of waiting tasks: first come first served, and nothing lost when one leaves."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.testing import run


class Counter:
    """A limit of one kind over a line: what was given back."""

    def __init__(self) -> None:
        self.back: list[tuple[float, ...]] = []

    def give_back(self, weights: tuple[float, ...]) -> None:
        self.back.append(weights)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def stand(
    line: WaitQueue, counter: Counter, served: list[int], number: int, weights: tuple[float, ...] = ()
) -> None:
    await line.wait(counter.give_back, weights)
    served.append(number)


async def queue_up(line: WaitQueue, count: int, weights: tuple[float, ...] = ()):
    counter, served = Counter(), []
    tasks = [asyncio.create_task(stand(line, counter, served, n, weights)) for n in range(count)]
    await settle()
    return counter, served, tasks


async def test_tasks_are_called_in_the_order_they_came():
    line = WaitQueue()
    _, served, tasks = await queue_up(line, 5)
    for length in range(5, 0, -1):
        assert line.length == length
        assert line.call()
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]
    assert not line.call()
    assert line.head() is None


async def test_a_task_that_is_cancelled_while_it_waits_is_skipped_and_gives_nothing_back():
    line = WaitQueue()
    counter, served, tasks = await queue_up(line, 4)
    tasks[0].cancel()
    tasks[2].cancel()
    await settle()
    assert line.length == 2
    assert line.call()
    assert line.call()
    assert not line.call()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [1, 3]
    assert counter.back == []


async def test_a_cancelled_task_is_skipped_even_before_it_has_noticed():
    line = WaitQueue()
    _, served, tasks = await queue_up(line, 2)
    tasks[0].cancel()
    assert line.call()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [1]
    assert line.length == 0


@pytest.mark.parametrize("times", [1, 2])
async def test_what_a_task_was_given_but_never_used_is_given_back_once(times):
    line = WaitQueue(1)
    counter, served, tasks = await queue_up(line, 2, (3.0,))
    assert line.call()
    for _ in range(times):
        tasks[0].cancel()
    await settle()
    assert counter.back == [(3.0,)]
    assert line.length == 1
    assert line.ahead(0) == [3.0]
    assert line.call()
    await tasks[1]
    assert served == [1]


async def test_a_wait_that_is_closed_instead_of_cancelled_gives_nothing_back():
    line, counter = WaitQueue(1), Counter()
    wait = line.wait(counter.give_back, (2.0,))
    wait.send(None)
    assert line.length == 1
    wait.close()
    assert (line.length, line.ahead(0), counter.back) == (0, [0.0], [])
    assert not line.call()


async def test_what_is_asked_for_is_the_sum_over_those_who_wait():
    line = WaitQueue(2)
    counter, _, tasks = await queue_up(line, 3, (1.0, 10.0))
    assert line.ahead(0) == [3.0, 30.0]
    tasks[1].cancel()
    await settle()
    assert line.ahead(0) == [2.0, 20.0]
    assert line.call()
    assert line.ahead(0) == [1.0, 10.0]
    tasks[2].cancel()
    await settle()
    assert line.ahead(0) == [0.0, 0.0]
    assert counter.back == []


async def test_ten_thousand_who_left_from_the_middle_are_forgotten():
    line = WaitQueue()
    _, served, tasks = await queue_up(line, 10_000)
    for task in tasks[1:]:
        task.cancel()
    await settle()
    assert line.length == 1
    assert line._tickets.size <= 2 * 1 + 64 + 1
    assert line.call()
    await tasks[0]
    assert served == [0]


def test_in_any_order_of_events_no_place_is_lost_and_nobody_overtakes():
    """A limit of three places over the queue, against the one rule: places held plus places free is three."""

    async def scenario(seed: int) -> None:
        draw, line = random.Random(seed), WaitQueue(1)
        free, inside, order, began = 3, set(), [], []

        def leave(_: object = None) -> None:
            nonlocal free
            if not line.call():
                free += 1

        async def visit(number: int) -> None:
            nonlocal free
            if free > 0:
                free -= 1
            else:
                began.append(number)
                await line.wait(leave, (1.0,))
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
        assert (line.length, line.ahead(0), line.head()) == (0, [0.0], None)
        assert order == [number for number in began if number in order]

    for seed in range(200):
        run(scenario(seed))
