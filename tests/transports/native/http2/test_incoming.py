"""What an HTTP/2 server says: responses, refusals that are sent again, and everything that it may not say."""

from __future__ import annotations

import asyncio
import gzip
import resource
import struct

import hpack
import pytest

from asyncapi import Client, ProtocolError, Retry
from http2_engines import engine  # noqa: F401 - a fixture
from http2_server import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    HEADERS,
    INTERNAL_ERROR,
    NO_ERROR,
    PING,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    at_rest,
    client,
    frame,
    http2_server,
    ok,
    until,
)

pytestmark = pytest.mark.usefixtures("engine")

ONCE = Retry(1)
MB = 1024 * 1024


# --- the usual ------------------------------------------------------------------------------------------------------
async def test_a_response_has_status_fields_body_and_version():
    async def script(peer, asked):
        await peer.respond(asked.stream, 201, [("content-type", "text/plain"), ("a", "1"), ("a", "2")], b"hello")

    async with http2_server(script) as server, client(server) as api:
        response = await api.get("/x?y=1")
        assert (response.status, response.content, response.http_version) == (201, b"hello", "2")
        assert (response.headers.getall("A"), response.text) == (["1", "2"], "hello")
        assert response.attempts[0].http_version == "2"
        [asked] = server.requests
        assert (asked.method, asked.path, asked.get(":scheme")) == ("GET", "/x?y=1", "http")
        assert asked.get(":authority") == f"127.0.0.1:{server.port}"
        assert asked.get("host") is None
        assert at_rest(api)


@pytest.mark.parametrize("content", [b"", b"a", b"x" * 70_000, b"x" * MB], ids=len)
async def test_a_body_arrives_whole_whatever_its_size(content):
    async with http2_server(ok) as server, client(server) as api:
        assert (await api.post("/", content=content)).content == b"POST"
        [asked] = server.requests
        assert (bytes(asked.body), asked.get("content-length")) == (content, str(len(content)))


@pytest.mark.parametrize("length", [None, 250_000])
async def test_a_streamed_body_arrives_whole(length):
    async def pieces():
        for _ in range(5):
            yield b"x" * 50_000

    headers = {} if length is None else {"Content-Length": str(length)}
    async with http2_server(ok) as server, client(server) as api:
        await api.post("/", content=pieces(), headers=headers)
        [asked] = server.requests
        assert len(asked.body) == 250_000
        assert asked.get("content-length") == (None if length is None else str(length))
        assert asked.get("transfer-encoding") is None


async def test_a_body_larger_than_the_windows_arrives_whole_both_ways():
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.respond(asked.stream, body=bytes(asked.body))

    async with http2_server(script) as server, client(server, http2="prior") as api:
        assert len((await api.post("/", content=b"x" * (3 * MB))).content) == 3 * MB


async def test_a_coded_body_is_decoded_and_bounded():
    async def script(peer, asked):
        await peer.respond(asked.stream, headers=[("content-encoding", "gzip")], body=gzip.compress(b"a" * MB))

    async with http2_server(script) as server:
        async with client(server) as api:
            assert (await api.get("/")).content == b"a" * MB
        async with client(server, max_body=MB - 1) as api:
            with pytest.raises(ProtocolError, match="max_body"):
                await api.get("/")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_max_body_is_refused_and_its_neighbours_go_on(declared):
    async def script(peer, asked):
        if asked.path == "/slow":
            await asyncio.sleep(0.2)
            await peer.respond(asked.stream, body=b"slow")
            return
        await peer.respond(asked.stream, headers=[("content-length", "2000")] if declared else [], body=b"x" * 2000)

    async with http2_server(script) as server, client(server, max_body=1000) as api:
        slow = asyncio.create_task(api.get("/slow"))
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError, match="max_body=1,000"):
            await api.get("/")
        assert (await slow).content == b"slow"
        assert len(server.peers) == 1


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [200, 204, 304])
async def test_a_response_without_a_body_is_whole(method, status):
    async def script(peer, asked):
        fields = [("content-length", "5")] if status == 304 or (method == "HEAD" and status == 200) else []
        await peer.respond(asked.stream, status, fields)

    async with http2_server(script) as server, client(server) as api:
        response = await api.request(method, "/")
        assert (response.status, response.content) == (status, b"")


