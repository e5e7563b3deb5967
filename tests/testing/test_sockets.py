"""`asyncapi.testing.socket`: what it takes."""

from __future__ import annotations

import pytest

from asyncapi import Client, Retry
from asyncapi.errors import ConfigError
from asyncapi.testing import FakeClock, MockSocket, MockTransport, run, socket


def test_it_makes_a_new_socket_that_has_sent_nothing():
    made = socket(["a"])
    assert isinstance(made, MockSocket)
    assert (made.sent, made.closed, made.request) == ([], None, None)


@pytest.mark.parametrize("code", [0, 999, 5000, -1])
def test_a_close_code_that_does_not_exist_is_refused(code):
    with pytest.raises(ConfigError, match="from 1000 to 4999"):
        socket(close=code)


@pytest.mark.parametrize("messages", ["text", b"bytes", {"a": 1}])
def test_a_single_message_is_no_script(messages):
    with pytest.raises(ConfigError, match="give a list of messages"):
        socket(messages)


def test_a_reason_that_no_close_can_carry_is_refused():
    with pytest.raises(ConfigError, match="at most 123 bytes"):
        socket(reason="ö" * 62)


def test_a_silent_server_is_found_out_and_left_in_virtual_time():
    """The heartbeat of a `client.websocket`, and the connection after it."""
    sockets = [socket(["a"], close=None, pongs=False), socket(["b"])]
    served, clock = iter(sockets), FakeClock()

    async def scenario():
        transport = MockTransport(lambda request: next(served))
        async with (
            Client("https://h", transport=transport, clock=clock, retry=Retry(attempts=2)) as api,
            api.websocket("/feed", heartbeat=600) as ws,
        ):
            return [message async for message in ws], ws.reconnects

    async def timed():
        return await scenario(), clock.now()

    seen, now = run(timed())
    assert seen == (["a", "b"], 1)
    assert 900 <= now < 930


def test_what_a_failed_peer_raises_is_raised_where_the_client_receives():
    """It is not taken for a lost connection, which would be followed by another."""
    made = []

    async def strict(peer):
        assert await peer.receive() == "Ada"

    def handler(request):
        made.append(socket(strict))
        return made[-1]

    async def scenario():
        async with (
            Client("https://h", transport=MockTransport(handler), clock=FakeClock()) as api,
            api.websocket("/feed", on_open=lambda ws: ws.send("Bob")) as ws,
        ):
            await ws.receive()

    with pytest.raises(AssertionError, match="Bob"):
        run(scenario())
    assert len(made) == 1
