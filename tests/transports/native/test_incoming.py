"""The body of a streamed call: nothing is lost, and a server is held back while nobody reads."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import ProtocolError
from asyncapi.testing import run
from asyncapi.transports.native.incoming import UNREAD, IncomingBody


class Exchange:
    """What a body asks of its exchange, and of the exchange's carrier."""

    def __init__(self) -> None:
        self.request = None
        self.carrier = self
        self.asked: list[str] = []

    def pause(self, exchange) -> None:
        self.asked.append("pause")

    def resume(self, exchange, count) -> None:
        self.asked.append(f"resume {count}")

    def let_go(self) -> None:
        self.asked.append("let go")


def made():
    exchange = Exchange()
    return exchange, IncomingBody(exchange)


def test_pieces_come_out_as_they_came_in_and_then_the_end():
    async def scenario():
        exchange, body = made()
        body.push(b"a")
        body.push(b"bc")
        assert await body.read() == b"abc"
        waiting = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        body.push(b"d")
        assert await waiting == b"d"
        body.finish()
        assert [await body.read(), await body.read()] == [b"", b""]
        assert "let go" not in exchange.asked

    run(scenario())


def test_an_unread_body_pauses_the_connection_once_until_it_is_read():
    async def scenario():
        exchange, body = made()
        for _ in range(5):
            body.push(bytes(UNREAD))
        assert exchange.asked == ["pause"]
        assert len(await body.read()) == 5 * UNREAD
        assert exchange.asked == ["pause", f"resume {5 * UNREAD}"]
        body.push(bytes(UNREAD + 1))
        assert exchange.asked[2:] == ["pause"]

    run(scenario())


def test_what_came_before_a_failure_is_read_first():
    async def scenario():
        _, body = made()
        body.push(b"a")
        body.fail(ProtocolError("cut"))
        body.fail(ProtocolError("again"))
        assert await body.read() == b"a"
        for _ in range(2):
            with pytest.raises(ProtocolError, match="cut"):
                await body.read()

    run(scenario())


def test_a_failure_after_the_end_is_none():
    async def scenario():
        _, body = made()
        body.finish()
        body.fail(ProtocolError("cut"))
        assert await body.read() == b""

    run(scenario())


def test_a_cancelled_read_loses_nothing():
    async def scenario():
        _, body = made()
        reading = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        body.push(b"a")
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        assert await body.read() == b"a"

    run(scenario())


def test_stopping_before_the_end_gives_up_the_connection_and_wakes_the_reader():
    async def scenario():
        exchange, body = made()
        reading = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        body.stop()
        assert exchange.asked == ["let go"]
        with pytest.raises(ProtocolError, match="before its end"):
            await reading
        body.stop()
        assert set(exchange.asked) == {"let go"}

    run(scenario())


def test_stopping_after_the_end_tells_a_carrier_that_counts_what_is_read():
    """HTTP/2 gives back the window of bytes that nobody will read; an HTTP/1.1 connection serves another call by then."""
    exchange, body = made()
    body.push(b"unread")
    body.finish()
    body.stop()
    assert exchange.asked == ["let go"]