async def test_trailers_come_with_a_whole_and_with_a_streamed_response():
    async def script(peer, asked):
        await peer.respond(asked.stream, headers=[("a", "1")], body=b"x", trailers=[("grpc-status", "0")])

    async with http2_server(script) as server, client(server) as api:
        response = await api.get("/")
        assert (response.content, dict(response.trailers)) == (b"x", {"grpc-status": "0"})
        assert "grpc-status" not in response.headers
        async with api.stream("GET", "/") as streamed:
            assert not streamed.trailers
            assert await streamed.read() == b"x"
            assert dict(streamed.trailers) == {"grpc-status": "0"}


async def test_interim_responses_are_skipped():
    async def script(peer, asked):
        for _ in range(3):
            await peer.write(peer.head(asked.stream, [(":status", "103"), ("link", "</a>")]))
        await peer.respond(asked.stream, headers=[("a", "1")], body=b"x")

    async with http2_server(script) as server, client(server) as api:
        response = await api.get("/")
        assert (response.status, response.content, "link" in response.headers) == (200, b"x", False)


# --- what the server has not begun ----------------------------------------------------------------------------------
@pytest.mark.parametrize("retry", [None, 1, 4])
@pytest.mark.parametrize("content", [b"{}", b"x" * 200_000], ids=len)
async def test_a_refused_post_is_sent_again(retry, content):
    async def script(peer, asked):
        if len(server.requests) == 1:
            await peer.reset(asked.stream, REFUSED_STREAM)
            return
        await ok(peer, asked)

    async with http2_server(script) as server, client(server, retry=retry) as api:
        response = await api.post("/", content=content)
        assert (response.status, len(server.requests), len(server.peers)) == (200, 2, 1)
        first, second = response.attempts
        assert "has refused the stream (REFUSED_STREAM)" in first.error
        assert (first.unsure, second.why) == (False, "replay: the server had not begun the request")


async def test_a_post_that_is_always_refused_fails_and_says_so():
    async def script(peer, asked):
        await peer.reset(asked.stream, REFUSED_STREAM)

    async with http2_server(script) as server, client(server) as api:
        with pytest.raises(ProtocolError) as caught:
            await api.post("/", json={})
        assert (caught.value.unprocessed, len(server.requests)) == (True, 4)
        assert len(server.peers) == 1


async def test_a_post_above_the_last_stream_of_a_goaway_is_sent_again_elsewhere():
    async def script(peer, asked):
        if peer.number == 0:
            await peer.goaway(asked.stream - 2 if asked.stream > 1 else 0)
            return
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        response = await api.post("/", json={})
        assert (response.status, len(server.requests), len(server.peers)) == (200, 2, 2)
        assert "takes no more of them on this connection (GOAWAY)" in response.attempts[0].error
        await asyncio.wait_for(until(lambda: server.open == 1), 5)


async def test_a_post_below_the_last_stream_of_a_goaway_is_served_and_not_sent_again():
    async def script(peer, asked):
        if asked.path == "/first":
            await peer.goaway(asked.stream)
            await asyncio.sleep(0.1)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        first = asyncio.create_task(api.post("/first", json={}))
        await until(lambda: server.requests)
        await asyncio.sleep(0.05)
        assert (await api.post("/second", json={})).status == 200
        assert (await first).status == 200
        assert [asked.path for asked in server.requests] == ["/first", "/second"]
        assert len(server.peers) == 2
        await asyncio.wait_for(until(lambda: server.open == 1), 5)


async def test_a_goaway_in_two_steps_loses_nothing_and_repeats_nothing():
    async def script(peer, asked):
        if asked.path == "/0" and peer.number == 0:
            await peer.goaway(2**31 - 1)
            await asyncio.sleep(0.1)
            await peer.goaway(peer.last)
        await asyncio.sleep(0.02)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        responses = await asyncio.gather(*[api.post(f"/{number}", json={}) for number in range(50)])
        later = await api.post("/later", json={})
        assert {response.status for response in (*responses, later)} == {200}
        assert len({asked.path for asked in server.requests}) == len(server.requests) == 51
        assert len(server.peers) == 2


