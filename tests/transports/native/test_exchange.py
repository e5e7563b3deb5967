"""An exchange: what has arrived becomes a response, a body to read, or one failure."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from asyncapi import ProtocolError, Request
from asyncapi.messages.call import Call
from asyncapi.messages.response import Response
from asyncapi.testing import run
from asyncapi.transports.native.exchange import Exchange


class Carrier:
    """A connection that goes on whatever is asked of it."""

    def resume(self, exchange, count) -> None:
        pass


def made(max_body=10, method="GET", *, streamed=False) -> Exchange:
    request = Request(method, "http://h/x")
    request.call = Call(0.0, "h")
    request.call.open_bodies = [] if streamed else None
    waiter = asyncio.get_running_loop().create_future()
    return Exchange(request, request.headers, waiter, max_body, Carrier())


def begin(exchange, headers=(), status=200, length=None, framed=True):
    return exchange.begin(status, "1.1", CIMultiDict(headers), length=length, framed=framed)


def test_a_whole_response_is_given_at_once():
    async def scenario():
        exchange = made()
        exchange.whole(200, "1.1", CIMultiDict(A="b"), b"0123456789")
        response = exchange.waiter.result()
        assert isinstance(response, Response)
        assert (response.status, response.content, response.headers["a"]) == (200, b"0123456789", "b")
        assert response.url == exchange.request.url

    run(scenario())


@pytest.mark.parametrize("way", ["whole", "declared", "piece by piece"])
def test_a_body_over_the_bound_is_a_final_error(way):
    async def scenario():
        exchange = made()
        if way == "whole":
            exchange.whole(200, "1.1", CIMultiDict(), b"0123456789a")
            failure = exchange.waiter.result()
        elif way == "declared":
            failure = begin(exchange, length=11)
        else:
            assert begin(exchange) is None
            assert exchange.feed(b"0123456789") is None
            failure = exchange.feed(b"a")
        assert isinstance(failure, ProtocolError)
        assert failure.final
        assert "max_body=10 bytes" in str(failure)

    run(scenario())


def test_the_length_that_head_declares_is_of_a_body_that_does_not_come():
    async def scenario():
        exchange = made(method="HEAD")
        assert begin(exchange, [("Content-Encoding", "gzip")], length=10**9) is None
        exchange.end()
        assert exchange.waiter.result() is None
        assert exchange.response(exchange.raw()).content == b""
        assert exchange.coding is None

    run(scenario())


def test_trailers_come_with_the_end():
    async def scenario():
        exchange = made()
        begin(exchange)
        exchange.feed(b"ab")
        exchange.feed(b"c")
        exchange.end([("X-Sum", "1")])
        response = exchange.response(exchange.raw())
        assert response.content == b"abc"
        assert response.trailers == CIMultiDict({"x-sum": "1"})

    run(scenario())


def test_a_failure_is_a_result_so_that_nobody_complains_where_nobody_asks():
    async def scenario():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        exchange = made()
        exchange.fail(ProtocolError("cut"))
        assert isinstance(exchange.waiter.result(), ProtocolError)
        del exchange
        await asyncio.sleep(0)
        assert not complaints

    run(scenario())


def test_what_comes_after_the_caller_has_gone_is_dropped():
    async def scenario():
        for arrive in (
            lambda exchange: exchange.whole(200, "1.1", CIMultiDict(), b""),
            lambda exchange: exchange.fail(ProtocolError("cut")),
        ):
            exchange = made()
            exchange.waiter.cancel()
            arrive(exchange)

    run(scenario())


@pytest.mark.parametrize(("status", "open_"), [(200, True), (206, True), (404, False), (503, False)])
def test_the_body_of_a_good_streamed_response_is_left_open(status, open_):
    async def scenario():
        exchange = made(max_body=3, streamed=True)
        assert begin(exchange, status=status) is None
        assert (exchange.body is not None) is open_
        assert exchange.waiter.done() is open_
        failure = exchange.feed(b"more than three bytes")
        assert (failure is None) is open_
        if open_:
            exchange.end()
            assert await exchange.body.read() == b"more than three bytes"
            assert await exchange.body.read() == b""

    run(scenario())


def test_a_broken_stream_fails_its_reader():
    async def scenario():
        exchange = made(streamed=True)
        begin(exchange)
        exchange.fail(ProtocolError("cut"))
        with pytest.raises(ProtocolError, match="cut"):
            await exchange.body.read()

    run(scenario())
