"""Alerts: one notice when an episode begins, one when it is over, and never a call that fails or waits for them."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from asyncapi import Alert, Client, ConfigError, deadline
from asyncapi.testing import FakeClock, MockTransport, reply, run


def client(handler, *alerts, **settings) -> Client:
    clock = FakeClock()
    settings.setdefault("retry", None)
    settings.setdefault("raise_for_status", False)
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, watch=alerts, **settings)


class Server:
    """Answers with `status`, after `takes` seconds."""

    def __init__(self, status: int = 200, takes: float = 0.0) -> None:
        self.status, self.takes = status, takes

    async def __call__(self, request):
        await asyncio.sleep(self.takes)
        return reply(self.status)


def test_a_bad_time_is_one_notice_when_it_begins_and_one_when_it_is_over():
    async def scenario():
        told, server = [], Server()
        alert = Alert(when="error_rate > 0.1", over=60, notify=told.append, at_least=10)
        api = client(server, alert)
        for server.status, calls in ((200, 20), (500, 100), (200, 2000)):
            for _ in range(calls):
                await api.get("/")
        await alert.flush()
        assert [alarm.active for alarm in told] == [True, False]
        began, over = told
        assert began.when == "error_rate > 0.1"
        assert began.value == 3 / 23
        assert (began.calls, began.attempts) == (23, 23)
        assert over.value <= 0.08
        assert str(began) == "error_rate > 0.1 began: 0.1304 of 23 calls, 23 attempts"

    run(scenario())


def test_a_second_bad_time_is_a_second_episode():
    async def scenario():
        told, server = [], Server(500)
        alert = Alert(when="error_rate > 50%", over=10, notify=told.append, at_least=3)
        api = client(server, alert)
        for server.status in (500, 200, 500, 200):
            for _ in range(20):
                await api.get("/")
            await asyncio.sleep(11)
        await alert.flush()
        assert [alarm.active for alarm in told] == [True, False, True, False]

    run(scenario())


def test_an_episode_is_over_although_no_more_calls_come():
    async def scenario():
        told = []
        alert = Alert(when="error_rate > 50%", over=60, notify=told.append, at_least=3)
        api = client(Server(500), alert)
        for _ in range(5):
            await api.get("/")
        assert alert.active
        await asyncio.sleep(67)
        await alert.flush()
        assert not alert.active
        assert [alarm.active for alarm in told] == [True, False]
        assert 58 <= told[1].lasted <= 66
        assert told[1].calls == 0

    run(scenario())


def test_latency_is_that_of_whole_calls():
    async def scenario():
        told, server = [], Server(takes=0.1)
        alert = Alert(when="p95 > 2", over=1000, notify=told.append, at_least=20)
        api = client(server, alert)
        for server.takes, calls in ((0.1, 50), (3.0, 5)):
            for _ in range(calls):
                await api.get("/")
        await alert.flush()
        [alarm] = told
        assert alarm.value == pytest.approx(3.0, rel=0.05)

    run(scenario())


def test_429s_are_seen_attempt_by_attempt_before_the_calls_end():
    async def scenario():
        told = []
        alert = Alert(when="429_share > 20%", over=60, notify=told.append, at_least=3)

        def handler(request):
            return reply(429, headers={"Retry-After": "5"})

        api = client(handler, alert, retry=3)
        call = asyncio.ensure_future(api.get("/"))
        await asyncio.sleep(10.5)
        assert alert.active
        await call
        await alert.flush()
        assert (told[0].attempts, told[0].calls, told[0].value) == (3, 0, 1.0)

    run(scenario())


def test_a_rule_may_be_a_function_of_the_window():
    async def scenario():
        told = []

        def strained(window):
            return window.share(503) > 0.3 and window.error_rate > 0.3 and window.quantile(0.5) > 0.05

        alert = Alert(when=strained, over=60, notify=told.append, at_least=5)
        api = client(Server(503, takes=0.1), alert)
        for _ in range(10):
            await api.get("/")
        await alert.flush()
        assert [(alarm.when, alarm.active, alarm.value) for alarm in told] == [("strained", True, 1.0)]

    run(scenario())


def test_cancelled_calls_and_too_few_calls_alarm_nobody():
    async def scenario():
        told = []
        alert = Alert(when="error_rate > 1%", over=60, notify=told.append, at_least=5)
        api = client(Server(500, takes=1), alert)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(api.get("/"), 0.5)
        for _ in range(4):
            await api.get("/")
        await alert.flush()
        assert told == []
        assert alert._window.calls == 4

    run(scenario())


def test_several_clients_may_share_an_alert():
    async def scenario():
        told = []
        alert = Alert(when="error_rate > 1%", over=60, notify=told.append, at_least=4)
        for _ in range(4):
            await client(Server(500), alert).get("/")
        await alert.flush()
        assert len(told) == 1

    run(scenario())


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_notify_that_raises_breaks_no_call_and_is_told_of_the_next(kind, caplog):
    told = []

    def plain(alarm):
        told.append(alarm.active)
        raise RuntimeError("the pager is down")

    async def coroutine(alarm):
        plain(alarm)

    async def scenario():
        server = Server(500)
        notify = plain if kind == "plain" else coroutine
        alert = Alert(when="error_rate > 50%", over=10, notify=notify, at_least=1)
        api = client(server, alert)
        for server.status in (500, 200, 200):
            assert (await api.get("/")).status == server.status
        await alert.flush()

    with caplog.at_level(logging.ERROR, "asyncapi"):
        run(scenario())
    assert told == [True, False]
    assert "the pager is down" in caplog.text


async def test_a_slow_plain_notify_holds_up_neither_calls_nor_the_loop():
    told, go_on = [], threading.Event()

    def slow(alarm):
        go_on.wait(30)
        told.append(alarm.active)

    server = Server(500)
    alert = Alert(when="error_rate > 50%", over=10, notify=slow, at_least=1)
    settings = {"retry": None, "raise_for_status": False, "watch": [alert]}
    async with Client("https://h", transport=MockTransport(server), **settings) as api:
        for server.status in (500, 200, 200, 200, 500, 200):
            await api.get("/")
    assert told == []  # every call is through, and it still waits
    go_on.set()
    await alert.flush()
    assert told == [True, False]


def test_a_slow_async_notify_is_outside_the_calls_deadline():
    async def scenario():
        told, server = [], Server(500)

        async def slow(alarm):
            await asyncio.sleep(100)
            told.append((await api.get("/")).status)

        alert = Alert(when="error_rate > 50%", over=1000, notify=slow, at_least=1)
        api = client(server, alert)
        with deadline(1.0, clock=FakeClock()):
            await api.get("/")
        assert asyncio.get_running_loop().time() == 0
        await alert.flush()
        assert told == [500]

    run(scenario())


def test_a_notify_may_call_with_the_client_that_is_watched():
    async def scenario():
        told, server = [], Server(500)

        async def post(alarm):
            told.append((await api.post("/alarms", json={"active": alarm.active})).status)

        alert = Alert(when="error_rate > 50%", over=60, notify=post, at_least=1)
        api = client(server, alert)
        await api.get("/")
        await alert.flush()
        assert told == [500]

    run(scenario())


def test_a_rule_that_raises_is_logged_and_breaks_nothing(caplog):
    async def scenario():
        alert = Alert(when=lambda window: 1 / 0, over=60, notify=print, at_least=1)
        assert (await client(Server(), alert).get("/")).status == 200

    with caplog.at_level(logging.ERROR, "asyncapi"):
        run(scenario())
    assert "when failed" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"when": "errors"}, "error_rate > 0.1"),
        ({"when": 5}, "give a text"),
        ({"over": 0}, "seconds"),
        ({"over": float("inf")}, "seconds"),
        ({"over": "60"}, "seconds"),
        ({"notify": None}, "function"),
        ({"at_least": 0}, "1 or more"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, said):
    good = {"when": "error_rate > 0.1", "over": 60, "notify": print}
    with pytest.raises(ConfigError, match=said):
        Alert(**{**good, **settings})
