"""Work that no call waits for: once for each key, bounded, ended by its limit and at the end; its failures are counted."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from asyncapi.errors import ConnectError
from asyncapi.scheduling.background import Background
from asyncapi.testing import FakeClock, run

MINE = ContextVar("MINE", default="nobody's")


def played(scenario, **settings):
    async def main():
        clock = FakeClock()
        background = Background(clock, **settings)
        try:
            return await scenario(background, clock)
        finally:
            await background.aclose()
            assert len(background) == 0
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    return run(main())


def test_one_key_has_one_piece_of_work_at_a_time():
    async def scenario(background, clock):
        done = []

        async def work():
            await clock.sleep(1)
            done.append(clock.now())

        started = [background.start("a", work, 10), background.start("a", work, 10), background.start("b", work, 10)]
        await clock.sleep(2)
        return started, background.start("a", work, 10), len(done), background.started, background.failed

    assert played(scenario) == ([True, False, True], True, 2, 3, 0)


def test_no_more_than_so_many_are_under_way():
    async def scenario(background, clock):
        started = [background.start(number, lambda: clock.sleep(1), 10) for number in range(5)]
        return started, len(background)

    assert played(scenario, most=3) == ([True, True, True, False, False], 3)


def test_its_limit_ends_it():
    async def scenario(background, clock):
        seen = []

        async def work():
            try:
                await clock.sleep(100)
            finally:
                seen.append(clock.now())

        began = clock.now()
        background.start("a", work, 5)
        await clock.sleep(10)
        return [at - began for at in seen], len(background), background.failed

    assert played(scenario) == ([5.0], 0, 1)


@pytest.mark.parametrize(("error", "heard"), [(ConnectError("refused"), 0), (ZeroDivisionError("a bug"), 1)])
def test_an_error_is_counted_and_a_bug_is_heard(error, heard):
    async def scenario(background, clock):
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))

        async def work():
            raise error

        background.start("a", work, 5)
        await clock.sleep(1)
        return len(said), background.failed, len(background)

    assert played(scenario) == (heard, 1, 0)


def test_the_end_of_who_asked_for_it_does_not_end_it():
    async def scenario(background, clock):
        seen = []

        async def work():
            seen.append(MINE.get())
            await clock.sleep(1)
            seen.append("done")

        async def caller():
            MINE.set("the caller's")
            background.start("a", work, 5)
            await clock.sleep(100)

        task = asyncio.create_task(caller())
        await clock.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        await clock.sleep(1)
        return seen

    assert played(scenario) == ["nobody's", "done"]


def test_closing_cancels_waits_and_takes_nothing_more():
    async def scenario(background, clock):
        seen = []

        async def work():
            try:
                await clock.sleep(100)
            finally:
                await clock.sleep(1)  # it cleans up
                seen.append("ended")

        background.start("a", work, 500)
        await clock.sleep(1)
        await background.aclose()
        return seen, background.start("b", work, 5), background.failed

    assert played(scenario) == (["ended"], False, 0)


def test_a_cancelled_close_still_leaves_nothing_behind():
    async def scenario(background, clock):
        async def work():
            try:
                await clock.sleep(100)
            finally:
                await clock.sleep(2)

        background.start("a", work, 500)
        await clock.sleep(1)
        closing = asyncio.create_task(background.aclose())
        await clock.sleep(1)
        closing.cancel()
        await asyncio.wait([closing])
        return closing.cancelled(), len(background)

    assert played(scenario) == (True, 0)
