"""A channel of grpc.aio has the client's policy: retries, budget, breaker, limits, credentials, deadline, telemetry."""

import asyncio
import gc
import sys
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode, aio

from asyncapi import (
    AuthError,
    Bearer,
    Breaker,
    Budget,
    CircuitOpen,
    Client,
    ConfigError,
    Hedge,
    QueueFull,
    RateLimit,
    RequestTimeout,
    Retry,
    Timeout,
    deadline,
)
from asyncapi.grpc import interceptors
from asyncapi.testing import MockTransport, reply
from greeter_pb2 import Ask
from greeter_pb2_grpc import GreeterStub
from grpc_server import ROUNDING, grpc_server

QUICK = Retry(base=0.001)
DOWN = ("UNAVAILABLE", "down", ())


@asynccontextmanager
async def channel(answers=(), *, idempotent=(), **settings):
    """Yield the stub, what the server has seen, and the client."""
    settings.setdefault("retry", QUICK)
    async with grpc_server() as server, Client("http://greeter.internal", **settings) as api:
        server.greeter.answers.extend(answers)
        target = server.url.removeprefix("http://")
        async with aio.insecure_channel(target, interceptors=interceptors(api, idempotent=idempotent)) as opened:
            yield GreeterStub(opened), server.greeter, api
        assert api.stats.in_flight == 0


async def failure(call):
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_unary_call_is_what_it_was_without():
    async with channel() as (stub, greeter, api):
        call = stub.Say(Ask(name="ada"), metadata=(("k", "v"), ("b-bin", b"\0\1")), timeout=20)
        assert (await call).text == "Hello, ada"
        assert await call.code() is StatusCode.OK
        assert dict(await call.initial_metadata())["first"] == "1"
        assert dict(await call.trailing_metadata())["last"] == "2"
        assert (greeter.metadata[0]["k"], greeter.metadata[0]["b-bin"]) == ("v", b"\0\1")
        assert 0 < greeter.left[0] <= 20 + ROUNDING
        assert (api.stats.calls, api.stats.by_status) == (1, {200: 1})
        assert list(api.stats.routes) == ["POST /greet.v1.Greeter/Say"]


async def test_methods_are_sent_again_where_their_descriptor_or_the_user_says_so():
    async with channel([DOWN] * 3) as (stub, greeter, api):
        assert (await stub.Look(Ask(name="x"))).text == "Hello, x"
        assert (len(greeter.seen), api.stats.retries) == (4, 3)
    async with channel([DOWN]) as (stub, greeter, _):
        error = await failure(stub.Say(Ask()))
        assert (error.code(), error.details(), len(greeter.seen)) == (StatusCode.UNAVAILABLE, "down", 1)
    for named in ("/greet.v1.Greeter/Say", "/greet.v1.Greeter/*"):
        async with channel([DOWN], idempotent=[named]) as (stub, greeter, _):
            await stub.Say(Ask())
            assert len(greeter.seen) == 2


async def test_a_code_that_is_final_is_not_retried():
    async with channel([("INVALID_ARGUMENT", "no", (("why", "so"),))]) as (stub, greeter, _):
        error = await failure(stub.Look(Ask()))
        assert (error.code(), len(greeter.seen)) == (StatusCode.INVALID_ARGUMENT, 1)
        assert dict(error.trailing_metadata())["why"] == "so"


async def test_pushback_is_waited_for_and_ends_the_retries_where_it_is_negative():
    pushed = ("UNAVAILABLE", "wait", (("grpc-retry-pushback-ms", "40"),))
    async with channel([pushed]) as (stub, greeter, api):
        await stub.Look(Ask())
        assert len(greeter.seen) == 2
        assert api.stats.retries == 1
    async with channel([("UNAVAILABLE", "stop", (("grpc-retry-pushback-ms", "-1"),))]) as (stub, greeter, _):
        await failure(stub.Look(Ask()))
        assert len(greeter.seen) == 1


