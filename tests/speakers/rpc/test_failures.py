"""A server that breaks off, resets, lies or says nothing: an error that says what failed, and never half a result."""

import asyncio
import pickle

import pytest

from asyncapi import Client, ConnectError, ProtocolError, RequestTimeout, RPCError
from asyncapi.grpc import Code, RPCBroken, RPCTimeout, RPCUnreachable
from asyncapi.sansio.rpc.envelopes import envelope
from http2_server import CONTINUATION, END_HEADERS, END_STREAM, HEADERS, REFUSED_STREAM, frame, http2_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")

HEAD = [("content-type", "application/grpc")]
OK = [("grpc-status", "0")]


def client(server, **settings):
    return Client(server.url, http2="prior", **{"retry": None, **settings})


def unary(api):
    return api.grpc().unary_unary("/t.S/Say")


async def outcome(script, *, streams=False, **settings):
    """What a call comes to: its message, its messages, or its error."""
    async with http2_server(script) as server, client(server, **settings) as api:
        if not streams:
            return await unary(api)(b"hi")
        return [message async for message in api.grpc().unary_stream("/t.S/Many")(b"hi")]


def responds(*parts):
    """A script that writes a head, pieces of the body, trailers; None for no trailers."""

    async def script(peer, asked):
        await asked.ended.wait()
        await peer.write(peer.head(asked.stream, [(":status", "200"), *HEAD]))
        for part in parts:
            if isinstance(part, bytes):
                await peer.send(asked.stream, part, end=False)
                await asyncio.sleep(0)
            else:
                await peer.write(peer.head(asked.stream, part, end=True))

    return script


@pytest.mark.parametrize("streams", [False, True])
async def test_a_response_byte_by_byte(streams):
    body = envelope(b"hello")
    script = responds(*(bytes((octet,)) for octet in body), OK)
    assert await outcome(script, streams=streams) == ([b"hello"] if streams else b"hello")


@pytest.mark.parametrize("streams", [False, True])
async def test_trailers_split_over_frames(streams):
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.write(peer.head(asked.stream, [(":status", "200"), *HEAD]))
        await peer.send(asked.stream, envelope(b"hello"), end=False)
        whole = peer.head(asked.stream, [*OK, ("grpc-message", "x" * 100)], end=True)
        block = whole[9:]
        await peer.write(frame(HEADERS, END_STREAM, asked.stream, block[:3]))
        await asyncio.sleep(0.01)
        await peer.write(frame(CONTINUATION, 0, asked.stream, block[3:9]))
        await peer.write(frame(CONTINUATION, END_HEADERS, asked.stream, block[9:]))

    assert await outcome(script, streams=streams) == ([b"hello"] if streams else b"hello")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("parts", "code", "text"),
    [
        ([envelope(b"hello"), [("x", "y")]], Code.UNKNOWN, "no status at its end"),
        ([envelope(b"hello")[:7], OK], Code.INTERNAL, "broke off in a message"),
        ([envelope(b"hello") + b"\0", OK], Code.INTERNAL, "broke off in a message"),
        ([envelope(b"hello", 3), OK], Code.INTERNAL, "flags 0x03"),
        ([envelope(b"hello", 1), OK], Code.INTERNAL, "compression is not said"),
        ([b"\xff" * 20, OK], Code.RESOURCE_EXHAUSTED, "max_message"),
        ([[("grpc-status", "garbage")]], Code.UNKNOWN, "UNKNOWN"),
        ([[("grpc-status", "5"), ("grpc-message", "no%20such")]], Code.NOT_FOUND, "no such"),
    ],
)
async def test_a_response_that_is_not_whole_is_an_error(streams, parts, code, text):
    with pytest.raises(RPCError, match=text) as caught:
        await outcome(responds(*parts), streams=streams)
    assert caught.value.code is code
    assert caught.value.request is not None
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("streams", [False, True])
async def test_a_body_without_trailers_is_an_error(streams):
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.respond(asked.stream, headers=HEAD, body=envelope(b"hello"))

    with pytest.raises(RPCError, match="no status at its end") as caught:
        await outcome(script, streams=streams)
    assert caught.value.code is Code.UNKNOWN


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("status", "code"), [(400, Code.INTERNAL), (404, Code.UNIMPLEMENTED), (502, Code.UNAVAILABLE), (418, Code.UNKNOWN)]
)
async def test_a_response_of_http_has_the_code_of_its_status(streams, status, code):
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.respond(asked.stream, status, [("content-type", "text/html")], b"<h1>proxy</h1>")

    with pytest.raises(RPCError, match=f"HTTP status {status}: <h1>proxy</h1>") as caught:
        await outcome(script, streams=streams)
    assert caught.value.code is code


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("headed", [False, True])
@pytest.mark.parametrize(
    ("reset", "code"), [(0, Code.INTERNAL), (2, Code.INTERNAL), (8, Code.CANCELLED), (11, Code.RESOURCE_EXHAUSTED)]
)
async def test_a_reset_has_its_code_and_is_a_protocol_error(streams, headed, reset, code):
    async def script(peer, asked):
        await asked.ended.wait()
        if headed:
            await peer.write(peer.head(asked.stream, [(":status", "200"), *HEAD]))
            await asyncio.sleep(0.01)
        await peer.reset(asked.stream, reset)

    with pytest.raises(RPCBroken, match="reset the stream") as caught:
        await outcome(script, streams=streams)
    assert caught.value.code is code
    assert isinstance(caught.value, ProtocolError)


