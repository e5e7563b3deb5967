"""The WebSockets of the mock transport, as a transport gives them: what they carry, and how they end."""

from __future__ import annotations

import asyncio
import gc

import pytest
from pydantic import BaseModel

from asyncapi import Client, ProtocolError, SocketClosed
from asyncapi.errors import ConfigError
from asyncapi.messages.upgrade import Closed, Upgrade
from asyncapi.speakers.line import line_of
from asyncapi.testing import FakeClock, MockTransport, reply, run, socket


class Price(BaseModel):
    cents: int


class Opened:
    """A handshake over a mock: the response, its connection, and the clock."""

    def __init__(self, answer, upgrade=None, **options):
        self.seen = []
        self.clock = FakeClock()
        self.upgrade = upgrade or Upgrade()
        self.options = options
        self.answer = answer

    def handler(self, request):
        self.seen.append(request)
        return self.answer

    async def __aenter__(self):
        self.client = Client("https://h", transport=MockTransport(self.handler), clock=self.clock, retry=None)
        self.response = await line_of(self.client).open("GET", "/feed", upgrade=self.upgrade, **self.options)
        self.body = self.response.open_body
        self.socket = self.body and self.body.socket
        return self

    async def __aexit__(self, *_):
        if self.body is not None:
            self.body.close()
        await self.client.aclose()


async def all_of(connection):
    messages = []
    while not isinstance(message := await connection.receive(), Closed):
        messages.append(message)
    return messages, message


def test_a_script_is_sent_in_order_and_then_closed():
    async def scenario():
        script = ["text", b"bytes", bytearray(b"more"), {"a": [1, None]}, Price(cents=1), 7]
        async with Opened(socket(script, close=4000, reason="done")) as opened:
            assert opened.response.status == 101
            assert await all_of(opened.socket) == (
                ["text", b"bytes", b"more", '{"a":[1,null]}', '{"cents":1}', "7"],
                Closed(4000, "done"),
            )
            assert await opened.socket.receive() == Closed(4000, "done")  # again and again

    run(scenario())


def test_the_handler_sees_the_handshake_as_it_would_be_sent():
    async def scenario():
        async with Opened(socket(), Upgrade(("b", "a"))) as opened:
            headers = opened.seen[0].headers
            assert (headers["Upgrade"], headers["Connection"]) == ("websocket", "Upgrade")
            assert headers["Sec-WebSocket-Protocol"] == "b, a"
            assert opened.socket.subprotocol == "b"
            assert opened.response.headers["Sec-WebSocket-Protocol"] == "b"

    run(scenario())


@pytest.mark.parametrize(("picked", "is_"), [("a", "a"), ("", None)])
def test_the_peer_picks_another_subprotocol_or_none(picked, is_):
    async def scenario():
        async with Opened(socket(subprotocol=picked, headers={"X-A": "1"}), Upgrade(("b", "a"))) as opened:
            assert opened.socket.subprotocol == is_
            assert opened.response.headers["X-A"] == "1"

    run(scenario())


def test_a_peer_that_picks_what_was_not_offered_has_failed_the_handshake():
    """As with a real transport."""

    async def scenario():
        with pytest.raises(ProtocolError, match="which was not offered"):
            async with Opened(socket(subprotocol="x"), Upgrade(("b", "a"))):
                raise AssertionError

    run(scenario())


def test_a_handler_and_a_peer_may_be_plain_or_async():
    async def late(request):
        await asyncio.sleep(1)
        return socket(lambda peer: peer.close(4001))

    async def scenario():
        opened = Opened(None)
        opened.handler = late
        async with opened:
            assert await all_of(opened.socket) == ([], Closed(4001))

    run(scenario())


def test_an_async_iterable_may_sleep_and_a_cancelled_receive_loses_nothing():
    async def ticks():
        for number in range(3):
            await asyncio.sleep(60)
            yield str(number)

    async def scenario():
        async with Opened(socket(ticks()), Upgrade(heartbeat=20)) as opened:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(59.5):
                    await opened.socket.receive()
            assert (await all_of(opened.socket))[0] == ["0", "1", "2"]
            assert opened.clock.now() == 180

    run(scenario())


def test_a_function_talks_with_the_client_and_what_that_sent_is_kept():
    async def echo(peer):
        async for message in peer:
            await peer.send(message)
            if message == "leave":
                peer.close(1001, "so be it")

    async def scenario():
        mock = socket(echo)
        async with Opened(mock) as opened:
            for message in ("a", b"b", "leave"):
                await opened.socket.send(message)
            assert await all_of(opened.socket) == (["a", b"b", "leave"], Closed(1001, "so be it"))
            assert mock.sent == ["a", b"b", "leave"]
            assert mock.closed is None
            with pytest.raises(SocketClosed) as ended:
                await opened.socket.send("too late")
            assert (ended.value.code, ended.value.reason) == (1001, "so be it")
            assert mock.sent[-1] == "leave"

    run(scenario())


def test_the_peer_sees_the_clients_close():
    seen = []

    async def peer_of(peer):
        seen.append(await peer.receive())
        seen.extend([message async for message in peer])
        for send in (peer.receive, lambda: peer.send("x")):
            with pytest.raises(ConnectionResetError):
                await send()
        seen.append(peer.request.url.path)

    async def scenario():
        mock = socket(peer_of)
        async with Opened(mock) as opened:
            await opened.socket.send("a")
            await opened.socket.send("b")
            await opened.socket.close(4001, "bye")
            await asyncio.sleep(0)
            assert mock.closed == (4001, "bye")
            assert (await opened.socket.receive()).code == 4001

    run(scenario())
    assert seen == ["a", "b", "/feed"]


