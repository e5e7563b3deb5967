"""A method's `idempotency_level` is read from protobuf's descriptors, where the program has them."""

import pytest

import greeter_pb2 as pb
from asyncapi.speakers.rpc.idempotency import is_idempotent, method_of


@pytest.mark.parametrize(
    ("name", "idempotent", "safe"), [("Say", None, False), ("Put", True, False), ("Look", True, True)]
)
def test_the_level_says_what_is_safe(name, idempotent, safe):
    path = f"/greet.v1.Greeter/{name}"
    method = method_of(path, streams_in=False, streams_out=False)
    assert (method.path, method.idempotent, method.safe, method.unary) == (path, idempotent, safe, True)
    assert is_idempotent(path) is is_idempotent(path, pb.Ask()) is idempotent


@pytest.mark.parametrize("path", ["/no.such.Service/Say", "/greet.v1.Greeter/NoSuch", "/Say", "/", "//"])
def test_a_method_without_a_descriptor_says_nothing(path):
    assert is_idempotent(path) is None
    assert is_idempotent(path, b"bytes") is None
