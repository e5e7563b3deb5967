"""Generated stubs run over a client as they are, against a server of grpcio."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import greeter_pb2 as pb
from asyncapi import Client, ConfigError, RPCError
from asyncapi.grpc import Code
from asyncapi.testing import MockTransport, reply
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")


@asynccontextmanager
async def greeting(channel=None, **settings):
    async with grpc_server() as server, Client(server.url, http2="prior", **settings) as api:
        yield GreeterStub(api.grpc(**(channel or {}))), server.greeter


async def asks(*numbers):
    for number in numbers:
        yield pb.Ask(n=number)


async def test_unary():
    async with greeting() as (stub, _):
        said = await stub.Say(pb.Ask(name="Ada", n=3))
        assert (said.text, said.n) == ("Hello, Ada", 3)


async def test_server_stream():
    async with greeting() as (stub, _):
        assert [part.n async for part in stub.Many(pb.Ask(n=3))] == [0, 1, 2]
        assert [part async for part in stub.Many(pb.Ask(n=0))] == []


@pytest.mark.parametrize("messages", [lambda: asks(1, 2, 3), lambda: [pb.Ask(n=each) for each in (1, 2, 3)]])
async def test_client_stream(messages):
    async with greeting() as (stub, _):
        assert (await stub.Sum(messages())).n == 6
        assert [part.n async for part in stub.Chat(messages())] == [1, 2, 3]


async def test_metadata_goes_both_ways():
    async with greeting() as (stub, greeter):
        call = stub.Say(pb.Ask(name="Ada"), metadata=(("key", "value"), ("key-bin", b"\0\xff")))
        assert (await call.initial_metadata())["first-bin"] == b"\0\xff"
        assert (await call.trailing_metadata())["last-bin"] == b"\xfe\0"
        assert (await call.initial_metadata())["first"] == "1"
        assert (await call.trailing_metadata())["last"] == "2"
        await call
        (seen,) = greeter.metadata
        assert (seen["key"], seen["key-bin"]) == ("value", b"\0\xff")
        assert seen["user-agent"].startswith("grpc-python-asyncapi/")


async def test_a_user_agent_of_the_users_own_is_kept():
    async with greeting(headers={"User-Agent": "mine/1"}) as (stub, greeter):
        await stub.Say(pb.Ask())
        assert greeter.metadata[0]["user-agent"] == "mine/1"


@pytest.mark.parametrize("size", [0, 1, 70_000, 4 << 20])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate", grpc.Compression.Gzip])
async def test_messages_of_any_size_are_compressed_or_not(size, coding):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    async with greeting({"compression": coding}) as (stub, _):
        assert (await stub.Say(pb.Ask(data=data))).data == data
        assert [part.data async for part in stub.Many(pb.Ask(data=data, n=2))] == [data, data]
        assert (await stub.Say(pb.Ask(data=data), compression=None)).data == data


async def test_a_server_that_compresses_is_understood():
    async with (
        grpc_server(**{"grpc.default_compression_algorithm": 2}) as server,
        Client(server.url, http2="prior") as api,
    ):
        said = await GreeterStub(api.grpc()).Say(pb.Ask(name="Ada" * 1000))
        assert said.text == f"Hello, {'Ada' * 1000}"


async def test_a_message_over_the_bound_is_refused():
    async with greeting({"max_message": 1000}) as (stub, _):
        assert len((await stub.Say(pb.Ask(data=bytes(900)))).data) == 900
        for call in (stub.Say(pb.Ask(data=bytes(1000))), stub.Many(pb.Ask(data=bytes(1000), n=1)).read()):
            with pytest.raises(RPCError, match="max_message=1,000") as caught:
                await call
            assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("code", [code.name for code in Code if code is not Code.OK])
async def test_every_status_becomes_an_error_of_its_code(code):
    async with greeting(retry=None) as (stub, _):
        for call in (
            stub.Say(pb.Ask(fail=code)),
            stub.Sum([pb.Ask(fail=code)]),
            stub.Many(pb.Ask(fail=code)).read(),
            stub.Chat([pb.Ask(fail=code)]).read(),
        ):
            with pytest.raises(RPCError) as caught:
                await call
            assert caught.value.code is Code[code]
            assert caught.value.details == f"asked for {code}"
            assert caught.value.attempts[-1].error == f"RPCError: {code}: asked for {code}"
            assert caught.value.request is not None


async def test_messages_before_a_failure_are_handed_out_first():
    async with greeting() as (stub, _):
        call = stub.Many(pb.Ask(n=2, fail="ABORTED"))
        assert [(await call.read()).n, (await call.read()).n] == [0, 1]
        with pytest.raises(RPCError, match="ABORTED"):
            await call.read()
        assert await call.code() is Code.ABORTED


async def test_health_and_reflection_speak_too():
    async with grpc_server() as server, Client(server.url, http2="prior") as api:
        channel = api.grpc()
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        info = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (listed,) = [found async for found in info(iter([asked]))]
        assert "greet.v1.Greeter" in [service.name for service in listed.list_services_response.service]


async def test_a_hundred_calls_share_one_connection():
    async with grpc_server() as server, Client(server.url, http2="prior") as api:
        stub = GreeterStub(api.grpc())
        said = await asyncio.gather(*(stub.Say(pb.Ask(n=each)) for each in range(100)))
        assert [each.n for each in said] == list(range(100))
        assert api.stats.http2["connections"] == 1


@pytest.mark.parametrize(
    ("settings", "base"),
    [({}, "https://api.example.com"), ({"transport": "native"}, "https://x.example"), ({"http2": True}, "http://x")],
)
async def test_without_http2_it_is_refused_before_anything_is_sent(settings, base):
    async with Client(base, **settings) as api:
        with pytest.raises(ConfigError, match=r"gRPC needs HTTP/2: .*http2='prior'"):
            api.grpc()


async def test_http2_by_alpn_is_enough():
    async with Client("https://api.example.com", http2=True) as api:
        assert "grpc https://api.example.com" in repr(api.grpc())


@pytest.mark.parametrize("given", [{"protocol": "soap"}, {"compression": "br"}, {"max_message": 0}])
async def test_a_setting_that_makes_no_sense_is_refused(given):
    async with Client("https://api.example.com", http2=True) as api:
        with pytest.raises(ConfigError):
            api.grpc(**given)


async def test_a_channel_is_closed_with_its_client_alone():
    async with greeting() as (stub, _):
        assert (await stub.Say(pb.Ask(n=1))).n == 1
    async with grpc_server() as server, Client(server.url, http2="prior") as api:
        async with api.grpc() as channel:
            await GreeterStub(channel).Say(pb.Ask())
        assert (await GreeterStub(channel).Say(pb.Ask(n=1))).n == 1


async def test_a_mock_responds_to_a_stub():
    def handler(request):
        assert request.url.path == "/greet.v1.Greeter/Say"
        message = pb.Reply(text="mocked").SerializeToString()
        head = {"content-type": "application/grpc"}
        response = reply(200, headers=head, content=b"\0" + len(message).to_bytes(4, "big") + message)
        response.trailers = {"grpc-status": "0"}
        return response

    async with Client("https://api.example.com", transport=MockTransport(handler)) as api:
        assert (await GreeterStub(api.grpc()).Say(pb.Ask())).text == "mocked"


async def test_a_method_needs_its_path():
    async with Client("https://api.example.com", http2=True) as api:
        with pytest.raises(ConfigError, match="give its path"):
            api.grpc().unary_unary("Say")
