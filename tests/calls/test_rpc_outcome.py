"""A plain call behind a mesh raises what its grpc-status says."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Client, Mesh, RPCError
from asyncapi.testing import FakeClock, MockTransport, reply, run

BAD = {"grpc-status": "5", "grpc-message": "no%20such user"}


def outcome(call, headers=BAD, mesh=None):
    async def made():
        transport = MockTransport(lambda _: reply(200, headers=headers))
        async with Client("https://api.test", transport=transport, clock=FakeClock(), mesh=mesh) as api:
            return await call(api)

    return run(made())


async def streamed(api):
    async with api.stream("GET", "/") as response:
        return response.status


CALLS = [
    lambda api: api.get("/"), lambda api: api.post("/", content=b""), streamed, lambda api: api.gather(["/"]),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_status_that_is_not_ok_is_an_rpc_error(call):
    with pytest.raises(RPCError) as caught:
        outcome(call, mesh=Mesh())
    error = caught.value
    assert (error.code.name, error.details, len(error.attempts)) == ("NOT_FOUND", "no such user", 1)
    assert error.request.method in {"GET", "POST"}


@pytest.mark.parametrize("call", CALLS)
def test_without_a_mesh_a_200_is_a_200(call):
    outcome(call)


@pytest.mark.parametrize("call", CALLS)
def test_a_status_of_ok_is_a_200(call):
    outcome(call, headers={"grpc-status": "0"}, mesh=Mesh())


def test_a_caller_who_wants_no_errors_gets_the_response():
    response = outcome(lambda api: api.get("/", raise_for_status=False), mesh=Mesh())
    assert (response.status, response.effective_status) == (200, 404)


def test_a_map_yields_the_error():
    async def mapped(api):
        async with api.map(["/"], on_error="yield") as outcomes:
            return [each async for each in outcomes]

    (one,) = outcome(mapped, mesh=Mesh())
    assert isinstance(one.error, RPCError)
    assert asyncio.iscoroutinefunction(mapped)
