"""Subscriptions: they go on after the connection ends, from where they were, and not for ever without an event."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi import Client, ConfigError, NotFound, ProtocolError, RequestTimeout, Retry, SchemaError, deadline
from asyncapi.testing import FakeClock, MockTransport, reply, run
from bodies import Source, at_rest
from servers import application
from stepping import each_cancellation

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


class Server:
    """Answers each connection with the next of these; the last again and again."""

    def __init__(self, *answers, **settings) -> None:
        self.asked: list[tuple[float, str | None]] = []
        self.answers = list(answers)
        self.clock = FakeClock()
        self.api = Client(
            "https://h", transport=MockTransport(self.answer, clock=self.clock), clock=self.clock, **settings
        )

    def answer(self, request):
        assert request.headers.getall("Accept") == ["text/event-stream"]
        self.asked.append((self.clock.now(), request.headers.get("Last-Event-ID")))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, bytes):
            return reply(200, content=aiter(Source(answer)), headers=STREAM)
        if isinstance(answer, Source):
            return reply(200, content=aiter(answer), headers=STREAM)
        return answer

    @property
    def last_ids(self):
        return [last for _, last in self.asked]


async def taken(server: Server, number: int, **how):
    async with server.api.events("/", **how) as events:
        found = []
        async for event in events:
            found.append(event)
            if len(found) == number:
                break
    assert at_rest(server.api)
    return found


def test_it_goes_on_with_the_last_id_whatever_ended_the_connection():
    async def scenario():
        cut = Source(b"id: 2\ndata: b\n\nid: 3\n\nda", ConnectionResetError("x"))
        silent = Source(b"data: c\n\n", 1000.0)
        server = Server(b"data: a\nid: 1\n\n", cut, silent, b"data: d\n\n")
        found = await taken(server, 4)
        assert [(one.data, one.id) for one in found] == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "3")]
        assert server.last_ids == [None, "1", "3", "3"]

    run(scenario())


@pytest.mark.parametrize("control", ["\x01", "\x1b", "\x7f", "\x0b", "\x1f"])
def test_an_id_that_no_header_can_carry_is_kept_and_not_sent(control, caplog):
    """WHATWG HTML 9.2.6 allows all but NUL, RFC 9110 section 5.5 no control characters: the subscription goes on."""
    last_id = f"a{control}b"

    async def scenario():
        server = Server(f"id: {last_id}\ndata: a\n\n".encode(), b"data: b\n\nid: 2\ndata: c\n\n", b"data: d\n\n")
        found = await taken(server, 4)
        assert [(one.data, one.id) for one in found] == [("a", last_id), ("b", last_id), ("c", "2"), ("d", "2")]
        assert server.last_ids == [None, None, "2"]
        saved = Server(b"data: a\n\n")
        await taken(saved, 1, last_id=last_id)  # as a program does that goes on tomorrow
        assert saved.last_ids == [None]

    run(scenario())
    assert "Last-Event-ID left out" in caplog.text


@pytest.mark.parametrize("wrong", ["a\nb", "a\rb", "a\0b", "a\ud800b"])
def test_an_id_of_ones_own_that_cannot_be_one_is_said_to(wrong):
    async def scenario():
        with pytest.raises(ConfigError, match="Last-Event-ID"):
            await taken(Server(b"data: a\n\n"), 1, last_id=wrong)

    run(scenario())


def test_other_headers_of_several_lines_go_with_every_connection():
    async def scenario():
        lines = []
        server = Server(b"id: 1\ndata: a\n\n", b"data: b\n\n")
        real = server.answer
        server.api._transport._handler = lambda request: lines.append(request.headers.getall("X-A")) or real(request)
        await taken(server, 2, headers=[("X-A", "1"), ("X-A", "2")])
        assert lines == [["1", "2"], ["1", "2"]]

    run(scenario())


@pytest.mark.lanes
def test_an_id_beyond_latin_1_goes_out_in_utf_8():
    """On the wire: WHATWG HTML 9.2.5 has it encoded so."""

    async def scenario():
        seen = []

        async def serve(reader, writer):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            body = "retry: 1\nid: \u044f\u20ac\ndata: x\n\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)
            await writer.drain()
            writer.close()

        async with (
            await asyncio.start_server(serve, "127.0.0.1", 0) as server,
            Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as api,
            api.events("/", retry=Retry(4, base=0.001)) as events,
        ):
            async for _ in events:
                if len(seen) == 2:
                    break
        assert "\r\nLast-Event-ID: \u044f\u20ac\r\n".encode() in seen[1]

    asyncio.run(scenario())


def test_it_begins_behind_a_saved_id_and_tells_its_own():
    async def scenario():
        server = Server(b"data: a\n\nid: 8\ndata: b\n\nid: 9\ndata: c\n\n")
        async with server.api.events("/", last_id="7") as events:
            assert (await anext(events)).id == "7"
            await anext(events)
            assert events.last_id == "8"  # not 9, which has not been handed over
        assert server.last_ids == ["7"]

    run(scenario())


def test_it_waits_as_the_server_told_and_a_little_more_so_that_not_all_come_at_once():
    async def scenario():
        server = Server(b"retry: 5000\ndata: a\n\n", b"data: b\n\n", b"retry: 1000\ndata: c\n\n", b"data: d\n\n")
        await taken(server, 4)
        times = [at for at, _ in server.asked]
        waits = [after - before for before, after in itertools.pairwise(times)]
        for wait, told in zip(waits, (5, 5, 1), strict=True):
            assert told <= wait <= told + 0.5

    run(scenario())


def test_connections_without_an_event_are_counted_until_an_event_comes():
    async def scenario():
        empty = b": nothing\n\n"
        server = Server(empty, empty, b"data: a\n\n", empty, empty, empty, retry=Retry(3))
        async with server.api.events("/") as events:
            assert (await anext(events)).data == "a"
            with pytest.raises(ProtocolError, match="3 connections in a row ended without an event") as caught:
                await anext(events)
            assert caught.value.request.url.path == "/"
        assert events.connections == 5
        assert at_rest(server.api)

        cut = [Source(b": x\n", ConnectionResetError("gone")) for _ in range(9)]
        server = Server(*cut, retry=Retry(3))
        with pytest.raises(ProtocolError, match="broke off"):
            await taken(server, 1)
        assert len(server.asked) == 3

    run(scenario())


def test_without_retries_its_first_end_is_the_end():
    async def scenario():
        server = Server(b"data: a\n\n")
        assert len(await taken(server, 5, retry=None)) == 1
        server = Server(Source(b"data: a\n\n", ConnectionResetError("x")), retry=None)
        with pytest.raises(ProtocolError):
            await taken(server, 5)

    run(scenario())


def test_a_204_and_the_last_data_end_it():
    async def scenario():
        for last, how in [(reply(204), {}), (b"data: b\n\ndata: END\n\ndata: x\n\n", {"until": "END"})]:
            server = Server(b"data: a\n\n", last)
            assert [one.data for one in await taken(server, 9, **how)] == ["a", "b"][: 1 + bool(how)]

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (reply(404), NotFound, "404"),
        (reply(200, json=[]), ProtocolError, "the response is not an event stream .200, application/json"),
        (reply(200), ProtocolError, "200, no Content-Type"),
        (reply(206, headers=STREAM), ProtocolError, "206"),
        (b"retry: 3600000\n\n", ProtocolError, "retry is 3.6e\\+03 s, over max_retry_after=60"),
    ],
)
def test_what_is_no_stream_is_an_error_and_not_asked_again(answer, error, message):
    async def scenario():
        server = Server(answer)
        with pytest.raises(error, match=message):
            await taken(server, 1)
        assert len(server.asked) == 1
        assert at_rest(server.api)

    run(scenario())


def test_new_connections_are_retried_as_every_call():
    async def scenario():
        server = Server(b"data: a\nid: 1\n\n", reply(503), reply(503), b"data: b\n\n")
        assert len(await taken(server, 2)) == 2
        assert server.last_ids == [None, "1", "1", "1"]

    run(scenario())


def test_a_deadline_ends_it_before_a_wait_that_would_pass_it():
    async def scenario():
        server = Server(b"retry: 10000\ndata: a\n\n")
        with pytest.raises(RequestTimeout) as caught, deadline(5, clock=server.clock):
            await taken(server, 9)
        assert caught.value.phase == "backoff"
        assert server.clock.now() == 0

    run(scenario())


def test_models_are_read_and_a_misfit_is_passed_over_by_the_next_round():
    class Price(BaseModel):
        cents: int

    async def scenario():
        server = Server(b'data: {"cents": 1}\n\ndata: {}\nid: 5\n\ndata: {"cents": 3}\n\n')
        async with server.api.events("/", model=Price) as events:
            assert await anext(events) == Price(cents=1)
            with pytest.raises(SchemaError, match="item 2"):
                await anext(events)
            assert events.last_id == "5"
            assert await anext(events) == Price(cents=3)

    run(scenario())


def test_it_is_opened_once_and_read_inside_its_block():
    async def scenario():
        server = Server(b"data: a\n\n")
        events = server.api.events("/")
        with pytest.raises(ConfigError, match="inside its block"):
            await anext(events)
        async with events:
            await anext(events)
        for _ in range(2):
            await events.aclose()
        with pytest.raises(ConfigError, match="inside its block"):
            await anext(events)
        with pytest.raises(ConfigError, match="opened once"):
            await events.__aenter__()
        assert at_rest(server.api)

    run(scenario())


def test_cancelled_in_any_turn_nothing_is_left():
    async def scenario(loop):
        server = Server(
            b"data: a\n\n", Source(b"data: b\n\n", 0.1, ConnectionResetError("x")), reply(503), b"data: c\n\n"
        )
        loop.victim = asyncio.create_task(taken(server, 3))
        await asyncio.wait([loop.victim])
        assert at_rest(server.api)
        await server.api.aclose()

    assert each_cancellation(scenario) > 20


@pytest.mark.lanes
async def test_over_a_real_server():
    asked = []

    async def handler(request):
        asked.append(request.headers.get("Last-Event-ID"))
        answer = web.StreamResponse(headers=STREAM)
        await answer.prepare(request)
        start = int(asked[-1] or 0)
        for number in range(start + 1, start + 4):
            await answer.write(f"retry: 1\nid: {number}\ndata: {number}\n\n".encode())
        if len(asked) % 2:
            request.transport.abort()
        return answer

    async with (
        application(web.get("/", handler)) as url,
        Client(url) as api,
        api.events("/", retry=Retry(4, base=0.001)) as events,
    ):
        found = []
        async for event in events:
            found.append(int(event.data))
            if len(found) == 20:
                break
    assert found == list(range(1, 21))
