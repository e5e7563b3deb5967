"""Codes have gRPC's numbers, and equal grpc's own."""

import grpc
import pytest

from asyncapi.messages.code import Code


@pytest.mark.parametrize("code", Code)
def test_a_code_equals_its_number_and_grpcs_own(code):
    theirs = grpc.StatusCode[code.name]
    assert theirs.value[0] == code == int(code)
    assert code == theirs
    assert theirs == code
    assert not (code != theirs)  # noqa: SIM202 - that is the question


def test_a_code_differs_from_every_other():
    assert Code.OK != Code.CANCELLED
    assert Code.NOT_FOUND != grpc.StatusCode.OK
    assert Code.OK != "OK"
    assert Code.OK is not None
    assert len({Code.OK, 0, Code.CANCELLED}) == 2
