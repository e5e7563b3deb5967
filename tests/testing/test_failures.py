"""A failure that was recorded is raised as the same error again."""

import pytest

from asyncapi import ConnectError, ProtocolError, RequestTimeout
from asyncapi.errors import TransportError
from asyncapi.messages.request import Request
from asyncapi.testing.failures import Failure

REQUEST = Request("GET", "https://h/")


@pytest.mark.parametrize(
    "error",
    [ConnectError("no"), ProtocolError("bad"), RequestTimeout("late", phase="body"), TransportError("other")],
)
def test_every_kind_is_the_same_again(error):
    error.stale = error.final = True
    again = Failure.of(error).raised(REQUEST)
    assert (type(again), again.message, again.phase) == (type(error), error.message, error.phase)
    assert (again.stale, again.final) == (True, True)
    assert Failure.of(again) == Failure.of(error)
