"""Calls that stream: back-pressure both ways, ends of either half, deadlines and cancellation that the server sees."""

import asyncio
import gc
from contextlib import asynccontextmanager

import grpc
import pytest

import greeter_pb2 as pb
from asyncapi import Client, ConfigError, RequestTimeout, RPCError, Timeout, deadline
from asyncapi.grpc import EOF, Code
from asyncapi.sansio.rpc.envelopes import envelope
from greeter_pb2_grpc import GreeterStub
from grpc_server import ROUNDING, grpc_server
from http2_server import http2_server, until

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")

SLOW = pb.Ask(n=3, delay_ms=20_000)
HEAD, OK = [("content-type", "application/grpc")], [("grpc-status", "0")]


@asynccontextmanager
async def greeting(**settings):
    async with grpc_server() as server, Client(server.url, http2="prior", **{"retry": None, **settings}) as api:
        yield GreeterStub(api.grpc()), server.greeter
        await until(lambda: api.stats.in_flight == 0 and api.stats.http2["streams"] == 0)


async def test_messages_are_read_one_by_one_to_the_end():
    async with greeting() as (stub, _):
        call = stub.Many(pb.Ask(n=2))
        assert [(await call.read()).n, (await call.read()).n] == [0, 1]
        end = await call.read()
        assert not end
        assert end == EOF
        assert end is grpc.aio.EOF
        assert await call.code() is Code.OK


async def test_messages_are_written_one_by_one():
    async with greeting() as (stub, _):
        call = stub.Sum()
        for number in (1, 2, 3):
            await call.write(pb.Ask(n=number))
        await call.done_writing()
        await call.done_writing()
        assert (await call).n == (await call).n == 6


async def test_both_halves_take_turns():
    async with greeting() as (stub, _):
        call = stub.Chat()
        for number in (1, 2, 3):
            await call.write(pb.Ask(n=number))
            assert (await call.read()).n == number
        await call.done_writing()
        assert await call.read() == EOF
        assert await call.code() is Code.OK


async def test_the_head_may_come_long_before_a_message_or_after():
    async with greeting() as (stub, _):
        call = stub.Chat()
        waiting = asyncio.ensure_future(call.initial_metadata())
        await call.write(pb.Ask(n=1))
        await waiting
        assert (await call.read()).n == 1
        call.cancel()


async def test_many_large_messages_flow_both_ways():
    data = bytes(100_000)
    async with greeting() as (stub, _):
        call = stub.Chat(pb.Ask(data=data, n=each) for each in range(50))
        assert [part.n async for part in call] == list(range(50))


async def test_an_unread_stream_holds_the_server_back():
    sent = 0

    async def script(peer, asked):
        nonlocal sent
        await peer.write(peer.head(asked.stream, [(":status", "200"), *HEAD]))
        while not asked.gone.is_set():
            await peer.send(asked.stream, envelope(bytes(10_000)), end=False)
            sent += 1

    async with http2_server(script) as server, Client(server.url, http2="prior") as api:
        call = api.grpc().unary_stream("/t.S/Many")(b"")
        await call.read()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)
        window = server.peers[0].got_settings.get(4, 65_535)
        assert sent * 10_000 <= 2 * window + 65_536
        call.cancel()
        await until(server.requests[0].gone.is_set)


async def test_a_server_that_does_not_read_holds_the_writer_back():
    async def script(peer, asked):
        await asked.gone.wait()

    async with (
        http2_server(script, reads=False) as server,
        Client(server.url, http2="prior") as api,
    ):
        call = api.grpc().stream_stream("/t.S/Chat")(timeout=0.5)
        written = 0

        async def write():
            nonlocal written
            while True:
                await call.write(bytes(10_000))
                written += 1

        with pytest.raises(RequestTimeout, match="during send") as caught:
            await write()
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        assert written < 20
        await until(server.requests[0].gone.is_set)
        assert not server.requests[0].ended.is_set()


async def test_a_server_may_end_the_call_while_it_is_written_to():
    async with greeting() as (stub, _):
        call = stub.Chat()
        await call.write(pb.Ask(n=1))
        await call.write(pb.Ask(name="enough"))
        assert (await call.read()).n == 1
        assert await call.read() == EOF
        with pytest.raises(RPCError, match="takes no more messages"):
            await call.write(pb.Ask(n=2))
        assert (await stub.Sum([pb.Ask(n=1), pb.Ask(name="enough"), *[pb.Ask(n=9, data=bytes(50_000))] * 100])).n == 1


async def test_a_failure_is_raised_to_reader_and_writer():
    async with greeting() as (stub, _):
        call = stub.Chat()
        await call.write(pb.Ask(fail="ABORTED"))
        for _ in range(2):
            with pytest.raises(RPCError, match="ABORTED"):
                await call.read()
        with pytest.raises(RPCError, match="ABORTED"):
            await call.write(pb.Ask())


