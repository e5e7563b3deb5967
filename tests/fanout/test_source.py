"""Pulling items: never ahead of the window, and what ends a source is kept for the consumer."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.fanout.source import Exhausted, Puller
from asyncapi.testing import run


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
