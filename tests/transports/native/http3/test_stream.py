"""One response over HTTP/3: what it must be like."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from asyncapi.errors import ConfigError
from asyncapi.messages.request import Request
from asyncapi.transports.native.exchange import Exchange
from asyncapi.transports.native.http3.stream import MOST_INTERIM, Broken, Stream, section_of

STATUS = (b":status", b"200")


@pytest.fixture
async def stream():
    return made()


def made(method="GET", content=None, **headers):
    request = Request(method, "https://h.example/a?b", content=content)
    waiter = asyncio.get_running_loop().create_future()
    exchange = Exchange(request, CIMultiDict(headers), waiter, 1000, None)
    return Stream(0, exchange, 0.0, 8192)


async def test_a_response_is_complete_with_its_length(stream):
    assert stream.section([STATUS, (b"content-length", b"5")], last=False) is None
    assert stream.data(b"hel") is None
    assert "3 of 5 bytes" in str(stream.incomplete())
    assert stream.data(b"lo") is None
    assert stream.incomplete() is None
    assert stream.exchange.raw() == b"hello"


async def test_without_a_length_the_end_of_the_stream_is_the_end(stream):
    stream.section([STATUS], last=False)
    stream.data(b"abc")
    assert stream.incomplete() is None


async def test_a_response_needs_a_head(stream):
    assert "ends before its head" in str(stream.incomplete())


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200"), ("GET", b"204"), ("GET", b"304")])
async def test_a_response_that_has_no_body_has_none(method, status):
    stream = made(method)
    stream.section([(b":status", status), (b"content-length", b"5")], last=False)
    assert stream.incomplete() is None
    with pytest.raises(Broken, match="more bytes"):
        stream.data(b"x")


async def test_more_bytes_than_said_are_refused(stream):
    stream.section([STATUS, (b"content-length", b"2")], last=False)
    with pytest.raises(Broken, match="the body broke off: it has more bytes"):
        stream.data(b"abc")


async def test_a_body_is_bounded(stream):
    failure = stream.section([STATUS, (b"content-length", b"2000")], last=False)
    assert "max_body=1,000" in str(failure)
    assert failure.final


async def test_a_second_section_is_that_of_trailers(stream):
    stream.section([STATUS], last=False)
    stream.section([(b"x", b"y")], last=True)
    assert stream.trailers == [("x", "y")]
    with pytest.raises(Broken):
        stream.section([STATUS], last=True)


async def test_interim_responses_are_bounded_and_100_lets_an_upload_proceed(stream):
    stream.proceed = asyncio.get_running_loop().create_future()
    stream.interim([(b":status", b"103")])
    assert not stream.proceed.done()
    for _ in range(2):
        stream.interim([(b":status", b"100")])
    assert stream.proceed.done()
    with pytest.raises(Broken, match="too many interim"):  # noqa: PT012
        for _ in range(MOST_INTERIM):
            stream.interim([(b":status", b"103")])


async def test_a_final_head_ends_the_wait_for_100(stream):
    stream.proceed = asyncio.get_running_loop().create_future()
    stream.section([(b":status", b"413")], last=False)
    assert stream.proceed.done()


async def test_an_interim_status_is_no_final_one(stream):
    with pytest.raises(Broken, match="final status is an interim one"):
        stream.section([(b":status", b"103")], last=True)


async def test_headers_that_are_too_large_are_not_met_again(stream):
    with pytest.raises(Broken) as caught:
        stream.section([STATUS, (b"x", b"y" * 9000)], last=True)
    assert caught.value.failure.final
    assert "max_headers" in caught.value.failure.message


async def test_a_421_means_that_nothing_was_done(stream):
    with pytest.raises(Broken) as caught:
        stream.section([(b":status", b"421")], last=False)
    assert caught.value.misdirected
    assert caught.value.failure.unprocessed


async def test_wake_lets_everybody_look_again(stream):
    loop = asyncio.get_running_loop()
    stream.wake()
    stream.room, stream.proceed = loop.create_future(), loop.create_future()
    stream.wake()
    stream.wake()
    assert stream.room.done()
    assert stream.proceed.done()


async def test_the_fields_of_a_request(stream):
    fields = dict(section_of(made("POST", b"abc", X_A="1").exchange, "h.example"))
    assert fields[b":path"] == b"/a?b"
    assert fields[b"content-length"] == b"3"
    with pytest.raises(ConfigError, match="header injection"):
        section_of(made(X="a\nb").exchange, "h.example")
