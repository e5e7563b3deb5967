"""RPCs are recorded and replayed, whether one side streams, both do, or neither does."""

import pytest

import greeter_pb2 as pb
from asyncapi import Client, RPCError
from asyncapi.testing import Cassette, UnmatchedCall
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.recording import consistent
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")


async def twice(tape, program):
    async with grpc_server() as server:
        with Cassette(tape.path):
            async with Client(server.url, http2="prior", retry=None) as api:
                first = await program(GreeterStub(api.grpc()))
        url = server.url
    with Cassette(tape.path, "none") as replay:
        async with Client(url, http2="prior", retry=None) as api:
            second = await program(GreeterStub(api.grpc()))
    assert replay.unused == []
    return first, second


async def test_a_unary_call_replays(tape):
    async def program(stub):
        return (await stub.Say(pb.Ask(name="Ada"))).SerializeToString()

    first, second = await twice(tape, program)
    assert first == second


async def test_a_status_that_is_an_error_replays(tape):
    async def program(stub):
        with pytest.raises(RPCError) as failed:
            await stub.Say(pb.Ask(fail="NOT_FOUND"))
        return failed.value.code, failed.value.message

    first, second = await twice(tape, program)
    assert first == second


async def test_a_stream_of_responses_replays(tape):
    async def program(stub):
        return [message.n async for message in stub.Many(pb.Ask(n=3))]

    first, second = await twice(tape, program)
    assert first == second == [0, 1, 2]


async def test_a_stream_of_requests_replays(tape):
    async def program(stub):
        call = stub.Sum()
        for number in (1, 2, 3):
            await call.write(pb.Ask(n=number))
        await call.done_writing()
        return (await call).n

    first, second = await twice(tape, program)
    assert first == second


async def test_a_stream_both_ways_replays_in_turns(tape):
    async def program(stub):
        call, got = stub.Chat(), []
        for name in ("a", "b"):
            await call.write(pb.Ask(name=name))
            got.append((await call.read()).SerializeToString())
        await call.done_writing()
        assert not await call.read()
        return got

    first, second = await twice(tape, program)
    assert first == second


async def test_messages_that_differ_fail(tape):
    async def program(stub, name="a"):
        call = stub.Chat()
        await call.write(pb.Ask(name=name))
        got = await call.read()
        await call.done_writing()
        return got

    await twice(tape, program)
    with pytest.raises(UnmatchedCall, match="messages that are not those recorded"):  # noqa: PT012
        with Cassette(tape.path, "none") as again:
            async with Client(Cassette(tape.path).exchanges[0].url.partition("/greet")[0], http2="prior") as api:
                with pytest.raises(RPCError):
                    await program(GreeterStub(api.grpc()), "b")
        assert again.problems == []


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ([("Content-Length", "9"), ("Content-Encoding", "gzip"), ("A", "1")], [("Content-Length", "2"), ("A", "1")]),
        ([("Content-Encoding", "gzip"), ("A", "1"), ("Content-Length", "9")], [("A", "1"), ("Content-Length", "2")]),
        ([("Transfer-Encoding", "chunked")], []),
        ([("A", "1")], [("A", "1")]),
    ],
)
def test_headers_are_true_of_the_decoded_body(fields, after):
    assert consistent(Exchange("GET", "https://h/", status=200, fields=fields), b"hi") == after


def test_a_response_without_a_body_keeps_the_length_that_it_names():
    fields = [("Content-Length", "9")]
    assert consistent(Exchange("HEAD", "https://h/", status=200, fields=fields), b"") == fields
