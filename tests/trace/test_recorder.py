"""The recorder: what a client did is in its trace, and no secret is."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import ConnectError
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.trace import Recorder


def recorder(handler) -> Recorder:
    clock = FakeClock()
    return Recorder(MockTransport(handler, clock=clock), clock=clock)


def test_an_exchange_has_the_response_or_the_error_and_its_times():
    async def handler(request):
        await asyncio.sleep(2)
        if request.url.path == "/lost":
            raise ConnectError("refused", request=request)
        return reply(200, content=b"hello", headers={"X-Seen": "1"})

    async def scenario():
        record = recorder(handler)
        async with record.client("https://h", retry=None) as api:
            await api.get("/found")
            with pytest.raises(ConnectError):
                await api.get("/lost")
        return record.trace.exchanges

    found, lost = run(scenario())
    assert (found.target, found.status, found.content, found.error) == ("GET https://h/found", 200, "hello", "")
    assert (found.until - found.at, found.headers["X-Seen"]) == (2.0, "1")
    assert (lost.status, lost.error, lost.message) == (0, "ConnectError", "refused")


def test_a_cancelled_call_is_recorded_with_its_time_and_its_exchange():
    async def scenario():
        record = recorder(lambda request: asyncio.sleep(60))
        async with record.client("https://h") as api:
            call = asyncio.ensure_future(api.get("/slow"))
            await asyncio.sleep(3)
            call.cancel()
            await asyncio.wait([call])
        return record.trace

    trace = run(scenario())
    assert trace.calls[0].left == (3.0, 1)
    assert trace.exchanges[0].error == "CancelledError"
    assert trace.decisions[0][-1] == "cancelled"


def test_only_the_first_64_kib_of_a_body_are_recorded():
    async def scenario():
        record = recorder(lambda request: reply(200, content=b"x" * 100_000))
        async with record.client("https://h") as api:
            response = await api.get("/big")
        return len(response.content), len(record.trace.exchanges[0].content)

    assert run(scenario()) == (100_000, 64 * 1024)


def test_masked_secrets_tell_two_users_apart():
    async def past():
        clock = FakeClock()
        recorder = Recorder(MockTransport(lambda request: reply(200), clock=clock), clock=clock)
        async with recorder.client("https://h") as api:
            for user in ("ada", "bob", "ada"):
                await api.get(f"/me?token={user}", headers={"Authorization": f"Bearer {user}"})
        return recorder.trace

    ada, bob, again = run(past()).calls
    assert (ada.headers, ada.url) == (again.headers, again.url)
    assert ada.headers["Authorization"] != bob.headers["Authorization"]
    assert ada.url != bob.url
