"""Stubs over grpc-web: through Envoy to a server of gRPC, against connectrpc's server, and against broken ones."""

import base64

import grpc
import pytest
from grpc import aio

from asyncapi import Client, ConfigError, Retry, RPCError
from asyncapi.grpc import Code
from asyncapi.sansio.rpc.envelopes import envelope
from connect_server import connect_server
from envoy_proxy import backend, envoy, grpc_web, route
from greeter_pb2 import Ask, Reply
from greeter_pb2_grpc import GreeterServicer, GreeterStub, add_GreeterServicer_to_server
from servers import scripted

pytestmark = pytest.mark.lanes

OK = envelope(b"grpc-status:0\r\n", 0x80)
QUICK = Retry(base=0.001)
BIG = (4 << 20) - 100  # servers of gRPC take messages of up to 4 MiB


class Greeter(GreeterServicer):
    """What stands behind Envoy: `calls` are the names that it was called with."""

    def __init__(self):
        self.calls = []

    async def Say(self, request, context):
        self.calls.append(request.name)
        context.set_trailing_metadata((("x-end", "2"), ("end-bin", b"\1\2")))
        if request.fail:
            await context.abort(grpc.StatusCode[request.fail], f"{request.name} fails: ü")
        return Reply(text=f"hello {request.name}", data=request.data)

    Look = Say

    async def Many(self, request, context):
        self.calls.append(request.name)
        if request.fail and len(self.calls) < 3:
            await context.abort(grpc.StatusCode[request.fail], "not yet")
        for number in range(request.n):
            yield Reply(n=number)
        context.set_trailing_metadata((("x-end", "3"),))


@pytest.fixture
async def behind_envoy():
    server, greeter = aio.server(), Greeter()
    add_GreeterServicer_to_server(greeter, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pieces = backend(f"127.0.0.1:{port}", h2=True), route("/", timeout="0s")
    try:
        with envoy(*pieces, filters=(grpc_web(),)) as proxy:
            yield proxy.url, greeter
    finally:
        await server.stop(0)


async def test_a_stub_runs_through_envoy(behind_envoy):
    url, greeter = behind_envoy
    async with Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("grpc-web"))
        call = stub.Say(Ask(name="ada", data=bytes(BIG)))
        assert (await call).data == bytes(BIG)
        assert (await call.trailing_metadata())["end-bin"] == b"\1\2"
        with pytest.raises(RPCError, match="bob fails: ü") as caught:
            await stub.Say(Ask(name="bob", fail="NOT_FOUND"))
        assert caught.value.code is Code.NOT_FOUND
        assert caught.value.metadata["x-end"] == "2"
        greeter.calls.clear()
        many = stub.Many(Ask(name="m", n=3, fail="UNAVAILABLE"))
        assert [message.n async for message in many] == [0, 1, 2]
        assert (await many.trailing_metadata())["x-end"] == "3"
        assert greeter.calls == ["m"] * 3


async def test_what_a_proxy_says_has_the_code_of_its_status():
    with envoy(backend("127.0.0.1:9", h2=True), route("/"), filters=(grpc_web(),)) as proxy:
        async with Client(proxy.url, retry=None) as api:
            with pytest.raises(RPCError) as caught:
                await GreeterStub(api.grpc("grpc-web")).Say(Ask())
    assert caught.value.code is Code.UNAVAILABLE


async def test_a_stub_runs_against_connectrpc():
    async with connect_server() as (url, greeter), Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("grpc-web", compression="gzip"))
        assert (await stub.Look(Ask(name="x", fail="unavailable:2"))).text == "hello x"
        assert greeter.calls["x"] == 3
        assert [message.n async for message in stub.Many(Ask(name="r", n=0, fail="unavailable:1"))] == []
        assert greeter.calls["r"] == 2
        assert [message.n async for message in stub.Many(Ask(n=2))] == [0, 1]


async def test_streams_of_requests_are_refused():
    async with Client("http://127.0.0.1:9") as api:
        stub = GreeterStub(api.grpc("grpc-web"))
        with pytest.raises(ConfigError, match="grpc-web can't carry"):
            stub.Sum(iter([Ask()]))


async def many(stub):
    return [message.text async for message in stub.Many(Ask(n=1))]


async def answered(pieces, call, kind="application/grpc-web+proto", more=""):
    async def script(peer):
        await peer.request()
        for piece in pieces:
            await peer.write(piece)

    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}\r\n".encode()
    pieces = [head, *pieces]
    async with scripted(script) as server, Client(server.url, retry=None) as api:
        try:
            return await call(GreeterStub(api.grpc("grpc-web")))
        finally:
            assert api.stats.in_flight == 0


async def test_a_stream_may_come_a_byte_at_a_time_and_in_base64():
    body = envelope(Reply(text="one").SerializeToString()) + envelope(b"") + OK
    assert await answered([bytes([octet]) for octet in body], many) == ["one", ""]
    text = base64.b64encode(body[:7]) + base64.b64encode(body[7:])
    pieces = [bytes([octet]) for octet in text]
    assert await answered(pieces, many, "application/grpc-web-text+proto") == ["one", ""]


@pytest.mark.parametrize(
    "body", [b"", envelope(b""), envelope(b"") + OK[:-1], OK + OK, envelope(b"", 2) + OK, b"\0\xff\xff\xff\xff"]
)
async def test_a_body_that_is_not_whole_is_an_error(body):
    for call in (many, lambda stub: stub.Say(Ask())._result()):
        with pytest.raises(RPCError):
            await answered([body], call)


async def test_an_error_may_come_in_the_head_alone():
    for call in (many, lambda stub: stub.Say(Ask())._result()):
        with pytest.raises(RPCError, match="why") as caught:
            await answered([], call, more="grpc-status: 9\r\ngrpc-message: why\r\n")
        assert caught.value.code is Code.FAILED_PRECONDITION
