"""The methods of other protocols are methods like any other: for `help`, for type checkers, for mocks."""

from __future__ import annotations

import inspect
from unittest.mock import create_autospec

import pytest

from asyncapi import Client


@pytest.mark.parametrize("name", ["websocket", "grpc"])
def test_they_have_a_signature_and_a_docstring(name):
    method = getattr(Client, name)
    assert "Args:" in inspect.getdoc(method)
    assert "url" in inspect.signature(method).parameters or name == "grpc"
    assert callable(getattr(create_autospec(Client), name))


async def test_an_option_that_is_none_is_refused_by_name():
    async with Client("https://h") as api:
        with pytest.raises(TypeError, match="did you mean 'heartbeat'"):
            api.websocket("/x", heartbeats=1)
