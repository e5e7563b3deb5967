"""The worker pool: as many workers as there is work for, and one outcome for each item."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from asyncapi import ConnectError
from asyncapi.fanout.source import Puller
from asyncapi.fanout.workers import Workers
from asyncapi.testing import reply, run


class Consumer:
    """Collects outcomes and how tasks ended."""

    def __init__(self) -> None:
        self.outcomes = []
        self.ends = []

    def settle(self, outcome) -> None:
        self.outcomes.append(outcome)

    def ended(self, task) -> None:
        self.ends.append(task.cancelled() or task.exception())


def pool(call, items, *, limit=3, window=100) -> tuple[Workers, Consumer]:
    puller = Puller(window)
    puller.open(items)
    return Workers(call, puller, asyncio.get_running_loop().time, limit=limit), Consumer()


async def until_done(workers: Workers) -> None:
    while workers.tasks:
        await asyncio.wait(workers.tasks)
        await asyncio.sleep(0)


async def fine(item, _):
    await asyncio.sleep(1)
    return item.upper(), reply(200)


@pytest.mark.parametrize(("items", "workers"), [(0, 1), (1, 2), (2, 3), (5, 3)])
def test_workers_are_started_only_as_items_come(items, workers):
    """The one that finds no item is the last; there are never more than the limit."""

    async def scenario():
        made, consumer = pool(fine, [f"/{n}" for n in range(items)])
        made.add(consumer)
        await until_done(made)
        assert made.count == workers
        assert sorted(outcome.value for outcome in consumer.outcomes) == [f"/{n}" for n in range(items)]

    run(scenario())


def test_the_failure_of_an_item_is_its_outcome():
    async def refused(item, _):
        if item == "/1":
            raise ConnectError("refused")
        return item, reply(200)

    async def scenario():
        made, consumer = pool(refused, ["/0", "/1", "/2"], limit=1)
        made.add(consumer)
        await until_done(made)
        assert [type(outcome.error) for outcome in consumer.outcomes] == [type(None), ConnectError, type(None)]
        assert [outcome.index for outcome in consumer.outcomes] == [0, 1, 2]
        assert consumer.ends == [None]

    run(scenario())


def test_an_error_that_is_no_failure_of_an_item_ends_the_worker():
    async def broken(*_):
        raise LookupError("a bug")

    async def scenario():
        made, consumer = pool(broken, ["/0"], limit=1)
        made.add(consumer)
        await until_done(made)
        assert isinstance(consumer.ends[0], LookupError)
        assert not consumer.outcomes

    run(scenario())


@pytest.mark.parametrize("fails", [False, True])
def test_an_item_sent_again_counts_the_attempts_and_seconds_of_both_times(fails):
    async def again(*_):
        await asyncio.sleep(2)
        if fails:
            raise ConnectError("refused")
        response = reply(200)
        response.elapsed = 2.0
        return 1, response

    async def scenario():
        made, consumer = pool(again, [])
        left = []
        judge = SimpleNamespace(again=lambda item, age: None)
        held = SimpleNamespace(judge=judge, leave=lambda: left.append(1), takes=lambda outcome, began: False)
        attempt = SimpleNamespace(status=503)
        item = SimpleNamespace(index=7, item="/7", began=0.0, attempts=(attempt,), spent=3.0)
        await made.send_again(item, held, consumer)
        [outcome] = consumer.outcomes
        assert (outcome.index, outcome.elapsed, outcome.attempts) == (7, 5.0, (attempt,))
        assert outcome.status == (503 if fails else 200)
        assert left == [1]

    run(scenario())
