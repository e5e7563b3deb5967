"""`Expect: 100-continue`: the body goes when it is asked for, after a while if nobody asks, and never when it is refused."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from asyncapi import Client
from asyncapi.transports import aiohttp_expect
from asyncapi.transports.native import sending
from servers import Peer, scripted

pytestmark = pytest.mark.lanes

EXPECT = {"Expect": "100-continue"}


def waiting(monkeypatch, seconds):
    for lane in (aiohttp_expect, sending):
        monkeypatch.setattr(lane, "PATIENCE", seconds)


@pytest.fixture
def patient(monkeypatch):
    """For as long as no test would wait: what goes has been asked for."""
    waiting(monkeypatch, 1000.0)


@pytest.fixture
def hasty(monkeypatch):
    waiting(monkeypatch, 0.01)


async def silent(peer: Peer) -> None:
    """A server that knows nothing of it."""
    while await peer.request() is not None:
        await peer.answer(b"got it")


@pytest.mark.parametrize("content", [b"x" * 10, b"x" * 200_000, [b"a", b"b"]])
async def test_a_server_that_does_not_know_it_gets_the_body_after_a_while(content, hasty):
    async with scripted(silent) as server, Client(server.url, retry=None, timeout=20) as api:
        for _ in range(2):
            assert (await api.post("/", content=content, headers=EXPECT)).text == "got it"
        assert {len(seen.body) for seen in server.seen} == {
            len(b"".join(content) if isinstance(content, list) else content)
        }
        assert len(server.peers) == 1


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_over_a_shared_session_too_beside_its_own_middlewares(hasty):
    went = []

    async def theirs(request, handler):
        went.append(request.method)
        return await handler(request)

    async with (
        scripted(silent) as server,
        aiohttp.ClientSession(middlewares=(theirs,)) as session,
        Client(server.url, session=session, retry=None, timeout=20) as api,
    ):
        assert (await api.post("/", content=b"x", headers=EXPECT)).text == "got it"
    assert went == ["POST"]


async def test_a_server_that_asks_gets_the_body_at_once(patient):
    async def asking(peer: Peer) -> None:
        seen = await peer.head()
        await peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        seen.body = await peer.reader.readexactly(10)
        await peer.answer(b"got it")

    async with scripted(asking) as server, Client(server.url, retry=None, timeout=20) as api:
        assert (await api.post("/", content=b"x" * 10, headers=EXPECT)).text == "got it"
    assert server.seen[0].body == b"x" * 10


async def test_a_server_that_refuses_is_sent_no_body_and_its_connection_is_closed(patient):
    rest = []

    async def refusing(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"no", status="413 Content Too Large")
        rest.append(await peer.reader.read())

    async with scripted(refusing) as server, Client(server.url, retry=None, raise_for_status=False, timeout=20) as api:
        assert (await api.post("/", content=b"x" * 10, headers=EXPECT)).status == 413
        while not rest:
            await asyncio.sleep(0)
    assert rest == [b""]


async def test_the_wait_has_an_end_of_a_second():
    assert aiohttp_expect.PATIENCE == sending.PATIENCE == 1.0
