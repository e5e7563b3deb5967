"""One timer for any number of deadlines, in the way of `asyncio.timeout`."""

from __future__ import annotations

import asyncio
import random

import pytest

from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.testing import FakeClock, run


class Late(Exception):
    """What a guarded block raises when its own guard fired."""


async def guarded(watchdog: Watchdog, due: float, work) -> object:
    """The pattern every user of the watchdog follows."""
    guard = watchdog.enter(due)
    try:
        return await work
    except asyncio.CancelledError:
        if guard.fired():
            raise Late from None
        raise
    finally:
        watchdog.leave(guard)


def timers() -> int:
    return sum(not handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)


def in_virtual_time(scenario):
    """Run `scenario(clock, watchdog)`, then see that nothing is left of it."""

    async def checked() -> None:
        clock = FakeClock()
        watchdog = Watchdog(clock)
        await scenario(clock, watchdog)
        assert len(watchdog) == 0
        watchdog.close()
        assert timers() == 0
        assert asyncio.current_task().cancelling() == 0

    run(checked())


def test_work_that_ends_in_time_is_left_alone():
    async def scenario(clock, watchdog):
        assert await guarded(watchdog, 10.0, asyncio.sleep(5, "done")) == "done"
        await asyncio.sleep(100)  # the timer comes and finds nobody

    in_virtual_time(scenario)


def test_work_that_is_late_is_cancelled_at_its_time_and_leaves_no_trace_on_its_task():
    async def scenario(clock, watchdog):
        with pytest.raises(Late):
            await guarded(watchdog, 3.0, asyncio.sleep(50))
        assert clock.now() == 3.0
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)  # and the task lives on

    in_virtual_time(scenario)


def test_a_due_time_that_has_passed_ends_it_at_once():
    async def scenario(clock, watchdog):
        await asyncio.sleep(7)
        with pytest.raises(Late):
            await guarded(watchdog, 5.0, asyncio.sleep(50))
        assert clock.now() == 7.0

    in_virtual_time(scenario)


def test_a_thousand_guards_share_one_timer_and_each_ends_at_its_own_time():
    async def scenario(clock, watchdog):
        draw, late = random.Random(2), []

        async def one(due: float) -> None:
            try:
                await guarded(watchdog, due, asyncio.sleep(500))
            except Late:
                late.append((due, clock.now()))

        dues = [draw.uniform(1, 100) for _ in range(1000)]
        tasks = [asyncio.create_task(one(due)) for due in dues]
        await asyncio.sleep(0.5)
        assert len(watchdog) == 1000
        assert timers() == 1000 + 1  # the sleeps, and the watchdog's own
        await asyncio.gather(*tasks)
        assert len(late) == 1000
        assert all(now == pytest.approx(due, abs=1e-9) for due, now in late)

    in_virtual_time(scenario)


def test_an_earlier_guard_that_comes_later_moves_the_timer():
    async def scenario(clock, watchdog):
        slow = asyncio.create_task(guarded(watchdog, 50.0, asyncio.sleep(100)))
        await asyncio.sleep(1)
        with pytest.raises(Late):
            await guarded(watchdog, 2.0, asyncio.sleep(100))
        assert clock.now() == 2.0
        with pytest.raises(Late):
            await slow
        assert clock.now() == 50.0

    in_virtual_time(scenario)


def test_nested_guards_end_with_the_one_whose_time_has_come():
    async def scenario(clock, watchdog):
        with pytest.raises(Late):
            await guarded(watchdog, 2.0, guarded(watchdog, 9.0, asyncio.sleep(100)))
        assert clock.now() == 2.0
        inner = asyncio.create_task(guarded(watchdog, 9.0, guarded(watchdog, 4.0, asyncio.sleep(100))))
        with pytest.raises(Late):
            await inner
        assert clock.now() == 4.0

    in_virtual_time(scenario)


@pytest.mark.parametrize("order", ["one watchdog", "inner first", "outer first"])
def test_of_two_guards_at_the_same_instant_exactly_one_speaks(order):
    async def scenario(clock, watchdog):
        other = watchdog if order == "one watchdog" else Watchdog(clock)
        fired = []

        async def inner() -> None:
            guard = other.enter(5.0)
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                if guard.fired():
                    fired.append("inner")
                    raise Late from None
                raise
            finally:
                other.leave(guard)

        if order == "inner first":
            asyncio.get_running_loop().call_at(5.0, other._wake)
        with pytest.raises(Late):
            await guarded(watchdog, 5.0, inner())
        assert clock.now() == 5.0
        assert len(fired) <= 1
        other.close()

    in_virtual_time(scenario)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_cancellation_from_outside_at_the_same_instant_wins(first):
    async def scenario(clock, watchdog):
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(guarded(watchdog, 5.0, asyncio.sleep(100)))
        if first == "theirs":
            loop.call_at(5.0, task.cancel)
            await asyncio.sleep(1)
        else:
            await asyncio.sleep(1)
            loop.call_at(5.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert task.cancelling() == 1
        assert clock.now() == 5.0

    in_virtual_time(scenario)


@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9])
def test_an_outer_asyncio_timeout_at_the_same_instant_gets_its_own_timeout(offset):
    async def scenario(clock, watchdog):
        with pytest.raises((TimeoutError, Late)) as caught:
            async with asyncio.timeout_at(5.0):
                await guarded(watchdog, 5.0 + offset, asyncio.sleep(100))
        assert asyncio.current_task().cancelling() == 0
        assert caught.type is (Late if offset < 0 else TimeoutError)

    in_virtual_time(scenario)


