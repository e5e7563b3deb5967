"""What the client says comes out of a channel of grpc.aio in the channel's own words."""

import pytest
from grpc import StatusCode, aio

from asyncapi import (
    AuthError,
    Bearer,
    CircuitOpen,
    Client,
    DeadlineExceeded,
    Fallback,
    QueueFull,
    RateExceeded,
    RequestTimeout,
    Retry,
)
from asyncapi.grpc import interceptors
from asyncapi.speakers.rpc.channel_policy import _as_grpc
from greeter_pb2 import Ask
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RequestTimeout, StatusCode.DEADLINE_EXCEEDED),
        (DeadlineExceeded, StatusCode.DEADLINE_EXCEEDED),
        (AuthError, StatusCode.UNAUTHENTICATED),
        (QueueFull, StatusCode.RESOURCE_EXHAUSTED),
        (RateExceeded, StatusCode.RESOURCE_EXHAUSTED),
        (CircuitOpen, StatusCode.UNAVAILABLE),
    ],
)
def test_each_error_of_the_client_has_its_code(kind, code):
    error = kind.__new__(kind)
    error.message, error.held_by = "why", {QueueFull: "queue", RateExceeded: "rate", CircuitOpen: "breaker"}.get(kind)
    made = _as_grpc(error)
    assert (made.code(), made.details()) == (code, f"{kind.__name__}: why")


async def test_a_fallback_has_no_message_to_give():
    async with (
        grpc_server() as server,
        Client("http://greeter.internal", retry=None, fallback=Fallback(value={"text": "none"})) as api,
    ):
        server.greeter.answers.append(("UNAVAILABLE", "down", ()))
        async with aio.insecure_channel(server.url[7:], interceptors=interceptors(api)) as channel:
            with pytest.raises(aio.AioRpcError, match="down"):
                await GreeterStub(channel).Look(Ask())


async def test_a_rejected_credential_is_renewed_once():
    tokens = iter(["old", "new", "newer"])
    async with (
        grpc_server() as server,
        Client("http://greeter.internal", retry=Retry(2, base=0.001), auth=Bearer(lambda: next(tokens))) as api,
    ):
        server.greeter.answers.append(("UNAUTHENTICATED", "expired", ()))
        async with aio.insecure_channel(server.url[7:], interceptors=interceptors(api)) as channel:
            await GreeterStub(channel).Look(Ask())
        assert [each["authorization"] for each in server.greeter.metadata] == ["Bearer old", "Bearer new"]
