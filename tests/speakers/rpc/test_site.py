"""An RPC is a call like any other: one retry policy, one breaker, one credential, one trace for REST and gRPC."""

import re

import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greeter_pb2 as pb
from asyncapi import (
    Bearer,
    Breaker,
    CircuitOpen,
    Client,
    ConfigError,
    Learned,
    OutcomeUnknown,
    Retry,
    RPCError,
    Timeout,
)
from asyncapi.grpc import Code
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.sansio.rpc.metadata import to_base64
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.watch import OpenTelemetry
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server
from http2_server import http2_server

pytestmark = pytest.mark.lane("native", reason="gRPC needs HTTP/2")

HEAD = [("content-type", "application/grpc")]
UNAVAILABLE = ("UNAVAILABLE", "no backend", ())


def answer(status, *more, message=None):
    """A response of gRPC for a mock; a status alone is in the head."""
    head = {"content-type": "application/grpc"}
    if message is None:
        return reply(200, headers={**head, "grpc-status": str(int(status)), **dict(more)})
    response = reply(200, headers=head, content=envelope(message))
    response.trailers = {"grpc-status": "0"}
    return response


def scripted(*answers):
    """A handler that gives one answer after the other, the last for ever, and keeps the requests."""
    left, seen = list(answers), []

    def handler(request):
        seen.append(request)
        found = left.pop(0) if len(left) > 1 else left[0]
        return answer(found[0], *found[1:]) if isinstance(found, tuple) else answer(0, message=found)

    return handler, seen


def played(handler, work, **settings):
    """Run `work(channel, api)` over a mock in virtual time; returns its value and the seconds it took."""

    async def main():
        clock = FakeClock()
        settings.setdefault("retry", Retry(3, budget=None))
        transport = MockTransport(handler, clock=clock)
        async with Client("https://api.example.com", transport=transport, clock=clock, **settings) as api:
            began = clock.now()
            return await work(api.grpc(), api), clock.now() - began

    return run(main())


def say(channel, api=None, **options):
    return channel.unary_unary("/t.S/Say")(b"hi", **options)


async def failing(call):
    try:
        await call
    except RPCError as error:
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
@pytest.mark.parametrize("idempotent", [None, True, False])
def test_a_code_is_retried_where_that_is_safe(code, idempotent):
    handler, seen = scripted((code,))
    error, _ = played(handler, lambda channel, api: failing(say(channel, idempotent=idempotent)))
    assert error.code is code
    again = idempotent and code in {Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED}
    assert len(seen) == (3 if again else 1)
    assert [request.headers.get("grpc-previous-rpc-attempts") for request in seen] == [None, "1", "2"][: len(seen)]


@pytest.mark.parametrize("method", ["Look", "Put", "Say"])
async def test_the_level_of_the_method_says_what_is_safe(method):
    async with grpc_server() as server, Client(server.url, http2="prior", retry=Retry(3, base=0.01)) as api:
        stub = getattr(GreeterStub(api.grpc()), method)
        server.greeter.answers = [UNAVAILABLE] * 2
        if method == "Say":
            with pytest.raises(RPCError, match="UNAVAILABLE: no backend"):
                await stub(pb.Ask())
            assert len(server.greeter.seen) == 1
            server.greeter.answers = [UNAVAILABLE] * 2
            await stub(pb.Ask(), idempotent=True)
            assert len(server.greeter.seen) == 4
        else:
            await stub(pb.Ask())
            assert len(server.greeter.seen) == 3
            server.greeter.answers = [UNAVAILABLE]
            with pytest.raises(RPCError):
                await stub(pb.Ask(), idempotent=False)


async def test_a_stream_is_retried_before_its_first_message():
    async with grpc_server() as server, Client(server.url, http2="prior", retry=Retry(3, base=0.01)) as api:
        server.greeter.answers = [UNAVAILABLE] * 2
        stub = GreeterStub(api.grpc())
        assert len([part async for part in stub.Many(pb.Ask(n=3))]) == 3
        assert server.greeter.seen == ["Many"] * 3
        server.greeter.answers = [UNAVAILABLE] * 2
        assert (await stub.Sum([pb.Ask(n=4), pb.Ask(name="enough")], idempotent=True)).n == 4

        async def once():
            yield pb.Ask(n=1)

        server.greeter.answers = [UNAVAILABLE]
        with pytest.raises(RPCError, match="UNAVAILABLE") as caught:
            await stub.Sum(once(), idempotent=True)
        assert "can't be sent again" in caught.value.attempts[-1].then