def test_a_flood_waits_for_the_reader():
    sent = 0

    async def flood(peer):
        nonlocal sent
        while True:
            await peer.send("x")
            sent += 1

    async def scenario():
        async with Opened(socket(flood)) as opened:
            await asyncio.sleep(1)
            assert sent == 16
            await opened.socket.receive()
            await asyncio.sleep(1)
            assert sent == 17

    run(scenario())


def test_a_silent_peer_is_found_out_by_the_heartbeat():
    async def late():
        await asyncio.sleep(15)
        yield "a"

    async def scenario():
        async with Opened(socket(late(), close=None, pongs=False), Upgrade(heartbeat=20)) as opened:
            messages, end = await all_of(opened.socket)
            assert (messages, end.code, end.why) == (["a"], 1006, "no PONG within 10 s")
            assert opened.clock.now() == 15 + 20 + 10

    run(scenario())


def test_a_peer_that_answers_pings_may_say_nothing_for_ever():
    async def scenario():
        async with Opened(socket(close=None), Upgrade(heartbeat=20)) as opened:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(100_000):
                    await opened.socket.receive()

    run(scenario())


@pytest.mark.parametrize(("pongs", "took"), [(True, 0), (False, 2)])
def test_a_close_waits_two_seconds_for_a_silent_peer(pongs, took):
    async def scenario():
        mock = socket(close=None, pongs=pongs)
        async with Opened(mock) as opened:
            await opened.socket.close(1000, "")
            await opened.socket.close(1000, "twice")
            assert opened.clock.now() == took
            assert mock.closed == (1000, "")

    run(scenario())


def test_an_oserror_of_the_peer_drops_the_connection():
    def script():
        yield "a"
        raise ConnectionResetError("pulled")

    async def scenario():
        async with Opened(socket(script())) as opened:
            messages, end = await all_of(opened.socket)
            assert (messages, end.code) == (["a"], 1006)
            assert "pulled" in end.why

    run(scenario())


def test_a_failed_assertion_of_the_peer_reaches_the_test():
    async def strict(peer):
        await peer.send("hello")
        assert await peer.receive() == "what was expected"

    async def scenario():
        async with Opened(socket(strict)) as opened:
            assert await opened.socket.receive() == "hello"
            await opened.socket.send("something else")
            with pytest.raises(AssertionError, match="what was expected"):
                await opened.socket.receive()
            with pytest.raises(AssertionError):
                await opened.socket.send("more")

    run(scenario())


def test_a_message_over_max_message_closes_with_1009():
    async def scenario():
        async with Opened(socket(["ö" * 5, "ö" * 6]), Upgrade(max_message=10)) as opened:
            messages, end = await all_of(opened.socket)
            assert (messages, end.code) == (["ö" * 5], 1009)

    run(scenario())


def test_a_script_ends_no_sooner_than_the_client_waits_for_more():
    """However long it takes for that: until then it can send."""

    async def scenario():
        mock = socket(["a"], close=1012)
        async with Opened(mock) as opened:
            await asyncio.sleep(1)
            await opened.socket.send("x")
            assert await opened.socket.receive() == "a"
            await asyncio.sleep(1)
            await opened.socket.send("y")
            assert (await opened.socket.receive()).code == 1012
            assert mock.sent == ["x", "y"]

    run(scenario())


def test_closing_the_body_ends_the_peer_and_leaves_no_task():
    ended = []

    async def peer_of(peer):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(peer)

    async def scenario():
        async with Opened(socket(peer_of)) as opened:
            await asyncio.sleep(0)
            opened.body.close()
            assert (await opened.socket.receive()).code == 1006
        await asyncio.sleep(0)
        assert ended
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()

    run(scenario())


@pytest.mark.parametrize("status", [200, 204, 401, 429])
def test_a_reply_refuses_the_handshake(status):
    async def scenario():
        async with Opened(reply(status, content=b"no" if status != 204 else b"")) as opened:
            assert (opened.response.status, opened.body) == (status, None)

    run(scenario())


def test_a_reply_of_101_is_no_socket():
    async def scenario():
        with pytest.raises(ConfigError, match=r"return socket\(\.\.\.\) to accept"):
            async with Opened(reply(101)):
                raise AssertionError

    run(scenario())


def test_a_streamed_reply_to_a_handshake_is_read_whole():
    async def pieces():
        yield b"n"
        yield b"o"

    async def scenario():
        async with Opened(reply(content=pieces())) as opened:
            assert (opened.response.content, opened.body) == (b"no", None)

    run(scenario())


def test_a_socket_for_an_ordinary_request_is_refused():
    async def scenario():
        mock = MockTransport(lambda _: socket())
        async with Client("https://h", transport=mock, clock=FakeClock()) as api:
            with pytest.raises(ConfigError, match="no WebSocket"):
                await api.get("/feed")

    run(scenario())


def test_a_socket_serves_one_handshake():
    async def scenario():
        mock = socket()
        async with Opened(mock):
            pass
        with pytest.raises(ConfigError, match="a new one for each handshake"):
            async with Opened(mock):
                pass

    run(scenario())
