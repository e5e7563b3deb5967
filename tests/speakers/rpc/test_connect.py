"""Stubs over Connect, against connectrpc's server and against servers that break the protocol."""

import asyncio
import json

import pytest

from asyncapi import (
    Bearer,
    Breaker,
    Cache,
    CircuitOpen,
    Client,
    ConfigError,
    Retry,
    RPCError,
    Timeout,
)
from asyncapi.grpc import Code
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.testing import MockTransport, reply
from connect_server import connect_server
from greeter_pb2 import Ask, Reply
from greeter_pb2_grpc import GreeterStub
from servers import scripted

pytestmark = pytest.mark.lanes

CODECS = pytest.mark.parametrize("codec", ["proto", "json"])
QUICK = Retry(base=0.001)
END = envelope(b"{}", 2)


@pytest.fixture
async def served():
    async with connect_server() as (url, greeter):
        yield url, greeter


@CODECS
async def test_a_stub_runs_unchanged(served, codec):
    url, greeter = served
    async with Client(url) as api:
        stub = GreeterStub(api.grpc("connect", codec=codec))
        call = stub.Say(Ask(name="ada", data=b"\0\xff", n=7), metadata=(("k", "v"), ("d-bin", b"\1\2")), timeout=9)
        assert await call == Reply(text="hello ada", data=b"\0\xff", n=7)
        assert await call.code() is Code.OK
        assert (await call.initial_metadata())["x-begin"] == "1"
        assert await call.trailing_metadata() == [("x-end", "2")]
    seen = greeter.seen[0]
    assert seen.http_method == "POST"
    assert seen.request_headers["k"] == "v"
    assert seen.request_headers["d-bin"] == "AQI"
    assert seen.request_headers["connect-protocol-version"] == "1"
    assert 0 < int(seen.request_headers["connect-timeout-ms"]) <= 9000


@CODECS
async def test_a_method_without_side_effects_is_a_get_and_retried(served, codec):
    url, greeter = served
    async with Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("connect", codec=codec))
        found = await stub.Look(Ask(name="ü&=", fail="unavailable:2", data=b"\0"))
        assert found.text == "hello ü&="
        assert [each.http_method for each in greeter.seen] == ["GET"] * 3
        await stub.Look(Ask(name="long", data=b"x" * 9000))
        assert greeter.seen[-1].http_method == "POST"
        await stub.Say(Ask(name="asked for"), get=False)
        assert greeter.seen[-1].http_method == "POST"


async def test_a_call_is_a_get_where_its_caller_says_so():
    asked = []

    def handler(request):
        asked.append((request.method, request.target.text))
        return reply(503) if len(asked) == 1 else reply(200, headers={"content-type": "application/proto"})

    async with Client("https://h", transport=MockTransport(handler), retry=QUICK) as api:
        assert await GreeterStub(api.grpc("connect")).Say(Ask(name="x"), get=True) == Reply()
    assert [method for method, _ in asked] == ["GET", "GET"]
    assert "/greet.v1.Greeter/Say?connect=v1&base64=1&encoding=proto&message=" in asked[0][1]


async def test_a_get_is_answered_by_the_cache():
    asked = []

    def handler(request):
        asked.append(request.method)
        headers = {"content-type": "application/proto", "cache-control": "max-age=60"}
        return reply(200, content=Reply(text="kept").SerializeToString(), headers=headers)

    async with Client("https://h", transport=MockTransport(handler), cache=Cache()) as api:
        stub = GreeterStub(api.grpc("connect"))
        texts = [(await stub.Look(Ask(name=name))).text for name in ("a", "a", "b")]
        posted = [(await stub.Say(Ask(name="a"))).text for _ in range(2)]
    assert (texts, posted) == (["kept"] * 3, ["kept"] * 2)
    assert asked == ["GET", "GET", "POST", "POST"]


@CODECS
@pytest.mark.parametrize("code", ["not_found", "canceled", "resource_exhausted", "unauthenticated", "data_loss"])
async def test_an_error_has_its_code_message_details_and_metadata(served, codec, code):
    url, _ = served
    async with Client(url, retry=None) as api:
        stub = GreeterStub(api.grpc("connect", codec=codec))
        with pytest.raises(RPCError, match="bob fails") as caught:
            await stub.Say(Ask(name="bob", fail=code))
    error = caught.value
    assert error.code.name.lower().replace("cancelled", "canceled") == code
    assert error.details == "bob fails"
    assert error.metadata["x-end"] == "2"
    assert [detail.DESCRIPTOR.full_name for detail in error.status_details] == ["google.protobuf.Duration"]
    assert len(error.attempts) == 1