@pytest.mark.parametrize("idempotent", [True, None])
def test_a_pushback_is_waited_for(idempotent):
    handler, seen = scripted((Code.UNAVAILABLE, ("grpc-retry-pushback-ms", "700")), b"hello")
    work = (lambda channel, api: say(channel, idempotent=True)) if idempotent else (
        lambda channel, api: failing(say(channel))
    )  # fmt: skip
    _, took = played(handler, work)
    assert (len(seen), took) == ((2, pytest.approx(0.7)) if idempotent else (1, 0.0))


@pytest.mark.parametrize("pushback", ["-1", "soon", ""])
def test_a_pushback_that_is_negative_or_garbage_ends_retries(pushback):
    handler, seen = scripted((Code.UNAVAILABLE, ("grpc-retry-pushback-ms", pushback)), b"hello")
    error, _ = played(handler, lambda channel, api: failing(say(channel, idempotent=True)))
    assert (error.code, len(seen)) == (Code.UNAVAILABLE, 1)


def test_a_pushback_beyond_the_deadline_ends_the_call_now():
    handler, seen = scripted((Code.UNAVAILABLE, ("grpc-retry-pushback-ms", "60000")), b"hello")
    error, took = played(handler, lambda channel, api: failing(say(channel, idempotent=True, timeout=5)))
    assert (len(seen), took, error.held_by) == (1, 0.0, "deadline")


def test_every_attempt_is_told_the_time_that_is_left_then():
    handler, seen = scripted((Code.UNAVAILABLE, ("grpc-retry-pushback-ms", "2000")), b"hello")
    limits = Timeout(10, attempt=9)
    played(handler, lambda channel, api: say(channel, idempotent=True, timeout=limits))
    assert [request.headers["grpc-timeout"] for request in seen] == ["9000m", "8000m"]


def test_a_fresh_credential_is_used_after_unauthenticated():
    tokens = iter(["old", "new"])
    handler, seen = scripted((Code.UNAUTHENTICATED,), b"hello")
    auth = Bearer(lambda: next(tokens))
    reply_, _ = played(handler, lambda channel, api: say(channel), auth=auth, retry=None)
    assert reply_ == b"hello"
    assert [request.headers["Authorization"] for request in seen] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_the_breaker_counts_a_code_as_the_table_says(code):
    handler, _ = scripted((code,))

    async def work(channel, api):
        for _ in range(30):
            try:
                await say(channel, retry=None)
            except CircuitOpen:
                return True
            except RPCError:
                pass
        return False

    opened, _ = played(handler, work, breaker=Breaker(count=20, minimum=20), pace=False)
    counted = {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS}
    assert opened is (code in counted)


async def test_one_policy_one_breaker_one_trace_over_rest_and_grpc():
    records = []

    async def script(peer, asked):
        await asked.ended.wait()
        if asked.path == "/rest":
            await peer.respond(asked.stream, 503, body=b"down")
        else:
            await peer.respond(asked.stream, headers=[*HEAD, ("grpc-status", "14"), ("grpc-message", "down")])

    breaker = Breaker(count=4, minimum=4, open_for=60, open_cap=60)
    async with (
        http2_server(script) as server,
        Client(server.url, http2="prior", retry=Retry(2, base=0.001), breaker=breaker, hooks=[records.append]) as api,
    ):
        with pytest.raises(Exception, match="503"):
            await api.get("/rest")
        with pytest.raises(RPCError, match="UNAVAILABLE: down") as caught:
            await say(api.grpc(), idempotent=True)
        assert len(caught.value.attempts) == 2
        for call in (api.get("/rest"), say(api.grpc())):
            with pytest.raises(CircuitOpen):
                await call
        assert [record.url.rpartition("/")[2] for record in records] == ["rest", "rest", "Say", "Say"]
        assert [record.error for record in records] == [None, None] + ["RPCError: UNAVAILABLE: down"] * 2
        assert records[2].then.startswith("retried after")
        assert "RPCError: UNAVAILABLE" in records[3].why
        assert api.stats.attempts == 4


