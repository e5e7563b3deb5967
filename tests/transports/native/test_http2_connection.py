"""One HTTP/2 connection: what is written when, the timer that asks silent servers, and the end."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from asyncapi import HTTP2, ProtocolError
from http2_engines import engine  # noqa: F401 - a fixture
from http2_server import NO_ERROR, client, http2_server, ok, until

pytestmark = pytest.mark.usefixtures("engine")


# --- the timer ------------------------------------------------------------------------------------------------------
async def test_a_silent_server_is_asked_and_one_that_is_gone_is_noticed():
    async def script(peer, asked):
        await asked.gone.wait()

    async with http2_server(script, answers_pings=False) as server:
        async with client(server, http2=HTTP2(ping=0.1)) as api:
            with pytest.raises(ProtocolError, match=r"has not responded to a PING for 0\.1 s") as caught:
                await api.get("/")
            assert not caught.value.unprocessed
        assert server.peers[0].pings == 1


async def test_a_server_that_answers_pings_may_take_its_time():
    async def script(peer, asked):
        await asyncio.sleep(0.5)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server, http2=HTTP2(ping=0.05)) as api:
        assert (await api.get("/")).status == 200
        assert server.peers[0].pings >= 2


@pytest.mark.parametrize("settings", [HTTP2(ping=None), HTTP2()])
async def test_without_silence_or_without_the_setting_nothing_is_asked(settings):
    async def script(peer, asked):
        await asyncio.sleep(0.2)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server, http2=settings) as api:
        await api.get("/")
        assert server.peers[0].pings == 0


async def test_an_idle_connection_is_closed_with_a_goodbye():
    async with http2_server(ok) as server, client(server) as api:
        api._transport._keepalive = 0.1
        await api.get("/")
        await asyncio.wait_for(server.quiet(), 5)
        assert server.peers[0].goaway_seen == NO_ERROR
        assert not api._transport._pool.origins
        assert (await api.get("/")).status == 200


# --- the end --------------------------------------------------------------------------------------------------------
async def test_closing_the_client_ends_what_is_under_way_and_leaves_nothing():
    async def script(peer, asked):
        await asked.gone.wait()

    before = asyncio.all_tasks()
    async with http2_server(script) as server:
        api = client(server)
        calls = [asyncio.create_task(api.get("/")) for _ in range(3)]
        await until(lambda: len(server.requests) == 3)
        connection = weakref.ref(next(iter(next(iter(api._transport._pool.origins.values())).open)))
        await api.aclose()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {str(error).partition(": ")[2] for error in errors} == {
            "the client was closed while the request was under way"
        }
        await asyncio.wait_for(server.quiet(), 5)
        assert server.peers[0].goaway_seen == NO_ERROR
        del calls, errors, api
    gc.collect()
    assert connection() is None
    assert asyncio.all_tasks() == before


async def test_a_turns_requests_are_written_at_once(monkeypatch):
    async with http2_server(ok) as server, client(server) as api:
        await api.get("/")
        connection = next(iter(next(iter(api._transport._pool.origins.values())).open))
        writes = []
        write = connection.transport.write
        monkeypatch.setattr(
            connection, "transport", _Recording(connection.transport, lambda data: (writes.append(data), write(data)))
        )
        await asyncio.gather(*[api.get("/") for _ in range(20)])
        assert len(writes) < 10
        assert len(server.peers) == 1


class _Recording:
    def __init__(self, inner, write) -> None:
        self._inner, self.write = inner, write

    def __getattr__(self, name):
        return getattr(self._inner, name)