async def test_a_server_that_is_down_is_tried_again_for_any_method():
    async with Client("http://greeter.internal", retry=Retry(3, base=0.001)) as api:
        async with aio.insecure_channel("127.0.0.1:9", interceptors=interceptors(api)) as opened:
            error = await failure(GreeterStub(opened).Say(Ask()))
        assert (error.code(), api.stats.attempts) == (StatusCode.UNAVAILABLE, 3)


async def test_the_retry_budget_holds():
    retry = Retry(base=0.001, budget=Budget(0.0, floor=1))
    async with channel([DOWN] * 9, retry=retry) as (stub, greeter, _):
        for _ in range(3):
            await failure(stub.Look(Ask()))
        assert len(greeter.seen) == 4


async def test_one_breaker_for_rest_and_rpc():
    answered = []

    def handler(request):
        answered.append(request.method)
        return reply(503)

    settings = {"retry": None, "breaker": Breaker(failure_rate=0.5, minimum=2), "transport": MockTransport(handler)}
    async with channel([DOWN] * 2, **settings) as (stub, greeter, api):
        await failure(stub.Look(Ask()))
        await api.get("/rest", raise_for_status=False)
        error = await failure(stub.Look(Ask()))
        assert isinstance(error.__cause__, CircuitOpen)
        assert (error.code(), error.details()[:11]) == (StatusCode.UNAVAILABLE, "CircuitOpen")
        assert (len(greeter.seen), answered) == (1, ["GET"])


async def test_limits_hold_attempts_back():
    async with channel(rate=RateLimit(1, per=60), wait=False) as (stub, greeter, _):
        await stub.Say(Ask())
        error = await failure(stub.Say(Ask()))
        assert error.code() is StatusCode.RESOURCE_EXHAUSTED
        assert len(greeter.seen) == 1


async def test_a_place_is_held_until_a_stream_ends():
    async with channel(concurrency=1, wait=False) as (stub, _, _):
        call = stub.Many(Ask(n=3))
        messages = aiter(call)
        assert (await anext(messages)).n == 0
        error = await failure(stub.Say(Ask()))
        assert isinstance(error.__cause__, QueueFull)
        assert [message.n async for message in messages] == [1, 2]
        assert await call.code() is StatusCode.OK
        async with asyncio.timeout(10):
            while (await stub.Say(Ask(name="free"))).text != "Hello, free":
                pass


async def test_the_credential_goes_along_and_never_over_the_users_own():
    async with channel(auth=Bearer("secret")) as (stub, greeter, _):
        await stub.Say(Ask())
        await stub.Say(Ask(), metadata=(("authorization", "mine"),))
        assert [each["authorization"] for each in greeter.metadata] == ["Bearer secret", "mine"]


async def test_a_credential_that_can_not_be_had_is_an_error_of_the_channel():
    def no_token():
        raise LookupError("none")

    async with channel(auth=Bearer(no_token)) as (stub, greeter, _):
        error = await failure(stub.Say(Ask()))
        assert isinstance(error.__cause__, AuthError)
        assert (error.code(), greeter.seen) == (StatusCode.UNAUTHENTICATED, [])


async def test_headers_of_the_client_go_along_as_metadata():
    async with channel(headers={"X-Team": "a"}, attempt_header="x-attempt") as (stub, greeter, _):
        await stub.Say(Ask())
        assert (greeter.metadata[0]["x-team"], greeter.metadata[0]["x-attempt"]) == ("a", "1")
        assert greeter.metadata[0]["user-agent"].startswith("grpc-python")


async def test_the_deadline_bounds_the_call_and_reaches_the_server():
    async with channel() as (stub, greeter, _):
        error = await failure(stub.Look(Ask(delay_ms=5000), timeout=0.2))
        assert error.code() is StatusCode.DEADLINE_EXCEEDED
        await greeter.until("Look cancelled")
        assert 0 < greeter.left[0] <= 0.2 + ROUNDING
        with deadline(0.2):
            error = await failure(stub.Look(Ask(delay_ms=5000)))
        assert error.code() is StatusCode.DEADLINE_EXCEEDED
    async with channel(timeout=Timeout(5, attempt=0.2), retry=Retry(2, base=0.001)) as (stub, greeter, _):
        error = await failure(stub.Look(Ask(delay_ms=5000)))
        assert isinstance(error.__cause__, RequestTimeout)
        assert greeter.seen.count("Look") == 2


