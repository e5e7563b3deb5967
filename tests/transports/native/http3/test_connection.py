"""HTTP/3 over UDP on loopback, against a server that may break every rule."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from random import Random

import pytest
from qh3.h3.connection import FrameUnexpected
from qh3.quic.connection import QuicConnectionError

from asyncapi import Client, ConfigError, ProtocolError, QueueFull, Retry, Timeout
from asyncapi.transports.native.http3 import engine as http3_engine
from asyncapi.transports.native.http3 import life as http3_life
from asyncapi.transports.native.http3.trust import STREAM_WINDOW
from asyncapi.transports.native.incoming import UNREAD
from asyncapi.transports.native.transport import NativeTransport
from asyncapi.types import Response
from http3_server import CANCELLED, NO_ERROR, REJECTED, http3_server, steady

BIG = 5_000_000


@pytest.fixture
def serve(ours):
    """A server for this script, and a client of it that speaks HTTP/3 from the start."""

    class Both:
        def __init__(self, script, *, retry=None, server=None, **settings):
            self._server = http3_server(script, ours, **(server or {}))
            self._settings = {"tls": ours.file, "http3": "prior", "retry": retry, **settings}

        async def __aenter__(self):
            self.server = await self._server.__aenter__()
            self.api = Client(self.server.url, **self._settings)
            return self.server, self.api

        async def __aexit__(self, *failure):
            await self.api.aclose()
            await self._server.__aexit__(*failure)

    return Both


async def hello(asked):
    asked.respond(body=b"hello", x_a="b")


async def never(asked):
    await asked.gone.wait()


# --- requests and responses ---------------------------------------------------------------------------------------


async def test_a_response_comes_over_http3(serve):
    async with serve(hello) as (server, api):
        response = await api.get("/a%7Eb/c?d=e", headers={"X-Mine": "1"})
        assert (response.status, response.content, response.http_version) == (200, b"hello", "3")
        assert response.headers["X-A"] == "b"
        fields = server.seen[0].fields
        assert fields[":path"] == "/a%7Eb/c?d=e"
        assert fields[":authority"] == f"127.0.0.1:{server.port}"
        assert fields[":scheme"] == "https"
        assert fields["x-mine"] == "1"
        assert "host" not in fields
        assert "alt-used" not in fields


async def test_calls_share_one_connection(serve):
    async with serve(hello) as (server, api):
        await api.get("/")
        responses = await asyncio.gather(*(api.get(f"/{number}") for number in range(50)))
        assert {response.content for response in responses} == {b"hello"}
        assert sorted(int(asked.path[1:] or 0) for asked in server.seen) == sorted([0, *range(50)])
        assert len(server.peers) == 1


async def test_first_calls_at_once_make_one_connection(serve):
    async with serve(hello) as (server, api):
        await asyncio.gather(*(api.get("/") for _ in range(50)))
        assert len(server.peers) == 1


async def test_trailers_are_given(serve):
    async def script(asked):
        asked.head()
        asked.data(b"body")
        asked.lines((b"x-sum", b"42"), end=True)

    async with serve(script) as (_, api):
        response = await api.get("/")
        assert response.trailers["X-Sum"] == "42"
        assert response.content == b"body"


async def test_a_coded_body_is_decoded(serve):
    async def script(asked):
        asked.respond(body=gzip.compress(b"text" * 1000), content_encoding="gzip")

    async with serve(script) as (_, api):
        assert (await api.get("/")).content == b"text" * 1000


async def test_a_body_is_bounded_by_max_body(serve):
    async def script(asked):
        asked.respond(body=bytes(200_000))

    async with serve(script, max_body=100_000) as (server, api):
        with pytest.raises(ProtocolError, match="max_body=100,000"):
            await api.get("/")
        await server.seen[0].gone.wait()
        assert server.seen[0].stopped == CANCELLED


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_response_without_a_body_may_say_a_length(serve, method, status):
    async def script(asked):
        asked.head(status, content_length="100", end=True)

    async with serve(script) as (_, api):
        response = await api.request(method, "/", raise_for_status=False)
        assert (response.status, response.content) == (status, b"")


@pytest.mark.parametrize("content", [b"small", bytes(300_000)], ids=["small", "large"])
async def test_a_body_in_memory_arrives_whole(serve, content):
    async def script(asked):
        await asked.ended.wait()
        asked.respond(body=str(len(asked.body)).encode())

    async with serve(script) as (server, api):
        assert (await api.post("/", content=content)).content == str(len(content)).encode()
        assert bytes(server.seen[0].body) == content
        assert server.seen[0].fields["content-length"] == str(len(content))


async def test_a_streamed_body_arrives_whole(serve):
    async def pieces():
        for number in range(100):
            yield b"%04d" % number * 1000

    async def script(asked):
        await asked.ended.wait()
        asked.respond()

    async with serve(script) as (server, api):
        await api.post("/", content=pieces())
        assert bytes(server.seen[0].body) == b"".join(b"%04d" % number * 1000 for number in range(100))
        assert "content-length" not in server.seen[0].fields


async def test_an_upload_reads_no_further_than_the_network_takes(serve):
    pulled = 0

    async def pieces():
        nonlocal pulled
        while True:
            pulled += 10_000
            yield bytes(10_000)

    async with serve(never) as (server, api):
        call = asyncio.ensure_future(api.post("/", content=pieces()))
        while not server.seen or len(server.seen[0].body) < 50_000:
            await asyncio.sleep(0)
        server.path.dead = True
        before = None
        while pulled != before:
            before = pulled
            await asyncio.sleep(0.2)
        assert pulled < len(server.seen[0].body) + 3_000_000  # what the congestion window and the buffer hold
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_response_that_comes_early_ends_the_upload(serve):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def pieces():
        begun.set()
        try:
            while True:
                yield bytes(1000)
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async def script(asked):
        asked.respond(413, b"no")

    async with serve(script) as (server, api):
        response = await api.post("/", content=pieces(), raise_for_status=False)
        assert (response.status, response.content) == (413, b"no")
        assert ended.is_set() or not begun.is_set()  # the response may be there before the first piece
        await server.seen[0].gone.wait()
        assert server.seen[0].reset == NO_ERROR
        assert (await api.get("/", raise_for_status=False)).status == 413
        assert len(server.peers) == 1


async def test_a_server_may_send_back_what_it_receives(serve):
    read = []

    async def pieces():
        for number in range(3):
            while len(read) < number:  # nothing more before the server has sent that back
                await asyncio.sleep(0)
            yield b"%d" % number

    async def script(asked):
        asked.head()
        sent = 0
        while not asked.ended.is_set():
            await asyncio.sleep(0)
            if len(asked.body) > sent:
                asked.data(bytes(asked.body[sent:]))
                sent = len(asked.body)
        asked.data(b"", end=True)

    async with serve(script) as (_, api), api.stream("POST", "/", content=pieces()) as response:
        async for piece in response.bytes():
            read.append(piece)
    assert read == [b"0", b"1", b"2"]


@pytest.mark.parametrize("polite", [True, False])
async def test_expect_waits_for_100_but_not_for_ever(serve, polite, monkeypatch):
    monkeypatch.setattr("asyncapi.transports.native.sending.PATIENCE", 10.0 if polite else 0.05)

    async def script(asked):
        if polite:
            assert not asked.body
            asked.lines((b":status", b"100"))
        await asked.ended.wait()
        asked.respond(body=bytes(asked.body))

    async with serve(script) as (_, api):
        response = await api.post("/", content=b"abc", headers={"Expect": "100-continue"})
        assert response.content == b"abc"


async def test_interim_responses_are_passed_over(serve):
    async def script(asked):
        for _ in range(3):
            asked.lines((b":status", b"103"), (b"link", b"<x>"))
        asked.respond(body=b"done")

    async with serve(script) as (_, api):
        response = await api.get("/")
        assert response.content == b"done"
        assert "Link" not in response.headers


async def test_a_header_that_can_not_be_sent_is_an_error_and_the_connection_goes_on(serve):
    async with serve(hello) as (server, api):
        await api.get("/")
        with pytest.raises(ConfigError, match="header"):
            await api.get("/", headers={"X": "a\r\nb: c"})
        await api.get("/")
        assert len(server.seen) == 2
        assert len(server.peers) == 1


# --- bodies that are read while they come ---------------------------------------------------------------------------


async def test_a_reader_that_is_slow_holds_the_server_back(serve):
    async def script(asked):
        asked.respond(body=bytes(BIG))

    async with serve(script) as (server, api), api.stream("GET", "/") as response:
        peer, before = server.last, None
        while (left := peer.quic.get_send_buffer_size()) != before:
            before = left
            await asyncio.sleep(0.3)
        assert BIG - left <= STREAM_WINDOW + UNREAD + 100_000
        assert len(b"".join([piece async for piece in response.bytes()])) == BIG
        assert len(server.peers) == 1


async def test_other_calls_go_on_while_a_reader_is_slow(serve):
    async def script(asked):
        asked.respond(body=bytes(BIG) if asked.path == "/big" else b"hello")

    async with serve(script) as (server, api):
        async with api.stream("GET", "/big") as response:
            for _ in range(3):
                assert (await api.get("/")).content == b"hello"
            assert len(server.peers) == 2
            assert len(b"".join([piece async for piece in response.bytes()])) == BIG
        # the connection that it had for itself is of use again
        async with api.stream("GET", "/") as one, api.stream("GET", "/") as other:
            assert b"".join([piece async for piece in one.bytes()]) == b"hello"
            assert b"".join([piece async for piece in other.bytes()]) == b"hello"
        assert len(server.peers) == 2


async def test_a_stream_that_is_left_early_is_stopped(serve):
    async def script(asked):
        asked.respond(body=bytes(BIG))

    async with serve(script) as (server, api):
        async with api.stream("GET", "/") as response:
            async for _ in response.bytes():
                break
        await server.seen[0].gone.wait()
        assert server.seen[0].stopped == CANCELLED


async def test_trailers_of_a_streamed_body_come_with_its_end(serve):
    async def script(asked):
        asked.head()
        asked.data(b"body")
        asked.lines((b"x-sum", b"42"), end=True)

    async with serve(script) as (_, api), api.stream("GET", "/") as response:
        assert [piece async for piece in response.bytes()] == [b"body"]


# --- what is cancelled, refused or cut off --------------------------------------------------------------------------


async def test_a_cancelled_call_is_cancelled_at_the_server_and_the_connection_stays(serve):
    async def script(asked):
        await (never(asked) if asked.path == "/never" else hello(asked))

    async with serve(script) as (server, api):
        await api.get("/")
        for _ in range(150):  # more than the streams that the server allows at a time
            call = asyncio.ensure_future(api.get("/never"))
            seen = len(server.seen)
            while len(server.seen) == seen:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert (await api.get("/")).content == b"hello"
        assert len(server.peers) == 1
        assert {asked.stopped for asked in server.seen if asked.path == "/never"} == {CANCELLED}
        assert not server.last.quic.open_outbound_streams > 3


async def test_a_rejected_request_is_sent_again_whatever_its_method(serve):
    async def script(asked):
        if len(server.seen) == 1:
            asked.refuse(REJECTED)
        else:
            asked.respond(body=bytes(asked.body))

    async with serve(script, retry=Retry(2)) as (server, api):
        assert (await api.post("/", content=b"pay")).content == b"pay"
        assert len(server.seen) == 2


async def test_a_request_that_the_server_resets_otherwise_is_not_sent_again(serve):
    async def script(asked):
        asked.refuse(0x102)

    async with serve(script, retry=Retry(3)) as (server, api):
        with pytest.raises(ProtocolError, match=r"ended the stream before it sent a response \(code 0x102"):
            await api.post("/", content=b"pay")
        assert len(server.seen) == 1


async def test_goaway_ends_what_was_served_and_resends_what_was_not(serve):
    async def script(asked):
        if asked.path == "/first":
            await asked.ended.wait()
            first.set()
            await go_on.wait()
            asked.respond(body=b"served")
        elif asked.peer is old:
            asked.peer.goaway(asked.stream)
        else:
            asked.respond(body=b"resent")

    first, go_on = asyncio.Event(), asyncio.Event()
    async with serve(script, retry=Retry(2)) as (server, api):
        one = asyncio.ensure_future(api.post("/first", content=b"1"))
        await first.wait()
        old = server.last
        other = await api.post("/second", content=b"2")
        assert other.content == b"resent"
        go_on.set()
        assert (await one).content == b"served"
        assert len(server.peers) == 2
        while old.closed is None:  # the old connection is closed after its last response
            await asyncio.sleep(0.01)
        assert old.closed.error_code == NO_ERROR


async def test_goaway_between_calls_loses_nothing(serve):
    async with serve(hello, retry=Retry(2)) as (server, api):
        for _ in range(5):
            await api.post("/", content=b"x")
            server.last.goaway(4)
        assert len(server.seen) == 5


@pytest.mark.parametrize("how", ["close", "goaway"])
async def test_a_post_does_not_run_into_an_idle_connection_that_has_just_ended(serve, how):
    async with serve(hello) as (server, api):
        for number in range(5):
            await api.post("/", content=b"x")
            server.last.close() if how == "close" else server.last.goaway(4)
            assert len(server.seen) == len(server.peers) == number + 1


async def test_a_connection_that_is_closed_under_a_call_is_an_error(serve):
    async def script(asked):
        asked.peer.close(NO_ERROR if asked.path == "/polite" else 0x102)

    async with serve(script) as (_, api):
        for path in ("/polite", "/rude"):
            with pytest.raises(ProtocolError, match="the server closed the connection before it sent a response"):
                await api.get(path)


async def test_a_get_is_sent_again_over_a_new_connection(serve):
    async def script(asked):
        if len(server.peers) == 1:
            asked.peer.close()
        else:
            await hello(asked)

    async with serve(script, retry=Retry(2)) as (server, api):
        assert (await api.get("/")).content == b"hello"
        assert len(server.seen) == 2


BROKEN = {
    "a field of a connection": (((b"connection", b"close"),), b"", "HTTP/1.1 alone"),
    "two lengths": (((b"content-length", b"1"), (b"content-length", b"2")), b"", "Content-Length"),
    "a value with a line break": (((b"x", b"a\nb"),), b"", "value of a field"),
    "fewer bytes": (((b"content-length", b"10"),), b"abc", "3 of 10 bytes came"),
    "more bytes": (((b"content-length", b"2"),), b"abc", "more bytes than its head says"),
}


@pytest.mark.parametrize(("lines", "body", "message"), BROKEN.values(), ids=BROKEN)
async def test_a_malformed_response_is_refused_and_the_connection_goes_on(serve, lines, body, message):
    async def script(asked):
        if asked.path != "/":
            await hello(asked)
            return
        asked.lines((b":status", b"200"), *lines, end=not body)
        if body:
            asked.data(body, end=True)

    async with serve(script) as (server, api):
        with pytest.raises(ProtocolError, match=message):
            await api.get("/")
        assert (await api.get("/ok")).content == b"hello"
        assert len(server.peers) == 1


@pytest.mark.parametrize("cut", ["before", "head", "frame", "reset"])
async def test_a_response_that_is_cut_off_is_an_error(serve, cut):
    async def script(asked):
        if cut != "before":
            asked.head()
            asked.data(b"abc")
        if cut == "frame":
            asked.raw(b"\x00\x05ab", end=True)
        elif cut == "reset":
            asked.peer.quic.reset_stream(asked.stream, 0x102)
            asked.peer.flush()
        elif cut == "before":
            asked.raw(b"", end=True)
        else:
            asked.peer.close(0x102)

    async with serve(script) as (_, api):
        with pytest.raises(ProtocolError, match=r"closed the connection|ended the stream"):
            await api.get("/")
        async with asyncio.timeout(10):
            with pytest.raises(ProtocolError, match=r"closed the connection|ended the stream"):  # noqa: PT012
                async with api.stream("GET", "/") as response:
                    async for _ in response.bytes():
                        pass


async def test_headers_are_bounded(serve):
    async def script(asked):
        asked.lines((b":status", b"200"), *((b"x-%d" % number, b"y" * 90) for number in range(100)), end=True)

    async with serve(script, max_headers=8192) as (_, api):
        with pytest.raises(ProtocolError, match="max_headers"):
            await api.get("/")


async def test_endless_interim_responses_are_an_error(serve):
    async def script(asked):
        for _ in range(200):
            asked.lines((b":status", b"103"))

    async with serve(script) as (_, api):
        with pytest.raises(ProtocolError, match="too many interim"):
            await api.get("/")


# --- streams that have to wait --------------------------------------------------------------------------------------


async def test_more_calls_than_streams_wait_in_turn(serve):
    async def script(asked):
        await asyncio.sleep(0.001)
        asked.respond(body=asked.path.encode())

    async with serve(script, concurrency=None) as (server, api):
        await api.get("/")
        responses = await asyncio.gather(*(api.get(f"/{number}") for number in range(400)))
        assert [response.content for response in responses] == [b"/%d" % number for number in range(400)]
        assert len(server.peers) == 1
        assert [asked.path for asked in server.seen[1:]] == [f"/{number}" for number in range(400)]
        assert "stream" in responses[-1].attempts[0].held
        assert responses[-1].attempts[0].queued > 0


async def test_a_call_that_does_not_wait_is_refused_where_there_is_no_stream(serve):
    async with serve(never, concurrency=None) as (server, api):
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(100)]
        while len(server.seen) < 100:
            await asyncio.sleep(0.01)
        for wait in (False, 0.05):
            with pytest.raises(QueueFull, match="all streams of the connection"):
                await api.get("/", wait=wait)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_waiting_calls_go_elsewhere_when_the_connection_goes_away(serve):
    async def script(asked):
        if asked.peer is not server.first:
            asked.respond(body=b"elsewhere")
        elif len(server.seen) == 100:
            await asyncio.sleep(0.1)
            asked.peer.close()

    async with serve(script, concurrency=None) as (server, api):
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(150)]
        while not server.peers:
            await asyncio.sleep(0)
        server.first = server.last
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert {response.content for response in done[100:]} == {b"elsewhere"}
        assert len(server.peers) == 2


async def test_a_cancelled_waiter_gives_its_place_to_the_next(serve):
    async def script(asked):
        await go_on.wait()
        asked.respond()

    go_on = asyncio.Event()
    async with serve(script, concurrency=None) as (server, api):
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(120)]
        while len(server.seen) < 100:
            await asyncio.sleep(0.01)
        for call in calls[100:110]:
            call.cancel()
        go_on.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 10
        assert len(server.seen) == 110


# --- the network ----------------------------------------------------------------------------------------------------


@steady
async def test_lost_datagrams_are_sent_again(serve):
    async def script(asked):
        await asked.ended.wait()
        asked.respond(body=bytes(asked.body) or bytes(20_000))

    async with serve(script) as (server, api):
        await api.get("/")
        server.path.loss = 0.05
        sent = bytes(range(256)) * 100
        for call in asyncio.as_completed([api.post("/", content=sent) for _ in range(20)]):
            assert (await call).content == sent
        assert server.path.dropped > 0
        assert len(server.peers) == 1


async def test_a_path_that_falls_silent_ends_its_calls(serve, monkeypatch):
    monkeypatch.setattr(http3_life, "SILENCE", 0.3)
    monkeypatch.setattr(http3_life, "ROUND_TRIPS", 0)
    monkeypatch.setattr(http3_life, "QUIET", 0.2)

    async with serve(never) as (server, api):
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
        while len(server.seen) < 3:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(http3_life, "QUIET", 0.1)
        server.path.dead = True
        for call in calls:
            with pytest.raises(ProtocolError, match=r"fell silent: no reply for 0\.3 s"):
                await call


async def test_a_slow_server_is_asked_for_a_sign_of_life_and_waited_for(serve, monkeypatch):
    monkeypatch.setattr(http3_life, "QUIET", 0.05)

    async def script(asked):
        heard = server.datagrams
        await asyncio.sleep(0.5)
        assert server.datagrams > heard + 2
        asked.respond(body=b"late")

    async with serve(script) as (server, api):
        server.datagrams = 0
        received = server.datagram_received

        def counted(data, address):
            server.datagrams += 1
            received(data, address)

        server.datagram_received = counted
        assert (await api.get("/")).content == b"late"


async def test_a_call_that_was_given_up_in_silence_does_not_get_the_next_one_stuck(serve, monkeypatch):
    monkeypatch.setattr(http3_life, "SILENCE", 1.0)
    async with serve(hello, timeout=Timeout(attempt=0.3), retry=Retry(3)) as (server, api):
        await api.get("/")
        old = server.last
        server.blackhole = old.address
        take = server.datagram_received

        def without_the_old(data, address):
            if address != old.address:
                take(data, address)

        server.datagram_received = without_the_old
        old.end()
        assert (await api.get("/")).content == b"hello"  # the first attempt is lost, the next has a new connection
        assert len(server.peers) == 2


async def test_an_idle_connection_is_closed_in_time(serve, monkeypatch):
    async with serve(hello) as (server, api):
        api._transport._keepalive = 0.2
        await api.get("/")
        while server.last.closed is None:
            await asyncio.sleep(0.01)
        assert server.last.closed.error_code == NO_ERROR
        assert api._transport._pool.alive == 0
        await api.get("/")
        assert len(server.peers) == 2


async def test_closing_the_client_ends_calls_and_leaves_nothing(serve):
    async with serve(never) as (server, api):
        call = asyncio.ensure_future(api.get("/"))
        while not server.seen:
            await asyncio.sleep(0)
        await api.aclose()
        with pytest.raises(ProtocolError, match="the client was closed"):
            await call
        assert api._transport._pool.alive == 0
        await server.seen[0].gone.wait()
        assert server.last.closed.error_code == NO_ERROR
        with pytest.raises(ConfigError, match="closed"):
            await api.get("/")


async def test_a_request_that_will_never_be_written_is_sent_on_another_connection(serve, monkeypatch):
    """Whatever its method: the server has not seen it."""
    async with serve(hello) as (server, api):
        await api.get("/")
        ((connection,),) = api._transport._pool.alternatives._connections.values()
        engine = connection._engine
        trips = [ValueError("reserved stream is missing")]
        send = engine._quic.datagrams_to_send

        def stuck(now):
            if trips:
                raise trips.pop()
            return []  # what it had taken out waits for ever

        monkeypatch.setattr(engine._quic, "datagrams_to_send", stuck)
        monkeypatch.setattr(http3_engine, "_SETTLES", 0.01)
        response = await api.post("/", content=b"x" * 100)
        assert response.content == b"hello"
        assert len(server.peers) == 2
        monkeypatch.setattr(engine._quic, "datagrams_to_send", send)


@pytest.mark.parametrize("seed", range(4))
@steady
async def test_calls_that_are_cancelled_at_any_moment_leave_nothing_behind(serve, seed):
    random = Random(seed)

    async def script(asked):
        if random.random() < 0.5:
            await asked.ended.wait()
        await asyncio.sleep(random.choice([0, 0, 0.001, 0.01]))
        with suppress(ValueError, FrameUnexpected, QuicConnectionError):  # it was cancelled meanwhile
            asked.respond(body=bytes(random.choice([0, 10, 1000])))  # larger ones may trip the server's own qh3

    async def pieces():
        for _ in range(20):
            yield bytes(10_000)
            await asyncio.sleep(0)

    async def streamed(api):
        async with api.stream("GET", "/stream") as response:
            async for _ in response.bytes():
                await asyncio.sleep(0)

    async with serve(script, concurrency=None) as (_, api):
        await api.get("/")
        kinds = [
            lambda: api.get("/"),
            lambda: api.post("/", content=b"x" * 100),
            lambda: api.post("/", content=pieces()),
            lambda: streamed(api),
        ]
        calls = [asyncio.ensure_future(random.choice([*kinds[:3], *kinds])()) for _ in range(250)]
        while left := [call for call in calls if not call.done()]:
            for _ in range(random.randrange(4)):
                await asyncio.sleep(0)
            random.choice(left).cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in outcomes} <= {asyncio.CancelledError, Response, type(None)}
        counts = api.stats.http3
        assert (counts["streams"], counts["waiting"], counts["broken"]) == (0, 0, 0)
        for response in await asyncio.gather(*(api.get("/") for _ in range(120))):
            assert response.http_version == "3"
    assert api._transport._pool.alive == 0


async def test_a_request_that_is_refused_before_its_head_is_not_sent(serve, monkeypatch):
    inner, refusals = NativeTransport.send, [ZeroDivisionError]

    def look():
        if refusals:
            raise refusals.pop()

    async def send(self, request):
        request.call.before_write = look
        return await inner(self, request)

    async def script(asked):
        asked.respond(body=b"ok")

    monkeypatch.setattr(NativeTransport, "send", send)
    async with serve(script) as (server, api):
        with pytest.raises(ZeroDivisionError):
            await api.post("/", content=b"x")
        assert (await api.post("/", content=b"x")).status == 200
    assert len(server.seen) == 1
