"""Stubs over TLS with ALPN, and through a real Envoy."""

import asyncio

import pytest

import greeter_pb2 as pb
from asyncapi import Client, RequestTimeout, Retry, RPCError
from asyncapi.grpc import Code
from certificates import Authority
from envoy_proxy import backend, envoy, route
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")


@pytest.mark.parametrize("http2", [True, "prior"])
async def test_a_stub_over_tls(tmp_path, http2):
    authority = Authority(tmp_path)
    made = authority.made.issue_cert("127.0.0.1")
    key = made.private_key_pem.bytes()
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    async with grpc_server(tls=(key, chain)) as server, Client(server.url, http2=http2, tls=authority.file) as api:
        stub = GreeterStub(api.grpc())
        assert (await stub.Say(pb.Ask(name="Ada"))).text == "Hello, Ada"
        assert [part.n async for part in stub.Chat([pb.Ask(n=1), pb.Ask(n=2)])] == [1, 2]
        assert api.stats.http2["connections"] == 1


async def test_a_server_that_chooses_http1_is_named(tmp_path):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    authority = Authority(tmp_path)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=authority.server())
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Client(url, http2=True, tls=authority.file) as api:
        with pytest.raises(RPCError, match=r"the server has chosen HTTP/1\.1"):
            await GreeterStub(api.grpc()).Say(pb.Ask())


async def test_a_stub_through_envoy():
    async with grpc_server() as server:
        address = server.url.removeprefix("http://")
        with envoy(backend(address, h2=True), route("/", timeout="0s")) as proxy:
            settings = {"http2": "prior", "retry": Retry(3, base=0.01)}
            async with Client(proxy.url, **settings) as api:
                await through(GreeterStub(api.grpc()), server.greeter)


async def through(stub, greeter):
    said = await stub.Say(pb.Ask(name="Ada", data=bytes(2 << 20)))
    assert (said.text, len(said.data)) == ("Hello, Ada", 2 << 20)
    assert [part.n async for part in stub.Many(pb.Ask(n=3))] == [0, 1, 2]
    assert (await stub.Sum([pb.Ask(n=1), pb.Ask(n=2), pb.Ask(name="enough")])).n == 3
    call = stub.Chat()
    await call.write(pb.Ask(n=7))
    assert (await call.read()).n == 7
    call.cancel()
    with pytest.raises(RPCError) as caught:
        await stub.Say(pb.Ask(fail="NOT_FOUND"))
    assert (caught.value.code, caught.value.details) == (Code.NOT_FOUND, "asked for NOT_FOUND")
    greeter.answers = [("UNAVAILABLE", "restarting", ())]
    assert (await stub.Look(pb.Ask(name="Bob"))).text == "Hello, Bob"
    with pytest.raises(RequestTimeout):
        await stub.Say(pb.Ask(delay_ms=20_000), timeout=0.3)
    await greeter.until("Say cancelled")
