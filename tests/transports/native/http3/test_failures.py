"""What a request ends with whose HTTP/3 stream or connection fails, and whether it may be sent again."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from asyncapi.errors import ProtocolError
from asyncapi.messages.request import Request
from asyncapi.transports.native.exchange import Exchange
from asyncapi.transports.native.http3.failures import lost, refused, silent, unprocessed, unwritten
from asyncapi.transports.native.http3.quic import Ended
from http3_server import FALLBACK, REJECTED


def made(content=None):
    request = Request("POST", "https://h.example/a?b", content=content)
    return Exchange(request, CIMultiDict(), asyncio.get_running_loop().create_future(), 1000, None)


@pytest.fixture
async def exchange():
    return made()


@pytest.mark.parametrize(
    ("content", "unsent", "begun"),
    [(None, 1, False), (b"12345", 30, False), (b"12345", 8, True), (b"12345", 1, True)],
)
async def test_a_request_whose_fields_are_not_written_is_not_begun(content, unsent, begun):
    failure = unwritten(made(content), unsent)
    assert (failure is None) == begun
    assert begun or failure.unprocessed


async def test_a_stream_that_is_uploaded_may_have_begun():
    async def pieces():
        yield b""

    assert unwritten(made(pieces()), 10) is None


@pytest.mark.parametrize(
    ("make", "is_unprocessed", "final"),
    [
        (lambda exchange: refused(exchange, REJECTED), True, False),
        (lambda exchange: refused(exchange, FALLBACK), True, False),
        (lambda exchange: refused(exchange, 0x102), False, False),
        (lambda exchange: lost(exchange, Ended(0x100, "", remote=True), closed=False), False, False),
        (lambda exchange: lost(exchange, Ended(0x174, "", remote=True, alert=True), closed=False), True, False),
        (lambda exchange: lost(exchange, Ended(0x102, "", remote=False), closed=False), False, False),
        (lambda exchange: lost(exchange, Ended(0x102, "", remote=False), closed=True), False, True),
        (lambda exchange: unprocessed("x", exchange), True, False),
        (lambda exchange: silent(exchange, 3.0), False, False),
    ],
)
async def test_errors_say_whether_the_request_may_be_sent_again(exchange, make, is_unprocessed, final):
    error = make(exchange)
    assert isinstance(error, ProtocolError)
    assert (error.unprocessed, error.final) == (is_unprocessed, final)


@pytest.mark.parametrize(
    ("reused", "headed", "stale"), [(True, False, True), (False, False, False), (True, True, False)]
)
async def test_a_silent_connection_that_was_reused_is_stale(exchange, reused, headed, stale):
    exchange.request.call.reused = reused
    exchange.headed = headed
    assert silent(exchange, 3.0).stale is stale