def test_a_task_that_is_being_cancelled_can_use_deadlines_in_its_clean_up():
    async def scenario(clock, watchdog):
        seen = []

        async def stubborn() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                try:
                    await guarded(watchdog, 5.0, asyncio.sleep(100))
                except Late:
                    seen.append(clock.now())
                raise

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == [5.0]
        assert task.cancelling() == 1

    in_virtual_time(scenario)


def test_work_that_turns_the_cancellation_into_its_own_error_keeps_that_error():
    """The task is left clean."""

    async def scenario(clock, watchdog):
        async def rude() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                raise ValueError("mine") from None

        with pytest.raises(ValueError, match="mine"):
            await guarded(watchdog, 5.0, rude())
        assert asyncio.current_task().cancelling() == 0

    in_virtual_time(scenario)


def test_work_that_swallows_the_cancellation_is_cancelled_only_once():
    async def scenario(clock, watchdog):
        async def deaf() -> str:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(20)
            return "late"

        assert await guarded(watchdog, 5.0, deaf()) == "late"
        assert clock.now() == 25.0
        assert asyncio.current_task().cancelling() == 0

    in_virtual_time(scenario)


def test_closing_takes_the_timer_back_but_keeps_watch_over_what_is_under_way():
    async def scenario(clock, watchdog):
        task = asyncio.create_task(guarded(watchdog, 5.0, asyncio.sleep(100)))
        await asyncio.sleep(1)
        watchdog.close()
        with pytest.raises(Late):
            await task
        assert clock.now() == 5.0
        await guarded(watchdog, 20.0, asyncio.sleep(1))
        assert timers() == 0  # closed as it is, it leaves none
        watchdog.close()
        assert timers() == 0

    in_virtual_time(scenario)


def test_a_deadline_in_a_loop_callback_is_told_that_it_needs_a_task():
    async def scenario(clock, watchdog):
        said = asyncio.get_running_loop().create_future()

        def callback() -> None:
            try:
                watchdog.enter(1.0)
            except RuntimeError as error:
                said.set_result(str(error))

        asyncio.get_running_loop().call_soon(callback)
        assert await said == "a deadline needs a running task"

    in_virtual_time(scenario)


def test_crowds_of_guards_never_lose_or_invent_a_cancellation():
    """Guards, nested guards, and cancellations at random."""

    async def scenario(clock, watchdog):
        draw = random.Random(7)

        async def one() -> tuple[str, int]:
            now = clock.now()
            inner = guarded(watchdog, now + draw.choice((1, 2, 3)), asyncio.sleep(draw.choice((1, 2, 3))))
            try:
                await guarded(watchdog, now + draw.choice((1, 2, 3)), inner)
            except Late:
                return "late", asyncio.current_task().cancelling()
            return "done", asyncio.current_task().cancelling()

        for _ in range(30):
            tasks = [asyncio.create_task(one()) for _ in range(50)]
            killed = draw.sample(tasks, 20)
            for task in killed:
                asyncio.get_running_loop().call_later(draw.choice((1, 2)), task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for task, result in zip(tasks, results, strict=True):
                if isinstance(result, asyncio.CancelledError):
                    assert task in killed
                    assert task.cancelling() == 1
                else:
                    assert result[1] == 0

    in_virtual_time(scenario)


def test_the_timer_of_a_closed_watchdog_goes_with_its_last_guard():
    async def scenario(clock, watchdog):
        tasks = [asyncio.create_task(guarded(watchdog, 10.0, asyncio.sleep(n, n))) for n in (1, 2)]
        await asyncio.sleep(0.5)
        watchdog.close()
        await asyncio.sleep(1)
        assert (len(watchdog), timers()) == (1, 2)  # its own, and that of the sleep
        await asyncio.gather(*tasks)
        assert (len(watchdog), timers()) == (0, 0)

    in_virtual_time(scenario)
