"""One HTTP/2 connection: what is written when, the timer that asks silent servers, and the end."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref

import pytest

from asyncapi import HTTP2, ProtocolError
from asyncapi.testing import run
from asyncapi.transports.native.http2 import connection as http2_connection
from http2_engines import engine  # noqa: F401 - a fixture
from http2_memory import Server, goaway, left_nothing
from http2_memory import client as memory_client
from http2_server import MAX_STREAMS, NO_ERROR, PING, SETTINGS, client, frame, http2_server, ok, until
from memory_wire import Net

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
        await asyncio.sleep(1.0)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server, http2=HTTP2(ping=0.3)) as api:
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


# --- turn by turn, without sockets ---------------------------------------------------------------------------------


async def twice(server: Server, check, **settings):
    """Make a call over a connection, so that the next goes over a kept one."""
    net = Net(server)
    async with memory_client(net, **settings) as api:
        await api.get("/warm")
        await check(api, net)
        assert left_nothing(api, net)
    assert not net.open


@pytest.mark.parametrize("error", [None, ConnectionResetError(104, "reset")], ids=["closed", "reset"])
def test_a_request_that_was_never_written_is_sent_again(error):
    async def check(api, net):
        call = asyncio.create_task(api.post("/x", json={}))
        await asyncio.sleep(0)  # its stream is open, and nothing of it is written before the end of the turn
        net.lines[0].hang_up(error)
        response = await call
        first, second = response.attempts
        assert (
            first.error
            == "ProtocolError: the server has not begun the request: the connection was closed before it was sent"
        )
        assert second.why.startswith("replay")

    run(twice(Server(), check))


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("POST", 1)])
def test_a_kept_connection_that_ends_before_any_byte_was_stale(method, attempts):
    async def check(api, net):
        net.script = lambda line: line.hang_up() if line.number == 0 else server(line)
        try:
            made = (await api.request(method, "/x")).attempts
        except ProtocolError as error:
            made = error.attempts
        assert len(made) == attempts

    server = Server()
    run(twice(server, check))


def test_a_connection_on_which_something_came_since_is_not_stale():
    def script(line):
        if line.number == 0:
            line.send(frame(PING, 0, 0, b"12345678"))
            line.hang_up()
        else:
            server(line)

    async def check(api, net):
        net.script = script
        with pytest.raises(ProtocolError) as caught:
            await api.get("/x")
        assert (caught.value.stale, len(caught.value.attempts)) == (False, 1)

    server = Server()
    run(twice(server, check))


def test_what_the_loop_has_not_seen_may_be_the_end_and_is_read_first():
    async def check(api, net):
        line = net.lines[0]
        line.protocol._poll = lambda _: [1]  # the system has bytes for us
        line.loop.call_soon(line.send, goaway(1))
        assert len((await api.post("/x", json={})).attempts) == 1
        assert len(net.lines) == 2

    run(twice(Server(), check))


def test_what_the_loop_has_not_seen_may_be_nothing_to_worry_about():
    async def check(api, net):
        line = net.lines[0]
        line.protocol._poll = lambda _: [1]
        line.loop.call_soon(line.send, frame(PING, 0, 0, b"12345678"))
        assert len((await api.post("/x", json={})).attempts) == 1
        assert len(net.lines) == 1

    run(twice(Server(), check))


@pytest.mark.parametrize("streams", [0, 100])
@pytest.mark.parametrize("turns", range(5))
def test_a_server_that_sends_every_new_connection_away_is_not_dialed_for_ever(streams, turns):
    class Leaving(Net):
        async def dial(self, *args, **kwargs):
            made = await super().dial(*args, **kwargs)
            line = self.lines[-1]
            line.send(frame(SETTINGS, 0, 0, struct.pack(">HL", MAX_STREAMS, streams)))
            line._after(turns, lambda: line.send(goaway(0)))
            return made

    async def scenario():
        net = Leaving(Server())
        async with memory_client(net) as api:
            errors = await asyncio.gather(*[api.post("/x", json={}) for _ in range(5)], return_exceptions=True)
            assert {type(error) for error in errors} == {ProtocolError}
            assert all(error.unprocessed for error in errors)
            assert {len(error.attempts) for error in errors} == {4}
            assert len(net.lines) <= 20
            assert left_nothing(api, net)
        assert not net.open

    run(scenario())


def test_a_server_that_does_not_read_is_not_read_from():
    async def check(api, net):
        line = net.lines[0]
        line.protocol.pause_writing()
        assert not line.reading
        upload = asyncio.create_task(api.post("/", content=b"x" * 100_000))
        for _ in range(20):
            await asyncio.sleep(0)
        line.protocol.resume_writing()
        assert line.reading
        assert (await upload).text == "100000"

    run(twice(Server(), check))


def test_a_silence_begins_with_the_request_and_not_before_it():
    server = Server(silent=("/slow",))

    async def check(api, net):
        await asyncio.sleep(3.5)
        call = asyncio.create_task(api.get("/slow"))
        await asyncio.sleep(0.7)
        assert PING not in server.frames
        await asyncio.sleep(0.4)
        assert server.frames.count(PING) == 1
        with pytest.raises(ProtocolError, match="has not responded to a PING for 1 s"):
            await call

    run(twice(server, check, http2=HTTP2(ping=1.0)))


def test_an_idle_connection_is_not_asked_and_closed_after_its_time():
    server = Server()

    async def check(api, net):
        await asyncio.sleep(14.9)
        assert net.open
        await asyncio.sleep(0.2)
        assert not net.open
        assert PING not in server.frames

    run(twice(server, check, http2=HTTP2(ping=1.0)))


def test_a_connection_whose_identifiers_are_used_up_is_replaced(monkeypatch):
    monkeypatch.setattr(http2_connection, "_IDENTIFIERS", 4)

    async def check(api, net):
        responses = await asyncio.gather(*[api.post(f"/{number}", json={}) for number in range(10)])
        assert [response.text for response in responses] == [str(number) for number in range(10)]
        assert {len(response.attempts) for response in responses} == {1}
        assert len(net.lines) == 3

    run(twice(Server(), check))
