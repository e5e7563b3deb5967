"""A mock reads an attempt as a server does, and its limits hold in the time of the loop that runs."""

import pytest

from asyncapi import Client, ConfigError, RequestTimeout, Timeout
from asyncapi.testing import APIMock, run
from asyncapi.testing.carrying import LOOP_CLOCK
from asyncapi.testing.system_time import SystemTime


def test_the_limit_of_an_attempt_is_virtual_in_virtual_time():
    async def scenario():
        with APIMock() as mock:
            mock.get("/a").reply(delay=3600)
            async with Client("https://h", transport=mock.transport, retry=None, timeout=Timeout(attempt=7)) as api:
                with pytest.raises(RequestTimeout):
                    await api.get("/a")
            return LOOP_CLOCK.now()

    with SystemTime():
        assert 7 <= run(scenario()) < 8


async def test_a_body_that_fails_is_the_callers_error(api_mock):
    async def broken():
        yield b"x"
        raise KeyError("mine")

    api_mock.put("/a", required=False)
    async with Client("https://h") as api:
        with pytest.raises(ConfigError, match="reading the request body failed: KeyError"):
            await api.put("/a", content=broken())
