"""gRPC through a real Envoy that retries and refuses: what it says is added to what gRPC says."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Breaker, Client, Mesh, Retry, RPCError
from daemons import free_port
from envoy_proxy import backend, envoy, route

pytest.importorskip("grpc", reason="needs grpcio")

import greeter_pb2 as pb
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2, which is the native transport's")

QUICK = Retry(4, base=0.005, budget=None)
UNAVAILABLE = ("UNAVAILABLE", "not now", ())
RETRYING = route(retries=3, retry_on="unavailable")


def address(server):
    return server.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("mesh", "most"), [(False, 16), (None, 4), (Mesh(), 4), (Mesh("mesh"), 4)], ids=["deaf", "told", "ours", "mesh"]
)
async def test_a_failing_call_does_not_multiply_the_retries_of_both(mesh, most):
    async with grpc_server() as server:
        server.greeter.answers = [UNAVAILABLE] * 16
        with envoy(backend(address(server), h2=True), RETRYING) as proxy:
            async with Client(proxy.url, http2="prior", mesh=mesh, retry=QUICK) as api:
                with pytest.raises(RPCError, match="UNAVAILABLE") as caught:
                    await GreeterStub(api.grpc()).Look(pb.Ask(name="x"))
        assert len(server.greeter.seen) == most
        assert caught.value.details == "not now"


async def test_a_full_circuit_is_throttled_and_no_failure_of_the_host():
    async with grpc_server() as server:
        small = backend(address(server), h2=True, max_requests=1)
        with envoy(small, route(timeout="60s")) as proxy:
            async with Client(proxy.url, http2="prior", retry=QUICK, breaker=Breaker(minimum=2), pace=False) as api:
                stub = GreeterStub(api.grpc())
                held = asyncio.ensure_future(stub.Say(pb.Ask(name="held", delay_ms=1500)))
                await server.greeter.until("Say")
                outcomes = await asyncio.gather(
                    *[stub.Say(pb.Ask(name="x")) for _ in range(10)], return_exceptions=True
                )
                assert len(server.greeter.seen) == 1
                assert (await held).text == "Hello, held"
                assert [circuit.state for circuit in api.stats.circuits.values()] == ["closed"]
    assert {type(each) for each in outcomes} == {RPCError}
    assert {len(each.attempts) for each in outcomes} == {2}  # nothing was done: Say is sent again, once


@pytest.mark.parametrize(("mesh", "attempts"), [(None, 1), (Mesh(), 4), (Mesh("mesh"), 1)])
async def test_an_unsafe_call_is_sent_again_where_the_proxy_proves_that_nothing_was_sent(mesh, attempts):
    with envoy(backend(f"127.0.0.1:{free_port()}", h2=True)) as proxy:
        async with Client(proxy.url, http2="prior", mesh=mesh, retry=QUICK) as api:
            with pytest.raises(RPCError, match="UNAVAILABLE") as caught:
                await GreeterStub(api.grpc()).Say(pb.Ask(name="x"))
    assert len(caught.value.attempts) == attempts
