"""What a replay does where no network does: it waits to be cancelled, and says what differs."""

import asyncio

import pytest

from asyncapi import Client
from asyncapi.testing import Cassette, FakeClock, MockTransport, UnmatchedCall, run, socket


async def never(_):
    await asyncio.get_running_loop().create_future()


def test_an_attempt_that_was_cancelled_waits_until_it_is_cancelled_again(tape):
    async def program(cassette):
        transport = cassette.transport(MockTransport(never))
        async with Client("https://h", transport=transport, clock=FakeClock(), retry=None) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.get("/", timeout=None), 5)
            return asyncio.get_running_loop().time()

    assert run(program(Cassette(tape.path))) == run(program(Cassette(tape.path, "none"))) == 5.0


def test_a_message_after_all_that_was_recorded_fails(tape):
    async def program(cassette, more):
        transport = cassette.transport(MockTransport(lambda _: socket(["hi"], close=None)))
        async with Client("https://h", transport=transport, clock=FakeClock()) as client, client.websocket("/") as ws:
            got = await ws.receive()
            if more:
                await ws.send("more")
                await ws.receive()
            return got

    assert run(program(Cassette(tape.path), more=False)) == "hi"
    with pytest.raises(UnmatchedCall, match="after all that was recorded"):
        run(program(Cassette(tape.path, "none"), more=True))
