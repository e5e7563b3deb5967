"""Clients without a clock live in virtual time inside `run`, and as always outside of it."""

import asyncio
import time

import pytest

from asyncapi import Client, ConfigError, RateLimit
from asyncapi.clock import SYSTEM
from asyncapi.testing import APIMock, SystemTime


async def program():
    async with Client("https://h", rate=RateLimit(1, per=10.0, burst=1), timeout=300) as api:
        return [(await api.get("/a")).json() for _ in range(4)]


def test_limits_of_the_programs_own_client_take_no_time():
    with APIMock() as mock, SystemTime() as clock:
        mock.get("/a").reply(json=1)
        began = time.monotonic()
        assert clock.run(program()) == [1, 1, 1, 1]
        assert 30 <= clock.elapsed < 41
        assert time.monotonic() - began < 25


def test_outside_of_run_and_after_it_time_is_real():
    real = SYSTEM.now
    with SystemTime():
        assert abs(SYSTEM.now() - time.monotonic()) < 60
        assert abs(SYSTEM.wall() - time.time()) < 60

        async def now():
            return SYSTEM.now()

        assert abs(asyncio.run(now()) - time.monotonic()) < 60
    assert SYSTEM.now is real


def test_random_draws_are_the_same_in_every_run_and_random_outside():
    def draws():
        with SystemTime() as clock:
            assert SYSTEM.random() != SYSTEM.random()

            async def draw():
                return [SYSTEM.random() for _ in range(3)]

            return clock.run(draw())

    before = SYSTEM.random
    assert draws() == draws()
    assert SYSTEM.random is before


async def test_within_a_running_loop_it_says_what_to_do():
    with SystemTime() as clock, pytest.raises(ConfigError, match="make the test a plain function"):
        clock.run(program())
