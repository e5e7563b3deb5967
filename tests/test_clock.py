"""The system's clock: monotonic and wall time, draws, sleeps, and timers that can be taken back."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncapi.clock import SYSTEM


def test_now_never_goes_back():
    draws = [SYSTEM.now() for _ in range(100)]
    assert draws == sorted(draws)


def test_the_wall_clock_is_seconds_since_the_epoch():
    before = time.time()
    assert before <= SYSTEM.wall() <= time.time()


def test_draws_are_from_zero_to_below_one():
    draws = {SYSTEM.random() for _ in range(100)}
    assert len(draws) > 1
    assert all(0 <= draw < 1 for draw in draws)


@pytest.mark.parametrize("seconds", [0.0, 0.001])
async def test_a_sleep_takes_at_least_its_time(seconds):
    began = SYSTEM.now()
    await SYSTEM.sleep(seconds)
    assert SYSTEM.now() - began >= seconds * 0.9


@pytest.mark.parametrize("ahead", [-5.0, 0.0, 0.001])
async def test_a_timer_runs_when_its_time_has_come_or_was_over(ahead):
    rung = asyncio.get_running_loop().create_future()
    SYSTEM.call_at(SYSTEM.now() + ahead, lambda: rung.set_result(SYSTEM.now()))
    await asyncio.wait_for(rung, 30)


async def test_a_timer_that_is_taken_back_does_not_run():
    rung: list[int] = []
    SYSTEM.call_at(SYSTEM.now(), lambda: rung.append(1)).cancel()
    later = asyncio.get_running_loop().create_future()
    SYSTEM.call_at(SYSTEM.now() + 0.001, lambda: later.set_result(None))
    await asyncio.wait_for(later, 30)
    assert rung == []