def test_the_retry_budget_is_shared_with_other_calls():
    handler, seen = scripted((Code.UNAVAILABLE,))

    async def work(channel, api):
        for _ in range(100):
            await failing(say(channel, idempotent=True))

    played(handler, work, retry=Retry(3, base=0.001))
    assert len(seen) < 160


def test_an_rpc_has_its_route_in_the_metrics():
    handler, _ = scripted(b"hello")

    async def work(channel, api):
        await say(channel)
        await say(channel, route="mine")
        return str(api.stats.latency_by_route if hasattr(api.stats, "latency_by_route") else api.stats)

    shown, _ = played(handler, work)
    assert "/t.S/Say" in shown
    assert "mine" in shown


def test_an_idempotency_key_makes_a_call_safe():
    handler, seen = scripted((Code.UNAVAILABLE,), b"hello")
    played(handler, lambda channel, api: say(channel, idempotency_key="k-1"))
    assert [request.headers["Idempotency-Key"] for request in seen] == ["k-1", "k-1"]


def test_a_wrong_message_is_refused_before_anything_is_sent():
    handler, seen = scripted(b"hello")

    async def work(channel, api):
        serialized = channel.unary_unary("/t.S/Say", pb.Ask.SerializeToString)
        with pytest.raises(ConfigError, match=re.escape("/t.S/Say: a str can't be serialized")):
            serialized("text")
        with pytest.raises(ConfigError, match="the request is str, not bytes"):
            channel.unary_unary("/t.S/Say")("text")

    played(handler, work)
    assert not seen
    assert OutcomeUnknown


def test_a_retry_info_is_waited_for():
    status = status_pb2.Status(code=14)
    delay = duration_pb2.Duration(seconds=3)
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    field = ("grpc-status-details-bin", to_base64(status.SerializeToString()))
    handler, seen = scripted((Code.UNAVAILABLE, field), b"hello")
    _, took = played(handler, lambda channel, api: say(channel, idempotent=True))
    assert (len(seen), took) == (2, 3.0)


def test_no_wait_is_longer_than_the_policy_allows():
    handler, seen = scripted((Code.UNAVAILABLE, ("grpc-retry-pushback-ms", "90000")), b"hello")
    error, took = played(handler, lambda channel, api: failing(say(channel, idempotent=True, timeout=None)))
    assert (len(seen), took, error.held_by) == (1, 0.0, "max_retry_after")


def test_a_failed_rpc_counts_as_failed():
    handler, _ = scripted((Code.NOT_FOUND,), b"hello")

    async def work(channel, api):
        await failing(say(channel))
        await say(channel)
        return api.stats

    stats, _ = played(handler, work)
    assert (stats.calls, stats.ok, stats.failed) == (2, 1, 1)


async def test_one_trace_over_rest_and_grpc():
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    seen = []

    async def script(peer, asked):
        await asked.ended.wait()
        seen.append(asked.get("traceparent"))
        if asked.path == "/rest":
            await peer.respond(asked.stream, 200, body=b"{}")
        else:
            await peer.respond(asked.stream, headers=[*HEAD, ("grpc-status", "5"), ("grpc-message", "no")])

    watch = OpenTelemetry(tracer_provider=tracers)
    async with http2_server(script) as server, Client(server.url, http2="prior", watch=watch) as api:
        with tracers.get_tracer("test").start_as_current_span("work"):
            await api.get("/rest")
            with pytest.raises(RPCError, match="NOT_FOUND"):
                await say(api.grpc())
    spans = exporter.get_finished_spans()
    (trace,) = {f"{span.context.trace_id:032x}" for span in spans}
    assert [parent.split("-")[1] for parent in seen] == [trace, trace]
    failed = [span for span in spans if span.name == "POST /t.S/Say"]
    assert [span.status.description for span in failed] == ["RPCError: NOT_FOUND: no"] * len(failed) != []


def test_retries_are_learned_by_the_code_of_the_error():
    handler, seen = scripted((Code.UNAVAILABLE,))

    async def work(channel, api):
        for _ in range(60):
            await failing(say(channel, idempotent=True, timeout=10))
        return api.stats.learned

    learned, _ = played(handler, work, retry=Retry(policy=Learned()))
    assert list(learned["api.example.com"]) == ["RPCError: UNAVAILABLE on POST /t.S/Say"]
    assert len(seen) < 120
