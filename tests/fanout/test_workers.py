"""The worker pool: never ahead of the window, as many workers as there is work for, and one outcome for each item."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from asyncapi import ConnectError
from asyncapi.fanout.workers import Exhausted, Puller, Workers
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


async def taken(puller: Puller) -> list[str]:
    """All items there are, each handed over as soon as it is pulled."""
    items = []
    while True:
        try:
            items.append(await puller.next())
        except Exhausted:
            return items
        puller.window.leave()


def opened(source, window: int = 2) -> tuple[Puller, asyncio.Task | None]:
    puller = Puller(window)
    feed = puller.open(source)
    if feed is not None:
        puller.feeder = asyncio.get_running_loop().create_task(feed)
    return puller, puller.feeder


async def slowly(count: int, closed: list[int] | None = None):
    try:
        for number in range(count):
            await asyncio.sleep(1)
            yield f"/{number}"
    finally:
        if closed is not None:
            closed.append(count)


@pytest.mark.parametrize("source", [lambda: iter(["/0", "/1", "/2"]), lambda: slowly(3)], ids=["plain", "async"])
def test_items_come_in_order_and_then_there_is_none(source):
    async def scenario():
        puller, _ = opened(source())
        assert await taken(puller) == ["/0", "/1", "/2"]
        assert puller.ended
        assert puller.error is None

    run(scenario())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_item_is_pulled_without_a_place_in_the_window(asynchronous):
    pulled = []

    def plain():
        for number in range(10):
            pulled.append(number)
            yield f"/{number}"

    async def awaited():
        for item in plain():
            yield item

    async def scenario():
        puller, feeder = opened(awaited() if asynchronous else plain(), window=2)
        await puller.next()
        await puller.next()
        third = asyncio.ensure_future(puller.next())
        await asyncio.sleep(1)
        assert not third.done()
        assert pulled == [0, 1]
        puller.window.leave()
        assert await third == "/2"
        if feeder is not None:
            feeder.cancel()
            await asyncio.wait([feeder])

    run(scenario())


def test_an_error_of_the_source_ends_it_and_gives_its_place_back():
    def broken():
        yield "/0"
        raise LookupError("the source broke")

    async def scenario():
        puller, _ = opened(broken())
        assert await taken(puller) == ["/0"]
        assert isinstance(puller.error, LookupError)
        assert puller.window.free == puller.window.limit

    run(scenario())


def test_stop_breaks_off_an_async_source_that_is_asked_for_an_item():
    async def scenario():
        closed: list[int] = []
        puller, feeder = opened(slowly(3, closed))
        await asyncio.sleep(0.5)
        puller.stop()
        assert await taken(puller) == []
        await asyncio.wait([feeder])
        assert feeder.cancelled()
        assert closed == [3]

    run(scenario())


def test_stop_keeps_an_item_that_was_pulled():
    async def scenario():
        puller, feeder = opened(slowly(3), window=1)
        await asyncio.sleep(1.5)  # the first waits to be taken
        puller.stop()
        assert await taken(puller) == ["/0"]
        await asyncio.wait([feeder])
        assert not feeder.cancelled()

    run(scenario())


@pytest.mark.parametrize("source", [lambda: iter(["/0"]), lambda: slowly(1)], ids=["plain", "async"])
def test_nobody_waits_for_an_item_once_it_is_closed(source):
    async def scenario():
        puller, feeder = opened(source())
        puller.window.free = 0
        puller.ended = puller.closed = True
        with pytest.raises(Exhausted):
            await puller.next()
        if feeder is not None:
            feeder.cancel()
            await asyncio.wait([feeder])

    run(scenario())


def test_close_closes_a_generator_and_leaves_other_iterables_alone():
    closed = []

    def plain():
        try:
            yield "/0"
        finally:
            closed.append(True)

    async def scenario():
        for source in (plain(), ["/0"]):
            puller, _ = opened(source)
            await puller.next()
            puller.close()

    run(scenario())
    assert closed == [True]
