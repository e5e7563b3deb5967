"""A real server, a blocking client of it, and the check that no thread stays behind."""

from __future__ import annotations

import gc

import anyio.from_thread
import pytest

from asyncapi.blocking import Client
from asyncapi.serve import FaultServer
from blocking_client import ours


@pytest.fixture(scope="module")
def server():
    """A real server, in a thread of its own."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FaultServer()) as running,
    ):
        yield running


@pytest.fixture
def api(server):
    with Client(server.url, retry=None) as client:
        yield client


@pytest.fixture
def no_thread_stays():
    assert ours() == []
    yield
    gc.collect()
    assert ours() == []