async def test_a_stream_is_retried_before_its_first_message_alone():
    async with channel([DOWN] * 2) as (stub, greeter, _):
        call = stub.Many(Ask(n=3))
        assert [message.n async for message in call] == [0, 1, 2]
        assert await call.code() is StatusCode.OK
        assert greeter.seen == ["Many"] * 3
    async with channel() as (stub, greeter, _):
        got = []
        with pytest.raises(aio.AioRpcError) as caught:
            got.extend([message async for message in stub.Many(Ask(n=2, fail="UNAVAILABLE"))])
        assert caught.value.code() is StatusCode.UNAVAILABLE
        assert greeter.seen == ["Many"]


async def test_an_empty_stream_and_reading_one_by_one():
    async with channel() as (stub, _, _):
        assert [message async for message in stub.Many(Ask(n=0))] == []
        call = stub.Many(Ask(n=1))
        assert (await call.read()).n == 0
        assert await call.read() is aio.EOF


async def test_a_stream_that_is_dropped_is_cancelled_and_gives_its_place_back():
    async def first(stub):
        async for message in stub.Many(Ask(n=100, delay_ms=50)):
            return message.n
        return None

    async with channel(concurrency=1) as (stub, greeter, api):
        assert await first(stub) == 0
        async with asyncio.timeout(20):
            while api.stats.in_flight:
                gc.collect()
                await asyncio.sleep(0.01)
        await greeter.until("Many cancelled")


async def test_a_silent_stream_is_not_cut_by_the_clients_limits():
    async with channel(timeout=Timeout(0.5, attempt=0.3)) as (stub, _, _):
        assert [message.n async for message in stub.Many(Ask(n=2, delay_ms=400))] == [0, 1]


async def test_a_stream_of_requests_runs_from_an_iterator_and_written():
    async with channel() as (stub, _, _):
        assert (await stub.Sum(Ask(n=n) for n in range(4))).n == 6
        call = stub.Sum()
        for n in (3, 4):
            await call.write(Ask(n=n))
        await call.done_writing()
        assert (await call).n == 7
        assert await call.code() is StatusCode.OK
        error = await failure(stub.Sum(iter([Ask(fail="ABORTED")])))
        assert error.code() is StatusCode.ABORTED


async def test_a_stream_of_requests_is_sent_again_before_its_second_message_alone():
    async def asks():
        yield Ask(n=1)
        yield Ask(fail="UNAVAILABLE")

    async with channel(idempotent=["/greet.v1.Greeter/*"]) as (stub, greeter, _):
        error = await failure(stub.Sum(asks()))  # the second message makes the server fail
        assert (error.code(), greeter.seen) == (StatusCode.UNAVAILABLE, ["Sum", "Sum 1"])
    async with Client("http://greeter.internal", retry=Retry(3, base=0.001)) as api:
        async with aio.insecure_channel("127.0.0.1:9", interceptors=interceptors(api)) as opened:
            await failure(GreeterStub(opened).Sum(asks()))
        assert api.stats.attempts == 3
    async with channel([DOWN], idempotent=["/greet.v1.Greeter/*"]) as (stub, greeter, _):
        call = stub.Chat()
        await call.write(Ask(name="first"))
        assert (await call.read()).text == "Hello, first"
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert greeter.seen == ["Chat"] * 2


async def test_messages_go_both_ways():
    async with channel() as (stub, _, api):
        call = stub.Chat()
        for name in ("a", "b"):
            await call.write(Ask(name=name))
            assert (await call.read()).text == f"Hello, {name}"
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert await call.code() is StatusCode.OK
        assert [m.text async for m in stub.Chat(Ask(name=name) for name in "xy")] == ["Hello, x", "Hello, y"]
        assert api.stats.calls == 2