async def test_a_refused_stream_is_sent_again_whatever_the_method():
    refused = []

    async def script(peer, asked):
        await asked.ended.wait()
        if len(refused) < 2:
            refused.append(asked)
            await peer.reset(asked.stream, REFUSED_STREAM)
        else:
            await peer.respond(asked.stream, headers=HEAD, body=envelope(b"done"), trailers=OK)

    assert await outcome(script) == b"done"


@pytest.mark.parametrize("streams", [False, True])
async def test_a_connection_that_breaks_is_unavailable(streams):
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.write(peer.head(asked.stream, [(":status", "200"), *HEAD]))
        peer.abort()

    with pytest.raises(RPCBroken) as caught:
        await outcome(script, streams=streams)
    assert caught.value.code is Code.UNAVAILABLE


async def test_no_connection_is_unavailable_and_a_connect_error():
    async with Client("http://127.0.0.1:1", http2="prior", retry=None) as api:
        for call in (unary(api)(b""), api.grpc().unary_stream("/t.S/Many")(b"").read()):
            with pytest.raises(RPCUnreachable, match="refused") as caught:
                await call
            assert isinstance(caught.value, ConnectError)
            assert caught.value.code is Code.UNAVAILABLE


async def test_time_that_runs_out_is_a_deadline_and_a_request_timeout():
    async def script(peer, asked):
        await asked.gone.wait()

    async with http2_server(script) as server, client(server) as api:
        with pytest.raises(RPCTimeout) as caught:
            await unary(api)(b"", timeout=0.1)
        assert isinstance(caught.value, RequestTimeout)
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.code, caught.value.phase) == (Code.DEADLINE_EXCEEDED, "headers")
        assert caught.value.held_by == "deadline"
        await asyncio.wait_for(server.requests[0].gone.wait(), 20)
        assert server.resets == [8]


async def test_errors_survive_pickling_without_secrets():
    trailers = [("grpc-status", "5"), ("grpc-message", "none"), ("api-key", "hidden"), ("plain", "shown")]
    with pytest.raises(RPCError) as caught:
        await outcome(responds(trailers))
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (twin.code, twin.details, twin.metadata["plain"]) == (Code.NOT_FOUND, "none", "shown")
    assert "hidden" not in repr(twin.metadata)


async def test_a_client_that_is_closed_refuses_the_call_as_any_other():
    async def script(peer, asked):
        raise AssertionError

    async with http2_server(script) as server, client(server) as api:
        pass
    with pytest.raises(Exception, match="closed"):
        await unary(api)(b"")
