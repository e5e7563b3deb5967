"""The mock transport: any handler, the limits of a real attempt, and clear errors for handlers that are none."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Client, ConfigError, ProtocolError, RequestTimeout, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run


async def test_a_handler_sees_the_request_as_it_would_go_out():
    def handler(request):
        assert (request.method, str(request.url)) == ("POST", "https://h/v1/x?a=1&b=2")
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["X-A"] == "b"
        assert request.content == b'{"n":1}'
        return reply(201, json={"ok": True})

    async with Client("https://h/v1", transport=MockTransport(handler), params={"a": 1}) as api:
        answer = await api.post("/x", params={"b": 2}, json={"n": 1}, headers={"x-a": "b"})
    assert (answer.status, answer.json(), str(answer.url)) == (201, {"ok": True}, "https://h/v1/x?a=1&b=2")
    assert answer.request.method == "POST"


async def test_a_handler_may_be_async():
    async def handler(request):
        await asyncio.sleep(0)
        return reply(content=b"late")

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert (await api.get("/")).text == "late"


async def test_the_same_reply_may_be_given_again_and_again():
    same = reply(json=[1])
    async with Client("https://h", transport=MockTransport(lambda _: same)) as api:
        one, two = await api.get("/1"), await api.get("/2")
    assert (one.url.path, two.url.path) == ("/1", "/2")
    assert one.request is not two.request


async def test_attempts_are_counted():
    replies = iter([reply(503), reply(503), reply()])
    transport = MockTransport(lambda _: next(replies))

    async def scenario():
        async with Client("https://h", transport=transport, clock=FakeClock()) as api:
            await api.get("/")

    await asyncio.to_thread(run, scenario())
    assert transport.requests == 3


async def test_what_a_handler_raises_is_the_attempt_s_failure():
    """Ours are retried as usual, anything else comes out as it is: it is a mistake in the test."""

    def broken(request):
        raise ProtocolError("closed")

    def wrong(request):
        raise ZeroDivisionError

    transport = MockTransport(broken)
    async with Client("https://h", transport=transport, retry=2) as api:
        with pytest.raises(ProtocolError, match=r"GET https://h/: closed \(after 2 attempts\)"):
            await api.get("/")
    assert transport.requests == 2
    async with Client("https://h", transport=MockTransport(wrong)) as api:
        with pytest.raises(ZeroDivisionError):
            await api.get("/")


@pytest.mark.parametrize("given", [None, 200, {"json": 1}, b"bytes"])
async def test_a_handler_that_returns_anything_else_is_told(given):
    async def late(request):
        return given

    for handler in (lambda _: given, late):
        async with Client("https://h", transport=MockTransport(handler)) as api:
            with pytest.raises(ConfigError, match=r"the mock handler returned .*: return reply\(\.\.\.\)"):
                await api.get("/")


@pytest.mark.parametrize("limit", [Timeout(100, attempt=3), Timeout(3)])
def test_a_slow_handler_meets_the_limits_of_a_real_attempt(limit):
    async def forever(request):
        await asyncio.sleep(1e9)

    clock = FakeClock()

    async def scenario():
        transport = MockTransport(forever, clock=clock)
        async with Client("https://h", transport=transport, clock=clock, timeout=limit, retry=None) as api:
            with pytest.raises(RequestTimeout) as caught:
                await api.get("/")
        return caught.value.phase, clock.now()

    phase, now = run(scenario())
    assert phase == "headers"
    assert now == pytest.approx(3, abs=0.01)
