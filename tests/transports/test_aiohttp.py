"""What the aiohttp transport alone has: sessions that are shared with it. What both lanes promise is in the files beside."""

from __future__ import annotations

import aiohttp
import pytest

from asyncapi import Client, ConfigError
from servers import Peer, always, scripted

pytestmark = pytest.mark.lane("aiohttp", reason="session= is aiohttp's")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def test_a_shared_session_is_used_and_never_closed():
    async with scripted(always(OK)) as server, aiohttp.ClientSession(headers={"X-Theirs": "1"}) as session:
        for _ in range(2):
            async with Client(server.url, session=session, headers={"X-Ours": "2"}) as api:
                await api.get("/")
        assert not session.closed
        async with session.get(server.url) as answer:
            assert answer.status == 200
    assert len(server.peers) == 1
    assert (server.seen[0].headers["X-Theirs"], server.seen[0].headers["X-Ours"]) == ("1", "2")


async def test_a_closed_client_over_a_shared_session_is_closed_too():
    async with scripted(always(OK)) as server, aiohttp.ClientSession() as session:
        async with Client(server.url, session=session) as api:
            pass
        with pytest.raises(ConfigError, match="this client is closed"):
            await api.get("/")


async def test_a_shared_session_that_was_closed_is_told():
    async with aiohttp.ClientSession() as session:
        pass
    async with Client("http://127.0.0.1:1", session=session) as api:
        with pytest.raises(ConfigError, match="Session is closed"):
            await api.get("/")


async def test_limits_hold_over_a_shared_session():
    async def hang(peer: Peer) -> None:
        await peer.gone()

    async with (
        scripted(hang) as server,
        aiohttp.ClientSession() as session,
        Client(server.url, session=session, timeout=0.1, retry=None) as api,
    ):
        with pytest.raises(TimeoutError):
            await api.get("/")


@pytest.mark.parametrize("setting", [{"cookies": True}, {"unix_socket": "/s"}, {"tls": False}, {"trust_env": True}])
async def test_what_a_shared_session_decides_cannot_be_set_beside_it(setting):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="session= brings its own"):
            Client("http://h", session=session, **setting)


def test_aiohttp_takes_no_socks_proxy():
    with pytest.raises(ConfigError, match="SOCKS needs"):
        Client("http://h", proxy="socks5://h:1080")
