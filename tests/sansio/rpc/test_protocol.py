"""The protocols have what the channel asks of one."""

import pytest

from asyncapi.sansio.rpc.protocol import Method
from asyncapi.speakers.rpc.protocols import protocol_of


@pytest.mark.parametrize("name", ["grpc", "connect", "grpc-web"])
def test_a_protocol_has_every_part(name):
    protocol = protocol_of(name, 100)
    assert protocol.name == name
    assert protocol.needs_http2 is (name == "grpc")
    for part in ("open", "frame", "dress", "meaning", "read", "messages"):
        assert callable(getattr(protocol, part))


def test_a_method_is_unary_where_nothing_streams():
    assert Method("/a/b", streams_in=False, streams_out=False).unary
    assert not Method("/a/b", streams_in=True, streams_out=False).unary
    assert not Method("/a/b", streams_in=False, streams_out=True).unary
