"""What users' tests import: replies, a virtual clock, a loop that never waits, aioresponses."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from pydantic import BaseModel

from asyncapi import Client, ConnectError, NotFound, ProtocolError, RequestTimeout, Retry, SchemaError
from asyncapi.testing import FakeClock, MockTransport, VirtualTimeLoop, mocked_aiohttp, reply, run

BASE = "https://api.example.com"


class User(BaseModel):
    id: int


@pytest.fixture
def web():
    with mocked_aiohttp() as mocked:
        yield mocked


# aioresponses


async def test_a_mocked_answer_goes_through_the_whole_client(web):
    web.get(f"{BASE}/users/1", payload={"id": 1}, headers={"X-A": "b"})
    async with Client(BASE) as api:
        answer = await api.get("/users/1")
        assert (answer.parse(User), answer.headers["X-A"], answer.status) == (User(id=1), "b", 200)
    web.assert_called_once()


async def test_mocked_verbs_and_bodies(web):
    for verb in ("post", "put", "patch", "delete", "head", "options"):
        getattr(web, verb)(f"{BASE}/x?q=1", status=200, body=b"")
    async with Client(BASE) as api:
        for verb in ("post", "put", "patch", "delete", "head", "options"):
            assert (await getattr(api, verb)("/x", params={"q": 1})).status == 200


async def test_mocked_statuses_are_retried_and_raised(web):
    web.get(f"{BASE}/a", status=503)
    web.get(f"{BASE}/a", payload={"id": 2})
    web.get(f"{BASE}/b", status=404, body="none")
    web.get(f"{BASE}/c", payload={"id": "x"})
    async with Client(BASE, retry=Retry(base=0)) as api:
        assert await api.get("/a", model=User) == User(id=2)
        with pytest.raises(NotFound, match="404 Not Found: none"):
            await api.get("/b")
        with pytest.raises(SchemaError):
            await api.get("/c", model=User)


async def test_a_mocked_answer_may_repeat(web):
    web.get(f"{BASE}/a", payload={"id": 1}, repeat=True)
    async with Client(BASE) as api:
        assert await api.gather([f"{BASE}/a"] * 20, model=User) == [User(id=1)] * 20


@pytest.mark.parametrize(
    ("exception", "ours"),
    [
        (aiohttp.ServerDisconnectedError(), ProtocolError),
        (aiohttp.ClientOSError(104, "reset"), ProtocolError),
        (aiohttp.ClientPayloadError("cut"), ProtocolError),
        (aiohttp.ClientConnectionError("lost"), ProtocolError),
        (aiohttp.ConnectionTimeoutError("slow"), RequestTimeout),
        (aiohttp.SocketTimeoutError("slow"), RequestTimeout),
        (TimeoutError("slow"), RequestTimeout),
        (ConnectionRefusedError(111, "refused"), ConnectError),
    ],
    ids=lambda given: type(given).__name__,
)
async def test_a_mocked_exception_becomes_ours_and_is_retried(web, exception, ours):
    web.get(f"{BASE}/a", exception=exception, repeat=True)
    async with Client(BASE, retry=Retry(3, base=0), timeout=None) as api:
        with pytest.raises(ours) as caught:
            await api.get("/a")
    assert len(caught.value.attempts) == 3


async def test_what_is_not_mocked_is_refused(web):
    async with Client(BASE, retry=None) as api:
        with pytest.raises((ConnectError, ProtocolError)):
            await api.get("/nothing")


async def test_a_callback_sees_the_request(web):
    from aioresponses import CallbackResult

    seen = []

    def callback(url, **kwargs):
        seen.append((str(url), dict(kwargs["headers"]), kwargs["data"]))
        return CallbackResult(payload={"id": 3})

    web.post(f"{BASE}/a", callback=callback)
    async with Client(BASE) as api:
        assert await api.post("/a", json={"n": 1}, headers={"X-A": "b"}, model=User) == User(id=3)
    [(url, headers, data)] = seen
    assert url == f"{BASE}/a"
    assert headers["X-A"] == "b"
    assert data == b'{"n":1}'


async def test_nothing_of_the_mock_stays():
    from aioresponses import core

    assert core.ClientResponse is aiohttp.ClientResponse
    with pytest.raises(RuntimeError), mocked_aiohttp():
        raise RuntimeError
    assert core.ClientResponse is aiohttp.ClientResponse


# Replies


def test_a_reply_is_an_answer():
    answer = reply(201, json=User(id=1), headers={"X-A": "b"})
    assert (answer.status, answer.parse(User), answer.headers["x-a"]) == (201, User(id=1), "b")
    assert answer.headers["Content-Type"] == "application/json"
    assert reply(json=1, headers={"content-type": "a/b"}).headers.getall("Content-Type") == ["a/b"]
    assert (reply().status, reply().content, reply(content=b"x").text) == (200, b"", "x")


# Virtual time


def test_a_virtual_hour_takes_no_time():
    began = time.monotonic()

    async def scenario():
        clock = FakeClock()
        await asyncio.sleep(1800)
        async with asyncio.timeout(3600):
            await clock.sleep(1800)
        return clock.now(), clock.wall()

    now, wall = run(scenario())
    assert now == pytest.approx(3600)
    assert wall == pytest.approx(1_700_000_000 + 3600)
    assert time.monotonic() - began < 5


def test_virtual_timers_fire_in_order():
    order = []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def scenario():
        await asyncio.gather(*(wait(seconds) for seconds in (5, 1, 3, 2, 4)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(2)

    run(scenario())
    assert order == [1, 2, 3, 4, 5]


def test_virtual_time_stands_still_while_code_runs():
    async def scenario():
        clock = FakeClock()
        before = clock.now()
        for _ in range(1000):
            await asyncio.sleep(0)
        return clock.now() - before

    assert run(scenario()) == 0


def test_a_scenario_that_waits_for_nothing_says_so(monkeypatch):
    monkeypatch.setattr("asyncapi.testing.virtual_time._HANG_AFTER", 0.05)

    async def scenario():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing left to do: the code under test waits for what never comes"):
        run(scenario())


def test_threads_may_wake_a_virtual_loop():
    async def scenario():
        return await asyncio.to_thread(lambda: 7)

    assert run(scenario()) == 7


def test_the_draws_of_a_fake_clock_repeat():
    assert [FakeClock(1).random() for _ in range(3)] == [FakeClock(1).random()] * 3
    assert FakeClock(1).random() != FakeClock(2).random()


def test_the_example_of_the_module_works():
    replies = iter([reply(503), reply(200, json={"id": 1})])
    clock = FakeClock()

    async def scenario():
        async with Client("https://h", transport=MockTransport(lambda _: next(replies)), clock=clock) as api:
            return await api.get("/users/1")

    assert run(scenario()).status == 200


def test_a_virtual_loop_closes_like_any_other():
    loop = VirtualTimeLoop()
    assert loop.run_until_complete(asyncio.sleep(9, "done")) == "done"
    loop.close()


def test_virtual_timers_run_at_their_time_and_ties_in_the_order_they_were_set():
    async def scenario():
        loop, ran = asyncio.get_running_loop(), []
        await asyncio.sleep(0.1)
        times = [0.7, 0.7 + 1e-12, 0.3, 0.7, 1e6 + 0.1, 0.3]
        for number, when in enumerate(times):
            loop.call_at(when, lambda number=number: ran.append((number, loop.time())))
        await asyncio.sleep(2e6)
        return [number for number, _ in ran], [at == times[number] for number, at in ran]

    assert run(scenario()) == ([2, 5, 0, 3, 1, 4], [True] * 6)
