"""The server's side of the RPC protocols reads what the client writes, and says how a call ends."""

import pytest

from asyncapi import Request
from asyncapi.grpc import Code
from asyncapi.messages.request import Body
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.testing import rpc_wire
from asyncapi.testing.rpc_wire import Ended


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Type": "application/grpc"}, "grpc"), ({"Content-Type": "application/grpc-web+proto"}, "grpc-web"),
        ({"Content-Type": "application/connect+json"}, "connect"), ({"Connect-Protocol-Version": "1"}, "connect unary"),
        ({"Content-Type": "application/json"}, None), ({}, None),
    ],
)  # fmt: skip
def test_the_protocol_is_seen_from_the_headers(headers, kind):
    assert rpc_wire.kind_of(Request("POST", "https://h/p.S/M", headers=headers)) == kind


def test_only_a_body_that_comes_piece_by_piece_is_a_stream():
    request = Request("POST", "https://h/p.S/M", headers={"Content-Type": "application/grpc"}, content=envelope(b"a"))
    assert not rpc_wire.is_stream(request)
    assert rpc_wire.messages_of(request, envelope(b"a")) == [b"a"]
    stream = request.copy(content=Body(lambda: iter(()), length=None, rewindable=True))  # type: ignore[arg-type]
    assert rpc_wire.is_stream(stream)


def test_an_end_is_written_for_each_protocol():
    ended = Ended(Code.CANCELLED, "50 % käse", (("x-a", "1"),), pushback=20)
    assert dict(ended.fields) == {
        "grpc-status": "1", "x-a": "1", "grpc-message": "50 %25 k%C3%A4se", "grpc-retry-pushback-ms": "20",
    }  # fmt: skip
    assert ended.error == {"code": "canceled", "message": "50 % käse"}