@pytest.mark.parametrize("how", ["cancel", "drop", "task", "with"])
@pytest.mark.parametrize("name", ["Many", "Sum", "Chat"])
async def test_the_server_sees_a_call_that_is_given_up(name, how):
    async with greeting() as (stub, greeter):
        call = getattr(stub, name)(*([SLOW] if name == "Many" else []))
        if name != "Many":
            await call.write(pb.Ask(n=1, delay_ms=20_000 if name == "Chat" else 0))
        await greeter.until("Sum 1" if name == "Sum" else name)
        if how == "cancel":
            assert call.cancel()
            assert await call.code() is Code.CANCELLED
        elif how == "task":
            task = asyncio.ensure_future(call if name == "Sum" else call.read())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
        elif how == "with" and name != "Sum":
            async with call:
                pass
        del call
        gc.collect()
        await greeter.until(f"{name} cancelled")


async def test_a_request_that_is_given_up_does_not_look_whole():
    async def script(peer, asked):
        await asked.gone.wait()

    async with http2_server(script) as server, Client(server.url, http2="prior") as api:
        call = api.grpc().stream_unary("/t.S/Sum")()
        await call.write(b"first")
        await until(lambda: server.requests and server.requests[0].body)
        call.cancel()
        await until(server.requests[0].gone.is_set)
        assert not server.requests[0].ended.is_set()
        assert server.resets == [8]


async def test_a_reader_that_is_cancelled_gets_nothing_more():
    async with greeting() as (stub, _):
        call = stub.Many(pb.Ask(n=3))
        await call.read()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()


async def test_leaving_a_loop_early_ends_the_call():
    async with greeting() as (stub, greeter):
        async for _ in stub.Many(pb.Ask(n=100_000, data=bytes(1000))):
            break
        assert greeter.seen[0] == "Many"


@pytest.mark.parametrize("within", [{"timeout": 0.2}, {}])
async def test_the_deadline_of_a_stream_holds_to_its_end(within):
    async with greeting() as (stub, greeter):
        with deadline(0.2) if not within else deadline(20):
            call = stub.Many(pb.Ask(n=1000, delay_ms=20), **within)
            with pytest.raises(RequestTimeout) as caught:
                async for _ in call:
                    pass
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        assert await call.code() is Code.DEADLINE_EXCEEDED
        assert 0 < greeter.left[0] <= 0.2 + ROUNDING
        await greeter.until("Many cancelled")


async def test_a_stream_outlives_the_clients_own_limits():
    async with greeting(timeout=Timeout(0.2, attempt=0.1)) as (stub, greeter):
        assert len([part async for part in stub.Many(pb.Ask(n=3, delay_ms=150))]) == 3
        assert greeter.left == [None]


async def test_silence_is_bounded_while_somebody_waits():
    async with greeting(timeout=Timeout(read=0.2)) as (stub, greeter):
        call = stub.Many(SLOW)
        with pytest.raises(RequestTimeout, match=r"no message came for 0\.2 s"):
            await call.read()
        await greeter.until("Many cancelled")


async def test_an_iterator_that_fails_ends_the_call():
    async def asks():
        yield pb.Ask(n=1)
        await greeter.until("Sum 1")
        raise ValueError("mine")

    async with greeting() as (stub, greeter):
        with pytest.raises(ConfigError, match="ValueError: mine"):
            await stub.Sum(asks())
        await greeter.until("Sum cancelled")
        call = stub.Chat(asks())
        with pytest.raises(ConfigError, match="ValueError: mine"):
            async for _ in call:
                pass


async def test_wrong_use_is_told():
    async with greeting() as (stub, _):
        call = stub.Many(SLOW)
        task = asyncio.ensure_future(call.read())
        await asyncio.sleep(0)
        with pytest.raises(ConfigError, match="two tasks read"):
            await call.read()
        task.cancel()
        call = stub.Sum([pb.Ask(n=1)])
        with pytest.raises(ConfigError, match="from the iterator"):
            await call.write(pb.Ask())
        with pytest.raises(ConfigError, match="from the iterator"):
            await call.done_writing()
        await call
        call = stub.Chat()
        await call.done_writing()
        with pytest.raises(ConfigError, match="after done_writing"):
            await call.write(pb.Ask())
        assert await call.read() == EOF
        with pytest.raises(ConfigError, match="an iterable of them"):
            stub.Sum(3)


@pytest.mark.parametrize("name", ["Many", "Sum", "Chat"])
async def test_cancellation_at_any_moment_leaves_nothing(name):
    async with greeting() as (stub, _):
        for turns in range(20):

            async def work():
                if name == "Many":
                    return [part async for part in stub.Many(pb.Ask(n=5, delay_ms=2))]
                if name == "Sum":
                    return await stub.Sum([pb.Ask(n=1)] * 3)
                return [part async for part in stub.Chat([pb.Ask(n=1)] * 3)]

            task = asyncio.create_task(work())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_closing_the_client_ends_open_streams():
    async with grpc_server() as server:
        async with Client(server.url, http2="prior") as api:
            call = GreeterStub(api.grpc()).Many(pb.Ask(n=1000, delay_ms=50))
            await call.read()
        with pytest.raises(ConfigError, match="client is closed"):
            async for _ in call:
                pass