@pytest.mark.parametrize("kind", ["Sum", "Chat"])
async def test_messages_that_nobody_takes_any_more_are_not_waited_for(kind):
    async with channel() as (stub, _, _):
        ended = asyncio.Event()

        async def asks():
            try:
                yield Ask(name="enough")
                await asyncio.Event().wait()
            finally:
                ended.set()

        if kind == "Sum":
            await stub.Sum(asks())
        else:
            assert [message async for message in stub.Chat(asks())] == []
        await asyncio.wait_for(ended.wait(), 10)
        assert [task for task in asyncio.all_tasks() if "asyncapi" in repr(task.get_coro())] == []


async def test_cancelling_reaches_the_server():
    async with channel() as (stub, greeter, api):
        call = stub.Look(Ask(delay_ms=5000))
        await greeter.until("Look")
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await greeter.until("Look cancelled")
        stream = stub.Many(Ask(n=9, delay_ms=50))
        await anext(aiter(stream))
        assert stream.cancel()
        await greeter.until("Many cancelled")
        chat = stub.Chat()
        await chat.write(Ask(name="a", delay_ms=5000))
        await greeter.until("Chat")
        assert chat.cancel()
        await greeter.until("Chat cancelled")
        assert await chat.code() is StatusCode.CANCELLED
        async with asyncio.timeout(10):
            while api.stats.in_flight:
                await asyncio.sleep(0.01)


async def test_a_late_call_is_hedged_and_the_loser_cancelled():
    async with channel(hedge=Hedge(after=0.3, budget=1.0)) as (stub, greeter, _):
        greeter.answers.append(("", "", ()))
        await stub.Look(Ask(delay_ms=1000))
        await greeter.until("Look cancelled")
        assert greeter.seen.count("Look") == 2


async def test_interceptors_of_the_users_own_stand_beside():
    class Tag(aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            metadata = aio.Metadata(*(details.metadata or ()), ("tag", "1"))
            return await continuation(
                aio.ClientCallDetails(details.method, details.timeout, metadata, details.credentials, None), request
            )

    async with grpc_server() as server, Client("http://greeter.internal", retry=QUICK) as api:
        server.greeter.answers.append(DOWN)
        for order in ([*interceptors(api), Tag()], [Tag(), *interceptors(api)]):
            async with aio.insecure_channel(server.url[7:], interceptors=order) as opened:
                await GreeterStub(opened).Look(Ask())
        assert [each["tag"] for each in server.greeter.metadata] == ["1"] * 3


async def test_a_client_without_a_base_url_is_refused():
    async with Client() as api:
        with pytest.raises(ConfigError, match="base URL"):
            interceptors(api)


async def test_a_missing_grpcio_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    for name in [name for name in sys.modules if name.startswith("asyncapi.speakers.rpc.ch")]:
        monkeypatch.delitem(sys.modules, name)
    async with Client("http://h") as api:
        with pytest.raises(ConfigError, match="install grpcio"):
            interceptors(api)


@pytest.mark.parametrize("name", ["Say", "greet.v1.Greeter/Say", "/a/b/c"])
async def test_a_method_that_is_not_written_as_grpc_does_is_refused(name):
    async with Client("http://h") as api:
        with pytest.raises(ConfigError, match=r"/package\.Service/Method"):
            interceptors(api, idempotent=[name])


@pytest.mark.parametrize("moment", range(10))
async def test_cancelling_at_any_moment_leaves_nothing_behind(moment):
    async with channel() as (stub, _, api):

        async def work():
            await stub.Look(Ask())
            async for _ in stub.Many(Ask(n=2)):
                pass
            await stub.Sum(iter([Ask(n=1)]))

        task = asyncio.create_task(work())
        for _ in range(moment):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait({task})
        del task  # its traceback holds what it was doing
        async with asyncio.timeout(20):
            while api.stats.in_flight:
                gc.collect()  # a stream that nobody holds any more is cancelled
                await asyncio.sleep(0.01)