async def test_a_call_is_sent_again_where_it_is_safe_alone(served):
    url, greeter = served
    async with Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("connect"))
        with pytest.raises(RPCError):
            await stub.Say(Ask(name="once", fail="unavailable:1"))
        assert (await stub.Put(Ask(name="put", fail="unavailable:2"))).text == "hello put"
        assert (await stub.Say(Ask(name="said", fail="unavailable:1"), idempotent=True)).text == "hello said"
        with pytest.raises(RPCError):
            await stub.Put(Ask(name="final", fail="invalid_argument"))
    assert [greeter.calls[name] for name in ("once", "put", "said", "final")] == [1, 3, 2, 1]


@CODECS
async def test_a_stream_gives_its_messages_then_its_end(served, codec):
    url, _ = served
    async with Client(url) as api:
        call = GreeterStub(api.grpc("connect", codec=codec)).Many(Ask(name="m", n=3, data=b"x"))
        assert [message.n async for message in call] == [0, 1, 2]
        assert await call.code() is Code.OK
        assert await call.trailing_metadata() == [("x-end", "2")]
        assert (await call.initial_metadata())["x-begin"] == "1"
        assert api.stats.in_flight == 0


async def test_an_error_in_place_of_the_first_message_is_retried(served):
    url, greeter = served
    async with Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("connect"))
        assert [message.n async for message in stub.Many(Ask(name="r", fail="unavailable:2"))] == []
        assert greeter.calls["r"] == 3
        seen = []
        with pytest.raises(RPCError, match="late fails") as caught:
            seen.extend([message.n async for message in stub.Many(Ask(name="late", n=2, fail="unavailable"))])
        assert greeter.calls["late"] == 1
        assert caught.value.code is Code.UNAVAILABLE


async def test_a_stream_of_requests_has_one_response(served):
    url, _ = served
    async with Client(url, retry=QUICK) as api:
        stub = GreeterStub(api.grpc("connect"))
        assert (await stub.Sum(Ask(n=n) for n in range(5))).n == 10
        call = stub.Sum()
        await call.write(Ask(n=2))
        await call.write(Ask(n=3))
        await call.done_writing()
        assert (await call).n == 5
        with pytest.raises(RPCError) as caught:
            await stub.Sum(iter([Ask(name="f", fail="aborted")]))
        assert caught.value.code is Code.ABORTED


@pytest.mark.lane("native", reason="HTTP/2")
async def test_streams_in_both_directions_run_over_http2(served):
    url, _ = served
    async with Client(url, transport="native", http2="prior") as api:
        call = GreeterStub(api.grpc("connect")).Chat()
        for name in ("a", "b"):
            await call.write(Ask(name=name))
            assert (await call.read()).text == f"hello {name}"
        await call.done_writing()
        assert not await call.read()
        assert await call.code() is Code.OK


async def test_a_stream_in_both_directions_is_refused_over_http1():
    async with Client("http://127.0.0.1:9") as api:
        stub = GreeterStub(api.grpc("connect"))  # has such a method, and may
        with pytest.raises(ConfigError, match="HTTP/2"):
            stub.Chat(iter([Ask()]))


@pytest.mark.parametrize("size", [0, 1, 4 << 20])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_messages_of_any_size_go_both_ways(served, size, compression):
    url, _ = served
    data = bytes(size - 40 if size > 40 else size)
    async with Client(url) as api:
        stub = GreeterStub(api.grpc("connect", compression=compression))
        assert (await stub.Say(Ask(data=data))).data == data
        assert [message.data async for message in stub.Many(Ask(data=data, n=2))] == [data, data]


async def test_an_empty_message_is_whole(served):
    url, _ = served
    async with Client(url) as api:
        say = api.grpc("connect").unary_unary("/greet.v1.Greeter/Say", None, None)
        assert Reply.FromString(await say(b"")).text == "hello "


async def test_plain_data_goes_as_json_without_protobuf(served):
    url, _ = served
    async with Client(url) as api:
        channel = api.grpc("connect", codec="json")
        say, many = (
            channel.unary_unary("/greet.v1.Greeter/Say"),
            channel.unary_stream("/greet.v1.Greeter/Many"),
        )
        assert await say({"name": "eve", "n": 1}) == {"text": "hello eve", "n": 1}
        assert [part.get("n", 0) async for part in many({"n": 2})] == [0, 1]


async def test_the_server_sees_that_a_call_is_cancelled(served):
    url, greeter = served
    async with Client(url) as api:
        stub = GreeterStub(api.grpc("connect"))
        call = stub.Many(Ask(name="gone", n=3, delay_ms=60))
        assert (await call.read()).n == 0
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        assert await call.code() is Code.CANCELLED
        assert api.stats.in_flight == 0
    async with asyncio.timeout(10):
        while greeter.cancelled != ["gone"]:
            await asyncio.sleep(0.01)


async def test_the_deadline_ends_a_call_at_the_client_and_the_server(served):
    url, greeter = served
    async with Client(url, retry=None) as api:
        stub = GreeterStub(api.grpc("connect"))
        with pytest.raises(RPCError) as caught:
            await stub.Say(Ask(name="slow", delay_ms=5000), timeout=0.2)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(RPCError):
            async for _ in stub.Many(Ask(name="slow", n=100, delay_ms=50), timeout=0.3):
                pass
    async with asyncio.timeout(10):
        while len(greeter.cancelled) < 2:
            await asyncio.sleep(0.01)


