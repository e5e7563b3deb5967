"""The details of a google.rpc.Status are decoded where their types are known, and kept as bytes where they aren't."""

import subprocess
import sys

import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

import greeter_pb2 as pb
from asyncapi import Client, RPCError
from asyncapi.grpc import Detail
from asyncapi.speakers.rpc.details import decoded
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server

RETRY = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=500_000_000))
WHY = error_details_pb2.ErrorInfo(reason="QUOTA", domain="example.com", metadata={"a": "b"})


def packed(*messages):
    status = status_pb2.Status(code=8, message="too much")
    for message in messages:
        status.details.add().Pack(message)
    return status.SerializeToString()


def test_details_are_decoded_in_their_order():
    assert decoded(packed(WHY, RETRY, pb.Ask(name="mine"))) == (WHY, RETRY, pb.Ask(name="mine"))
    assert decoded(packed()) == decoded(b"") == ()


def test_a_type_that_is_not_known_keeps_its_name_and_bytes():
    status = status_pb2.Status(details=[any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"\x08\x01")])
    assert decoded(status.SerializeToString()) == (Detail("no.such.Type", b"\x08\x01"),)


def test_a_detail_that_is_not_of_its_type_keeps_its_bytes():
    status = status_pb2.Status(details=[any_pb2.Any(type_url="x/google.rpc.RetryInfo", value=b"\xff")])
    assert decoded(status.SerializeToString()) == (Detail("google.rpc.RetryInfo", b"\xff"),)


@given(st.binary(max_size=60))
def test_garbage_breaks_nothing(data):
    assert isinstance(decoded(data), tuple)


def test_without_protobuf_every_detail_has_its_name_and_bytes():
    program = (
        "import sys; sys.modules['google.protobuf'] = None; from asyncapi.speakers.rpc.details import decoded;"
        f"print(decoded(bytes.fromhex('{packed(WHY).hex()}'))[0].type)"
    )
    import asyncapi

    root = asyncapi.__file__.rpartition("/asyncapi/")[0]
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert shown.stdout.strip() == "google.rpc.ErrorInfo"


@pytest.mark.lane("native", reason="gRPC needs HTTP/2")
async def test_the_error_of_a_call_has_them():
    async with grpc_server() as server, Client(server.url, http2="prior", retry=None) as api:
        bytes_ = packed(WHY, RETRY)
        server.greeter.answers = [("RESOURCE_EXHAUSTED", "too much", (("grpc-status-details-bin", bytes_),))]
        with pytest.raises(RPCError, match="too much") as caught:
            await GreeterStub(api.grpc()).Say(pb.Ask())
        assert caught.value.status_details == (WHY, RETRY)
        assert caught.value.metadata["grpc-status-details-bin"] == bytes_
