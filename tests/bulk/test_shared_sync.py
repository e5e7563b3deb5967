"""A sync is shared by all who wait for it, and its failure too."""

import asyncio
import threading

import pytest

from asyncapi.bulk.shared_sync import SharedSync


async def test_who_comes_during_a_sync_waits_for_the_next():
    begun, go_on, count = threading.Event(), threading.Event(), 0

    def sync():
        nonlocal count
        count += 1
        begun.set()
        assert go_on.wait(10)

    shared = SharedSync(sync)
    first = asyncio.create_task(shared.wait())
    await asyncio.to_thread(begun.wait, 10)
    others = [asyncio.create_task(shared.wait()) for _ in range(20)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)
    assert count == 2


async def test_a_failure_reaches_all_and_the_next_sync_is_tried():
    fails = True

    def sync():
        if fails:
            raise OSError(28, "full")

    shared = SharedSync(sync)
    ends = await asyncio.gather(shared.wait(), shared.wait(), return_exceptions=True)
    assert [type(end) for end in ends] == [OSError, OSError]
    fails = False
    await shared.wait()


async def test_who_is_cancelled_leaves_the_others_waiting():
    go_on = threading.Event()
    shared = SharedSync(lambda: go_on.wait(10))
    gone, stays = asyncio.create_task(shared.wait()), asyncio.create_task(shared.wait())
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    go_on.set()
    await stays
