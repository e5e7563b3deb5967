"""What is seen of calls and attempts: one record per attempt, hooks, logs, and nothing that keeps memory alive."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from asyncapi import Client, ConfigError, ConnectError, NotFound, RequestTimeout, Response, Retry, ServerError, Timeout
from asyncapi.errors import AsyncAPIError
from asyncapi.testing import FakeClock, MockTransport, reply, run


def client(handler, **settings) -> Client:
    clock = settings.pop("clock", None) or FakeClock()
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def test_hooks_get_one_record_per_attempt_with_its_why():
    async def scenario():
        records, clock = [], FakeClock()
        answers = iter([
            reply(503, headers={"Retry-After": "2"}),
            ConnectError("refused"),
            reply(302, headers={"Location": "/there"}),
            reply(200),
        ])  # fmt: skip

        async def handler(request):
            await asyncio.sleep(1)
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        response = await client(handler, clock=clock, hooks=[records.append]).get("/here?api_key=secret")
        assert tuple(records) == response.attempts
        assert [record.number for record in records] == [1, 2, 3, 4]
        assert [record.why.partition(":")[0] for record in records] == ["first", "retry", "retry", "redirect"]
        assert [record.status for record in records] == [503, None, 302, 200]
        assert [record.error for record in records] == [None, "ConnectError: refused", None, None]
        assert [record.elapsed for record in records] == [1.0] * 4
        assert [record.started for record in records][:2] == [0.0, 3.0]
        assert records[0].at == pytest.approx(clock.wall() - clock.now())
        assert records[0].why == "first"
        assert records[1].why == "retry: 503, Retry-After 2 s"
        assert records[0].then == "retried after 2 s (Retry-After)"
        assert records[3].why == "redirect: 302 from https://h/here?api_key=***"
        assert records[3].url == "https://h/there"
        assert records[0].url == "https://h/here?api_key=***"
        assert all("secret" not in repr(record) for record in records)

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "settings", "call", "then"),
    [
        (lambda r: reply(200), {}, {}, ""),
        (lambda r: reply(404), {}, {}, ""),
        (lambda r: reply(503), {"retry": None}, {}, ""),
        (lambda r: reply(503), {"retry": 1}, {}, "gave up: 1 of 1 attempts made"),
        (
            lambda r: reply(503), {}, {"method": "POST"},
            "gave up: POST without an idempotency key is not safe to resend",
        ),
        (
            lambda r: reply(503, headers={"Retry-After": "99"}), {}, {},
            "gave up: the server asks to wait 99 s, longer than max_retry_after=60",
        ),
        (
            lambda r: reply(503, headers={"Retry-After": "9"}), {"timeout": 5.0}, {},
            "gave up: a wait of 9 s would pass the deadline",
        ),
        (
            lambda r: reply(503), {"retry": Retry(stop=lambda state: True)}, {},
            "gave up: the stop strategy ended it after 1 attempts",
        ),
    ],
)  # fmt: skip
def test_the_last_record_says_why_there_was_no_further_attempt(answer, settings, call, then):
    async def scenario():
        records = []
        api = client(answer, hooks=[records.append], raise_for_status=False, **settings)
        response = await api.request(call.get("method", "GET"), "/")
        assert len(records) == 1
        assert records[0].then == then
        assert response.attempts == tuple(records)

    run(scenario())


def test_a_failed_call_carries_its_records_and_its_request_with_secrets_masked():
    async def scenario():
        api = client(lambda _: reply(503), headers={"Authorization": "Bearer secret"}, retry=2)
        with pytest.raises(ServerError) as caught:
            await api.get("https://user:secret@h/x?token=secret")
        error = caught.value
        assert [attempt.status for attempt in error.attempts] == [503, 503]
        assert error.request.headers["Authorization"] == "***"
        assert str(error) == "GET https://***@h/x?token=***: 503 Service Unavailable (after 2 attempts)"
        assert "secret" not in f"{error!r} {error.request!r} {error.attempts!r} {error.response!r}"

    run(scenario())


def test_an_error_that_a_transport_raises_bare_gets_its_request_and_records():
    async def scenario():
        def handler(_):
            raise ConnectError("refused")

        with pytest.raises(ConnectError, match=r"GET https://h/x: refused \(after 2 attempts\)") as caught:
            await client(handler, retry=Retry(2, base=0)).get("/x")
        assert len(caught.value.attempts) == 2

    run(scenario())


def test_a_hook_that_raises_is_logged_and_breaks_nothing(caplog):
    async def scenario():
        seen = []

        def broken(record):
            raise ZeroDivisionError("my hook")

        api = client(lambda _: reply(), hooks=[broken, seen.append, broken])
        assert (await api.get("/")).status == 200
        assert len(seen) == 1
        async with api.map(["/1", "/2"]) as outcomes:
            assert all([outcome.ok async for outcome in outcomes])
        assert len(seen) == 3

    run(scenario())
    assert len(caplog.records) == 6
    assert all(record.name == "asyncapi" and record.levelno == logging.ERROR for record in caplog.records)
    assert "a hook failed" in caplog.text


def test_hooks_see_attempts_that_end_in_any_way():
    async def scenario():
        records = []

        async def handler(request):
            if request.url.path == "/bug":
                raise ZeroDivisionError("oops")
            await asyncio.sleep(100)

        api = client(handler, hooks=[records.append], retry=None)
        with pytest.raises(ZeroDivisionError):
            await api.get("/bug")
        with pytest.raises(RequestTimeout):
            await api.get("/", timeout=Timeout(50, attempt=2))
        with pytest.raises(RequestTimeout):
            await api.get("/", timeout=3.0)
        call = asyncio.create_task(api.get("/", timeout=None))
        await asyncio.sleep(4)
        call.cancel()
        await asyncio.wait([call])
        assert [record.error for record in records] == [
            "ZeroDivisionError: oops",
            "RequestTimeout: the attempt took longer than 2 s and was ended during headers",
            "RequestTimeout: the deadline passed during headers",
            "CancelledError: the call was cancelled",
        ]
        assert [record.elapsed for record in records] == [0, 2, 3, 4]

    run(scenario())


@pytest.mark.parametrize("hook", ["text", 7])
def test_a_hook_that_cannot_be_called_is_refused(hook):
    with pytest.raises(ConfigError, match="hooks"):
        Client("https://h", hooks=[hook])


def test_a_coroutine_function_as_a_hook_is_refused():
    async def hook(record):
        pass

    with pytest.raises(ConfigError, match="start a task in it for async work"):
        Client("https://h", hooks=[hook])


def test_debug_logs_tell_every_attempt_without_secrets(caplog):
    async def scenario():
        answers = iter([reply(503), ConnectError("refused"), reply()])

        def handler(_):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        api = client(handler, headers={"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret"})
        await api.get("https://me:s3cret@h/path?token=s3cret&page=2")

    with caplog.at_level(logging.DEBUG, logger="asyncapi"):
        run(scenario())
    lines = [record.getMessage() for record in caplog.records if record.name == "asyncapi"]
    assert len(lines) == 3
    assert all(line.startswith("GET https://***@h/path?token=***&page=2: <Attempt") for line in lines)
    assert "<Attempt 1 503" in lines[0]
    assert "<Attempt 2 ConnectError" in lines[1]
    assert "s3cret" not in caplog.text


def test_nothing_is_logged_below_debug_for_calls_that_go_well(caplog):
    async def scenario():
        await client(lambda _: reply()).get("/")

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert caplog.records == []


# -- memory --------------------------------------------------------------------------------------------------------


class Weak(Response):
    """A response that can be watched."""

    __slots__ = ("__weakref__",)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "how", ["awaited", "a task", "gathered", "mapped", "retried", "redirected", "hooked", "limited"]
)
def test_a_finished_call_is_freed_at_once_without_the_garbage_collector(no_collector, how):
    async def scenario():
        watched, answers = [], []

        def handler(request):
            if how == "retried" and not answers:
                answers.append(1)
                return reply(503)
            if how == "redirected" and request.url.path == "/":
                return reply(302, headers={"Location": "/there"})
            response = Weak(200)
            watched.append(weakref.ref(response))
            return response

        hooks = [lambda record: None] if how == "hooked" else []
        api = client(handler, hooks=hooks, retry=Retry(3, base=0), concurrency=2)
        if how == "a task":
            await asyncio.create_task(api.get("/"))
            await asyncio.sleep(0)
        elif how == "gathered":
            await api.gather(["/", "/1"])
        elif how == "mapped":
            async with api.map(["/", "/1"]) as outcomes:
                async for outcome in outcomes:
                    assert outcome.ok
                del outcome
            del outcomes
            await asyncio.sleep(0)
        elif how == "limited":
            await api.get("/", timeout=Timeout(5, attempt=3))
        else:
            await api.get("/")
        assert watched
        assert [reference() for reference in watched] == [None] * len(watched)

    run(scenario())


def test_a_thousand_calls_leave_no_garbage(no_collector):
    async def scenario():
        api = client(lambda _: reply(json={}), retry=Retry(3, base=0))
        await api.get("/", model=dict)
        before = len(gc.get_objects())
        for _ in range(1000):
            await api.get("/", model=dict)
        assert len(gc.get_objects()) - before < 100

    run(scenario())


def test_the_error_tree_is_what_calls_raise():
    async def scenario():
        with pytest.raises(AsyncAPIError) as caught:
            await client(lambda _: reply(404)).get("/")
        assert caught.type is NotFound

    run(scenario())
