"""Rows of a stream come from a thread, in batches, and never block the event loop."""

import asyncio
import itertools
import threading

import pytest

from asyncapi.bulk.feed import feed, in_thread


class Reader:
    """Stands in for a reader: items come as the test lets them."""

    def __init__(self, items, error=None):
        self._items, self._error = items, error
        self.closed = threading.Event()
        self.pulled = 0

    def items(self, before_read):
        for item in self._items:
            self.pulled += 1
            yield item
        before_read()
        if self._error is not None:
            raise self._error

    def close(self):
        self.closed.set()


async def test_every_item_comes_in_order():
    reader = Reader(range(1234))
    assert [item async for item in feed(reader)] == list(range(1234))
    assert reader.closed.is_set()


async def test_an_error_of_the_reader_comes_after_the_rows_before_it():
    rows = feed(Reader(range(150), LookupError("broken")))
    assert [await anext(rows) for _ in range(150)] == list(range(150))
    with pytest.raises(LookupError):
        await anext(rows)


async def test_a_consumer_that_stands_still_holds_the_thread_back():
    """Two batches wait, and one is being made: no more rows are read."""
    reader = Reader(range(100_000))
    rows = feed(reader)
    await anext(rows)
    await asyncio.to_thread(reader.closed.wait, 0.3)
    assert reader.pulled <= 4 * 100
    await rows.aclose()
    assert reader.closed.is_set()


async def test_work_in_a_thread_gives_its_value_or_its_error():
    assert await in_thread(lambda: threading.current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0)


async def test_work_whose_caller_has_gone_is_dropped():
    release = threading.Event()
    waiting = asyncio.ensure_future(in_thread(lambda: release.wait(20)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()


async def test_the_thread_ends_when_nobody_reads_a_source_without_end():
    before = set(threading.enumerate())
    rows = feed(Reader(itertools.count()))
    assert await anext(rows) == 0
    (thread,) = set(threading.enumerate()) - before
    await rows.aclose()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