async def test_one_breaker_one_credential_and_one_trace_for_rest_and_rpc():
    seen = []

    def handler(request):
        seen.append((request.method, request.headers["authorization"]))
        error = json.dumps({"code": "unavailable", "message": "no"}).encode()
        return reply(503, content=error, headers={"content-type": "application/json"})

    breaker = Breaker(failure_rate=0.5, minimum=2)
    records = []
    async with Client(
        "https://h",
        transport=MockTransport(handler),
        retry=None,
        breaker=breaker,
        auth=Bearer("t"),
        hooks=[records.append],
    ) as api:
        with pytest.raises(RPCError):
            await GreeterStub(api.grpc("connect")).Say(Ask())
        assert (await api.get("/rest", raise_for_status=False)).status == 503
        with pytest.raises(CircuitOpen):
            await GreeterStub(api.grpc("connect")).Say(Ask())
    assert seen == [("POST", "Bearer t"), ("GET", "Bearer t")]
    assert [record.error for record in records] == ["RPCError: UNAVAILABLE: no", None]


def head(kind, length=None, status="200 OK"):
    size = "Connection: close" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{size}\r\n\r\n".encode()


async def faulty(answer, call, **settings):
    async def script(peer):
        await peer.request()
        for piece in [answer] if isinstance(answer, bytes) else answer:
            await peer.write(piece)

    settings.setdefault("retry", None)
    async with scripted(script) as server, Client(server.url, **settings) as api:
        try:
            return await call(GreeterStub(api.grpc("connect")))
        finally:
            assert api.stats.in_flight == 0


async def many(stub):
    return [message.text async for message in stub.Many(Ask(n=1))]


STREAM = head("application/connect+proto")
ONE = envelope(Reply(text="one").SerializeToString())


async def test_a_stream_may_come_a_byte_at_a_time():
    body = ONE + envelope(b"") + END
    assert await faulty([STREAM, *(bytes([octet]) for octet in body)], many) == ["one", ""]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INTERNAL),
        (ONE, Code.INTERNAL),
        (ONE[:-1], Code.INTERNAL),
        (ONE + END[:3], Code.INTERNAL),
        (ONE + envelope(b"garbage", 2), Code.INTERNAL),
        (ONE + END + ONE, Code.INTERNAL),
        (envelope(b"\xff\xff\xff"), Code.INTERNAL),
        (envelope(b"x", 0x40), Code.INTERNAL),
        (b"\0\xff\xff\xff\xff", Code.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_stream_that_breaks_the_protocol_is_an_error(body, code):
    with pytest.raises(RPCError) as caught:
        await faulty(STREAM + body, many)
    assert caught.value.code is code


async def test_a_body_that_is_cut_off_in_a_unary_call_is_an_error():
    with pytest.raises(RPCError):
        await faulty(head("application/proto", 10) + b"four", lambda stub: stub.Say(Ask())._result())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"code"', b"<html>", b"\xff" * 100])
@pytest.mark.parametrize(
    ("status", "code"), [("502 Bad", Code.UNAVAILABLE), ("404 No", Code.UNIMPLEMENTED), ("500 X", Code.UNKNOWN)]
)
async def test_garbage_in_place_of_an_error_has_the_code_of_its_status(body, status, code):
    answer = head("application/json", len(body), status) + body
    for call in (lambda stub: stub.Say(Ask())._result(), many):
        with pytest.raises(RPCError) as caught:
            await faulty(answer, call)
        assert caught.value.code is code


async def test_a_silent_stream_is_open_without_a_message(served):
    url, _ = served
    async with Client(url, timeout=Timeout(total=0.5, attempt=0.3)) as api:
        call = GreeterStub(api.grpc("connect")).Many(Ask(name="s", n=2, delay_ms=700))
        assert [message.n async for message in call] == [0, 1]


@pytest.mark.parametrize("moment", range(1, 12))
async def test_cancelling_at_any_moment_leaves_nothing_behind(served, moment):
    url, _ = served
    async with Client(url) as api:
        stub = GreeterStub(api.grpc("connect"))
        before = asyncio.all_tasks()

        async def work():
            await many(stub)
            await stub.Say(Ask(name="x"))
            await stub.Sum(iter([Ask(n=1)]))

        task = asyncio.create_task(work())
        for _ in range(moment):
            await asyncio.sleep(0.002 if moment % 2 else 0)
        task.cancel()
        await asyncio.wait({task})
        async with asyncio.timeout(10):
            while api.stats.in_flight:
                await asyncio.sleep(0)
        assert {each for each in asyncio.all_tasks() - before if "asyncapi" in repr(each.get_coro())} == set()
