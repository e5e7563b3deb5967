"""A unary call is used as one of grpc.aio: awaited, asked, cancelled; nothing is left behind."""

import asyncio
from contextlib import asynccontextmanager

import pytest

import greeter_pb2 as pb
from asyncapi import Client, RequestTimeout, RPCError, deadline
from asyncapi.grpc import Code
from greeter_pb2_grpc import GreeterStub
from grpc_server import ROUNDING, grpc_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")

SLOW = pb.Ask(delay_ms=20_000)


@asynccontextmanager
async def greeting(**settings):
    async with grpc_server() as server, Client(server.url, http2="prior", **{"retry": None, **settings}) as api:
        yield GreeterStub(api.grpc()), server.greeter
        assert api.stats.in_flight == 0
        assert api.stats.http2["streams"] == 0


async def test_a_call_has_its_outcome():
    async with greeting() as (stub, _):
        call = stub.Say(pb.Ask(name="Ada"))
        assert not call.done()
        assert (await call).text == (await call).text == "Hello, Ada"
        assert (await call.code(), await call.details()) == (Code.OK, "")
        assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)
        assert "OK" in repr(call)
        assert await call.debug_error_string() == ""


async def test_a_call_begins_without_being_awaited():
    async with greeting() as (stub, greeter):
        call = stub.Say(pb.Ask())
        await greeter.until("Say")
        await call.wait_for_connection()
        await call


async def test_calls_are_gathered():
    async with greeting() as (stub, _):
        said = await asyncio.gather(*(stub.Say(pb.Ask(n=each)) for each in range(5)))
        assert [each.n for each in said] == [0, 1, 2, 3, 4]


async def test_callbacks_hear_of_the_end():
    async with greeting() as (stub, _):
        call, heard = stub.Say(pb.Ask()), []
        call.add_done_callback(heard.append)
        await call
        call.add_done_callback(heard.append)
        assert heard == [call, call]


async def test_a_failure_is_raised_to_whoever_awaits():
    async with greeting() as (stub, _):
        call = stub.Say(pb.Ask(fail="NOT_FOUND"))
        assert await call.code() is Code.NOT_FOUND
        for _ in range(2):
            with pytest.raises(RPCError, match="asked for"):
                await call
        assert "NOT_FOUND" in await call.debug_error_string()
        with pytest.raises(RPCError):
            await call.wait_for_connection()


async def test_a_failure_that_nobody_looks_at_is_no_noise():
    async with greeting() as (stub, greeter):
        stub.Say(pb.Ask(fail="NOT_FOUND"))
        await greeter.until("Say")
        await stub.Say(pb.Ask())


async def test_the_server_sees_a_task_that_is_cancelled():
    async def say():
        await stub.Say(SLOW)

    async with greeting() as (stub, greeter):
        task = asyncio.create_task(say())
        await greeter.until("Say")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await greeter.until("Say cancelled")


@pytest.mark.parametrize("inline", [False, True])
async def test_the_server_sees_cancel(inline):
    async with greeting() as (stub, greeter):
        call = stub.Say(SLOW)

        async def cancel():
            await greeter.until("Say")
            assert call.cancel()

        task = asyncio.create_task(cancel())
        if not inline:
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await call
        await task
        assert asyncio.current_task().cancelling() == 0
        assert call.cancelled()
        assert await call.code() is Code.CANCELLED
        await greeter.until("Say cancelled")


async def test_a_call_that_is_cancelled_at_once_is_never_sent():
    async with greeting() as (stub, greeter):
        call = stub.Say(pb.Ask())
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await stub.Put(pb.Ask())
        assert greeter.seen == ["Put"]


async def test_the_server_learns_the_deadline_and_sees_its_end():
    async with greeting() as (stub, greeter):
        with pytest.raises(RequestTimeout) as caught:
            await stub.Say(SLOW, timeout=0.2)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        assert 0 < greeter.left[0] <= 0.2 + ROUNDING
        await greeter.until("Say cancelled")


async def test_a_scope_and_the_clients_own_limits_are_told_too():
    async with greeting(timeout=7) as (stub, greeter):
        call = stub.Say(pb.Ask())
        assert 6 < call.time_remaining() <= 7
        await call
        with deadline(3):
            await stub.Say(pb.Ask())
        await stub.Say(pb.Ask(), timeout=None)
        assert 5 < greeter.left[0] <= 7 + ROUNDING
        assert 1 < greeter.left[1] <= 3 + ROUNDING
        assert greeter.left[2] is None


async def test_cancellation_at_any_moment_leaves_nothing():
    async with greeting() as (stub, _):
        for turns in range(1, 26):  # a task that has not begun holds no call
            task = asyncio.ensure_future(stub.Say(pb.Ask(delay_ms=5)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await stub.Say(pb.Ask(n=7))).n == 7


async def test_a_message_that_can_not_be_read_is_an_error():
    async with grpc_server() as server, Client(server.url, http2="prior") as api:
        say = api.grpc().unary_unary("/greet.v1.Greeter/Say", pb.Ask.SerializeToString, int)
        with pytest.raises(RPCError, match="can't be deserialized") as caught:
            await say(pb.Ask())
        assert caught.value.code is Code.INTERNAL