async def test_a_goaway_before_the_first_request_is_no_endless_dialing():
    async def script(peer, asked):
        """It is gone already."""

    async with http2_server(script) as server:
        serve = server.accept

        async def send_away(reader, writer):
            writer.write(frame(SETTINGS, 0, 0) + frame(7, 0, 0, struct.pack(">LL", 0, NO_ERROR)))
            await serve(reader, writer)

        async with asyncio.timeout(20), client(server) as api:
            listener = await asyncio.start_server(send_away, "127.0.0.1", 0)
            with pytest.raises(ProtocolError) as caught:
                await api.get(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
            assert caught.value.unprocessed
            assert len(server.peers) <= 5
            listener.close()


async def test_a_connection_that_is_lost_is_no_proof_and_a_post_is_not_sent_again():
    async def script(peer, asked):
        peer.abort()

    async with http2_server(script) as server, client(server, retry=4) as api:
        with pytest.raises(ProtocolError, match="closed the connection before it sent a response") as caught:
            await api.post("/", json={})
        assert (caught.value.unprocessed, len(server.requests)) == (False, 1)


async def test_a_connection_that_was_closed_while_idle_is_replaced_unseen():
    async with http2_server(ok) as server, client(server) as api:
        await api.get("/")
        server.peers[0].close()
        await server.quiet()
        assert len((await api.post("/", json={})).attempts) == 1
        assert len(server.peers) == 2


@pytest.mark.parametrize(
    ("code", "name"),
    [(INTERNAL_ERROR, "INTERNAL_ERROR"), (CANCEL, "CANCEL"), (ENHANCE_YOUR_CALM, "ENHANCE_YOUR_CALM"), (0, "NO_ERROR")],
)
async def test_another_reset_is_a_failure_of_this_stream_alone(code, name):
    async def script(peer, asked):
        if asked.path == "/bad":
            await peer.reset(asked.stream, code)
            return
        await asyncio.sleep(0.1)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        good = asyncio.create_task(api.get("/good"))
        with pytest.raises(ProtocolError, match=rf"there is no response: the server has reset the stream \({name}\)"):
            await api.post("/bad", json={})
        assert (await good).status == 200
        assert (len(server.requests), len(server.peers)) == (2, 1)


async def test_a_reset_in_the_middle_of_a_body_says_that_it_broke_off():
    async def script(peer, asked):
        await peer.write(peer.head(asked.stream, [(":status", "200")]), frame(DATA, 0, asked.stream, b"half"))
        await asyncio.sleep(0.05)
        await peer.reset(asked.stream, INTERNAL_ERROR)

    async with http2_server(script) as server, client(server) as api:
        with pytest.raises(ProtocolError, match="the body broke off: the server has reset the stream"):
            await api.get("/")
        async with api.stream("GET", "/") as response:
            with pytest.raises(ProtocolError, match="the body broke off"):
                await response.read()
        assert len(server.peers) == 1


# --- limits ---------------------------------------------------------------------------------------------------------
async def test_a_limit_that_is_lowered_below_what_is_open_loses_nothing():
    async def script(peer, asked):
        if asked.path == "/0":
            await until(lambda: len(server.requests) == 4)
            await peer.settings(max_streams=1)
            await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(0.2)
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        first = [asyncio.create_task(api.post(f"/{number}", json={})) for number in range(4)]
        await until(lambda: server.peers and server.peers[0].got_settings and len(server.requests) == 4)
        await asyncio.sleep(0.05)
        more = [asyncio.create_task(api.post(f"/{number}", json={})) for number in range(4, 8)]
        statuses = [response.status for response in await asyncio.gather(*first, *more)]
        assert statuses == [200] * 8
        assert (len(server.requests), len(server.peers)) == (8, 1)


FLOODS = {
    "PING": lambda peer, stream: frame(PING, 0, 0, b"12345678"),
    "SETTINGS": lambda peer, stream: frame(SETTINGS, 0, 0),
    "empty DATA": lambda peer, stream: frame(DATA, 0, stream),
    "interim": lambda peer, stream: peer.head(stream, [(":status", "103")]),
    "resets": lambda peer, stream: frame(RST_STREAM, 0, stream, struct.pack(">L", CANCEL)),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_the_connection_and_not_the_client(flood):
    async def script(peer, asked):
        if asked.path != "/flood":
            await ok(peer, asked)
            return
        if flood == "empty DATA":
            await peer.write(peer.head(asked.stream, [(":status", "200")]))
        while not peer.writer.transport.is_closing():
            await peer.write(*[FLOODS[flood](peer, asked.stream) for _ in range(2000)])
            await asyncio.sleep(0)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with http2_server(script) as server, client(server, timeout=10) as api:
        with pytest.raises(ProtocolError):
            await api.get("/flood")
        assert (await api.get("/")).status == 200
        await until(lambda: server.open == 1)
        assert server.peers[0].goaway_seen in {ENHANCE_YOUR_CALM, None}  # it may not get through
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40 * 1024  # KiB; the server's part is in this process, too


async def test_headers_without_end_are_refused():
    async def script(peer, asked):
        if asked.path != "/flood":
            await ok(peer, asked)
            return
        await peer.write(frame(HEADERS, 0, asked.stream, b"\x88"))
        while not peer.writer.transport.is_closing():
            await peer.write(frame(CONTINUATION, 0, asked.stream, b"\x00\x01a\x7f" + b"\xaa" * 15_000))
            await asyncio.sleep(0)

    async with http2_server(script) as server, client(server, timeout=10) as api:
        with pytest.raises(ProtocolError):
            await api.get("/flood")
        assert (await api.get("/")).status == 200
        assert server.peers[0].goaway_seen is not None


async def test_a_header_bomb_is_refused_before_it_is_unpacked():
    async def script(peer, asked):
        if asked.path != "/bomb":
            await ok(peer, asked)
            return
        packer = hpack.Encoder()
        begin = packer.encode([(":status", "200"), ("x", "a" * 3900)], huffman=False)
        block = begin + packer.encode([("x", "a" * 3900)], huffman=False) * 12_000  # 46 MB
        parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
        frames = [frame(HEADERS, END_HEADERS if len(parts) == 1 else 0, asked.stream, parts[0])]
        frames += [
            frame(CONTINUATION, END_HEADERS if number == len(parts) - 1 else 0, asked.stream, part)
            for number, part in enumerate(parts)
            if number
        ]
        await peer.write(*frames)

    async with http2_server(script) as server, client(server, timeout=10) as api:
        await api.get("/")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ProtocolError):
            await api.get("/bomb")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 5 * 1024  # KiB
        assert (await api.get("/")).status == 200


async def test_headers_over_max_headers_are_refused_and_never_retried():
    async def script(peer, asked):
        await peer.respond(asked.stream, headers=[(f"x-{number}", "a" * 1000) for number in range(12)], body=b"x")

    async with http2_server(script) as server:
        async with client(server, max_headers=8192, retry=4) as api:
            with pytest.raises(ProtocolError, match="max_headers") as caught:
                await api.get("/")
            assert (caught.value.final, len(server.requests)) == (True, 1)
        async with client(server) as api:
            assert len((await api.get("/")).headers) == 12


async def test_streams_that_are_reset_as_fast_as_they_are_opened_stay_bounded():
    """Rapid reset, the other way round: a server that refuses everything costs no memory and no endless loop."""

    async def script(peer, asked):
        await peer.reset(asked.stream, REFUSED_STREAM)

    async with http2_server(script) as server, client(server) as api:
        errors = await api.gather(["/"] * 300, return_exceptions=True)
        assert {type(error) for error in errors} == {ProtocolError}
        assert len(server.requests) == 1200
        assert at_rest(api)


@pytest.mark.parametrize(
    "frames",
    [
        lambda peer, asked: frame(PUSH_PROMISE, END_HEADERS, asked.stream, struct.pack(">L", 2) + b"\x88"),
        lambda peer, asked: b"HTTP/1.1 400 Bad Request\r\n\r\n" + b" " * 64,
        lambda peer, asked: frame(DATA, 0, asked.stream, b"x" * 20_000),
        lambda peer, asked: frame(DATA, 0, 99, b"x"),
    ],
    ids=["push", "HTTP/1.1", "too large", "never opened"],
)
async def test_a_server_that_breaks_the_protocol_ends_its_connection(frames):
    async def script(peer, asked):
        if peer.number == 0:
            await peer.write(frames(peer, asked))
            return
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        with pytest.raises(ProtocolError, match="the response isn't valid HTTP") as caught:
            await api.post("/", json={})
        assert not caught.value.unprocessed
        assert (await api.get("/")).status == 200
        await until(lambda: server.open == 1)


async def test_a_server_that_speaks_http1_is_named():
    async def serve(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, Client(url, http2="prior", retry=ONCE) as api:
        with pytest.raises(ProtocolError, match=r"may not speak HTTP/2|no HTTP/2|SETTINGS|frame"):
            await api.get("/")
