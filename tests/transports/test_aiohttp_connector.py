"""New connections: a call learns that it waits for one, and addresses and keys are checked before anything is sent."""

from __future__ import annotations

import pytest

from asyncapi import Client, ConnectError, Egress, EgressDenied
from asyncapi.transports.aiohttp_connector import TCPConnector, UnixConnector
from servers import always, scripted

pytestmark = pytest.mark.lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def phases(monkeypatch):
    """The phase and whether the connection is a used one, as a new connection is made."""
    seen = []
    checked = TCPConnector._checked

    async def noting(self, *args):
        seen.extend((call.phase, call.reused) for call in self.connecting.values())
        return await checked(self, *args)

    monkeypatch.setattr(TCPConnector, "_checked", noting)
    return seen


@pytest.mark.lane("aiohttp", reason="it looks into aiohttp's connectors")
async def test_a_call_that_waits_for_a_new_connection_is_in_the_phase_connect(phases):
    async with scripted(always(OK)) as server, Client(server.url) as api:
        await api.get("/")
        await api.get("/")
    assert phases == [("connect", False)]  # the second call used the connection again


async def test_a_connection_that_fails_leaves_the_call_in_the_phase_connect():
    async with Client("http://127.0.0.1:1", retry=None) as api:
        with pytest.raises(ConnectError, match=r"can't connect to 127\.0\.0\.1:1: ") as caught:
            await api.get("/")
    assert caught.value.attempts[0].status is None


async def test_a_refused_address_is_never_connected_to():
    async with scripted(always(OK)) as server, Client(server.url, egress=Egress()) as api:
        with pytest.raises(EgressDenied, match=r"to allow it, name it in Egress\(allow=\[\.\.\.\]\)"):
            await api.get("/")
        assert server.peers == []


async def test_an_allowed_address_is_connected_to():
    async with scripted(always(OK)) as server, Client(server.url, egress=Egress(["127.0.0.1"])) as api:
        assert (await api.get("/")).text == "hi"


async def test_https_over_a_unix_socket_is_encrypted(ours, tmp_path):
    path, context = str(tmp_path / "s"), ours.server("h.example")
    async with (
        scripted(always(OK), tls=context, unix=path),
        Client("https://h.example", tls=ours.file, unix_socket=path) as api,
    ):
        assert (await api.get("/")).text == "hi"


@pytest.mark.lane("aiohttp", reason="it looks into aiohttp's connectors")
def test_both_connectors_look_after_their_connections():
    assert TCPConnector._create_connection is UnixConnector._create_connection is not None
