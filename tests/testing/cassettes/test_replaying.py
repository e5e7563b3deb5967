"""What a replay does where no network does: it waits to be cancelled, and says what differs."""

import asyncio
import json
from contextlib import suppress

import pytest

from asyncapi import Bearer, Client, GraphQL
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


def test_a_graphql_subscription_over_a_websocket_replays_under_its_new_id(tape):
    """Each run draws another id for the operation; two operations keep theirs apart."""

    async def serve(peer):
        async for message in peer:
            told = json.loads(message)
            if told["type"] == "connection_init":
                await peer.send({"type": "connection_ack"})
            elif told["type"] == "subscribe":
                for price in (1, 2):
                    await peer.send({"id": told["id"], "type": "next", "payload": {"data": {"price": price}}})
                await peer.send({"id": told["id"], "type": "complete"})

    async def program(cassette):
        transport = cassette.transport(MockTransport(lambda _: socket(serve, close=None)))
        async with Client("https://h", transport=transport, clock=FakeClock(), auth=Bearer("s3cret-1")) as client:
            found = []
            for name in ("A", "B"):
                async with GraphQL(client, "/graphql").subscribe(
                    f"subscription {name} {{ price }}", over="websocket"
                ) as results:
                    found += [result["price"] async for result in results]
            return found

    assert run(program(Cassette(tape.path))) == run(program(Cassette(tape.path, "none"))) == [1, 2, 1, 2]
    assert "s3cret-1" not in tape.text()


def test_in_other_conversations_an_id_is_compared(tape):
    async def program(cassette, number):
        transport = cassette.transport(MockTransport(lambda _: socket([], close=None)))
        async with Client("https://h", transport=transport, clock=FakeClock()) as client, client.websocket("/") as ws:
            await ws.send({"id": f"n{number}"})

    run(program(Cassette(tape.path), 1))
    replay = Cassette(tape.path, "none")
    with suppress(UnmatchedCall):
        run(program(replay, 2))
    assert "$.id is 'n2', not 'n1'" in replay.problems[0]
