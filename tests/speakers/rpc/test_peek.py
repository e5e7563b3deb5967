"""What comes in the place of a stream's first message is the outcome of the attempt; nothing that was read is lost."""

import asyncio

import pytest

from asyncapi import Breaker, CircuitOpen, Client, ProtocolError, Retry, RPCError, Timeout
from asyncapi.grpc import Code
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.speakers.rpc.peek import LONGEST
from asyncapi.testing import MockTransport, reply
from greeter_pb2 import Ask, Reply
from greeter_pb2_grpc import GreeterStub

HEAD = {"content-type": "application/connect+proto"}
ONE = envelope(Reply(text="one").SerializeToString())
BUSY = envelope(b'{"error":{"code":"unavailable","message":"busy"}}', 2)
END = envelope(b"{}", 2)


async def pieces(*parts):
    for part in parts:
        if isinstance(part, BaseException):
            raise part
        if isinstance(part, float):
            await asyncio.sleep(part)
        else:
            yield part


def client(*bodies, **settings):
    left = list(bodies)
    transport = MockTransport(lambda _: reply(200, content=pieces(*left.pop(0)), headers=HEAD))
    settings.setdefault("retry", Retry(base=0.001))
    return Client("https://h", transport=transport, **settings), transport


async def texts(api, **options):
    return [message.text async for message in GreeterStub(api.grpc("connect")).Many(Ask(), **options)]


async def test_an_error_before_the_first_message_is_retried():
    api, transport = client([BUSY], [BUSY[:9], BUSY[9:]], [ONE, END])
    async with api:
        assert await texts(api) == ["one"]
    assert transport.requests == 3


async def test_a_wait_that_the_server_asks_for_is_kept():
    asked = b'{"error":{"code":"unavailable","details":[{"type":"google.rpc.RetryInfo","value":"CgUQgK3iBA"}]}}'
    api, _ = client([envelope(asked, 2)], [ONE, END])
    async with api:
        call = GreeterStub(api.grpc("connect")).Many(Ask())
        assert (await call.read()).text == "one"
        assert call._response.attempts[0].then.startswith("retried after 0.01 s (Retry-After)")


async def test_a_body_that_breaks_off_before_the_first_message_is_retried():
    api, transport = client([ProtocolError("gone")], [ONE[:3], ProtocolError("gone")], [ONE, END])
    async with api:
        assert await texts(api) == ["one"]
    assert transport.requests == 3


async def test_after_the_first_message_nothing_is_sent_again():
    for last in (BUSY, ProtocolError("gone")):
        api, transport = client([ONE, last])
        async with api:
            with pytest.raises(RPCError):
                await texts(api)
            assert api.stats.in_flight == 0
        assert transport.requests == 1


async def test_a_stream_that_may_not_be_sent_again_is_not():
    api, transport = client([BUSY])
    async with api:
        with pytest.raises(RPCError, match="busy"):
            await texts(api, idempotent=False)
    assert transport.requests == 1


async def test_the_breaker_counts_what_came_in_place_of_a_message():
    api, _ = client([BUSY], [BUSY], retry=None, breaker=Breaker(failure_rate=0.5, minimum=2))
    async with api:
        for _ in range(2):
            with pytest.raises(RPCError):
                await texts(api)
        with pytest.raises(CircuitOpen):
            await texts(api)


async def test_a_message_that_comes_late_is_waited_for_by_its_reader():
    api, _ = client([ONE[:4], LONGEST + 0.2, ONE[4:], END], timeout=Timeout(total=0.5, attempt=0.5))
    async with api:
        assert await texts(api) == ["one"]


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 11])
async def test_pieces_that_were_looked_at_are_read_again(cut):
    body = ONE + ONE + END
    api, _ = client([body[at : at + cut] for at in range(0, len(body), cut)])
    async with api:
        assert await texts(api) == ["one", "one"]


async def test_garbage_in_place_of_a_message_is_its_readers_error():
    api, transport = client([envelope(b"x", 0x40)])
    async with api:
        with pytest.raises(RPCError, match="flags") as caught:
            await texts(api)
    assert caught.value.code is Code.INTERNAL
    assert transport.requests == 1
