"""An attempt over a channel of grpc.aio is read as a response; a stream of requests begins again only where it may."""

import asyncio

import pytest
from grpc import StatusCode, aio

from asyncapi.sansio.rpc.statuses import read_head
from asyncapi.speakers.rpc.channel_attempt import Requests, _meaning, _response


def failed(code, details="", trailing=(), debug=None):
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(*trailing), details, debug)


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_a_status_is_read_from_the_response_as_from_grpc(code):
    meaning = read_head(_response(failed(code, "ü no")))
    assert meaning.text == f"RPCError: {code.name}: ü no"


def test_trailing_metadata_goes_along():
    response = _response(failed(StatusCode.UNAVAILABLE, "", (("grpc-retry-pushback-ms", "70"), ("a-bin", b"\0"))))
    assert response.headers["a-bin"] == "AA=="
    assert _meaning(response).wait == 0.07


def test_only_grpcs_own_word_proves_that_nothing_was_sent():
    said = "failed to connect to all addresses; last error: refused"
    assert _meaning(_response(failed(StatusCode.UNAVAILABLE, said, debug="UNKNOWN:connections"))).unprocessed
    told = _response(failed(StatusCode.UNAVAILABLE, said, debug="UNKNOWN:Error received from peer"))
    assert not _meaning(told).unprocessed
    assert not _meaning(_response(failed(StatusCode.UNAVAILABLE, "no"))).unprocessed


async def test_requests_begin_again_until_the_second_is_asked_for():
    requests = Requests(iter([1, 2, 3]))
    first = aiter(requests)
    assert await anext(first) == 1
    assert requests.body.rewindable
    again = aiter(requests)
    assert [message async for message in again] == [1, 2, 3]
    assert not requests.body.rewindable


async def test_a_message_that_is_waited_for_is_not_lost_with_its_attempt():
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        yield 1

    requests = Requests(slow())
    waiting = asyncio.ensure_future(anext(aiter(requests)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    gate.set()
    assert [message async for message in aiter(requests)] == [1]


async def test_requests_stop_waiting_where_the_call_is_cancelled():
    requests = Requests(_never())
    waiting = asyncio.ensure_future(anext(aiter(requests)))
    await asyncio.sleep(0)
    requests.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def _never():
    await asyncio.Event().wait()
    yield 1
