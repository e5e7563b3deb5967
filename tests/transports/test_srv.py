"""SRV records from a real name server on loopback: priority, weight, port, host and time to live."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.errors import ConfigError, ConnectError
from asyncapi.transports.srv import Place, look_up
from name_server import NAME, name_server


async def test_the_records_and_their_time_to_live():
    async with name_server("10 60 8443 A.example.", "20 0 443 b.example.", ttl=77) as (_, address):
        places, ttl = await look_up("_api._tcp.example", (address,))
    assert sorted(places) == [Place(10, 60, 8443, "a.example"), Place(20, 0, 443, "b.example")]
    assert ttl == 77


async def test_a_time_to_live_of_zero_is_a_second():
    async with name_server("0 0 443 a.example.", ttl=0) as (_, address):
        assert (await look_up(NAME, (address,)))[1] == 1


async def test_a_service_that_is_not_offered_or_not_known_is_a_connect_error():
    async with name_server("0 0 0 .") as (_, address):
        with pytest.raises(ConnectError, match="not offered"):
            await look_up(NAME, (address,))
    async with name_server() as (_, address):
        with pytest.raises(ConnectError, match="can't be looked up"):
            await look_up(NAME, (address,))


@pytest.mark.parametrize("address", ["ns.example", "10.0.0.2:x", "10.0.0.2:0:1", ""])
async def test_a_name_server_is_an_address(address):
    with pytest.raises(ConfigError, match="nameservers"):
        await look_up(NAME, (address,))


async def test_a_look_up_that_is_cancelled_leaves_no_task():
    async with name_server(silent=True) as (server, address):
        task = asyncio.ensure_future(look_up(NAME, (address,)))
        while not server.asked:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
