"""Run tests over each HTTP/2 engine."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from asyncapi.transports.native.http2 import connection as http2_connection

_MISSING = {
    "pure": find_spec("hpack") is None,
    "ngh2": find_spec("ngh2") is None or find_spec("asyncapi.sansio.http2.ngh2_engine") is None,
}


@pytest.fixture(params=["pure", "ngh2"])
def engine(request, monkeypatch):
    """The engine that every connection of the test uses."""
    if _MISSING[request.param]:
        pytest.skip(f"the engine {request.param} is not installed")
    monkeypatch.setattr(http2_connection, "ENGINE", request.param)
    return request.param
