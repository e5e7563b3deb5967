"""Watchers: told of every call and attempt, in order, and unable to break one."""

from __future__ import annotations

import asyncio
import logging

import pytest

from asyncapi import Client, ConfigError, ConnectError, Fallback, Hedge, RequestTimeout, ServerError
from asyncapi.layers.watch import cancelled, ending, failed
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Spy:
    """Writes down what it is told."""

    def __init__(self, raises: str = "") -> None:
        self.told = []
        self.finished = []
        self.records = []
        self._raises = raises

    def _tell(self, *what):
        self.told.append(what)
        if what[0] == self._raises:
            raise RuntimeError("a bad watcher")

    def call_started(self, request):
        self._tell("call_started")
        return f"call {request.url.path}"

    def attempt_started(self, token, request, headers):
        self._tell("attempt_started", token)
        headers["X-Seen"] = str(len(self.told))
        return f"attempt {len(request.call.attempts) + 1} of {token}"

    def attempt_ended(self, token, record):
        self.records.append(record)
        self._tell("attempt_ended", token, ending(record))

    def call_ended(self, token, record):
        self.finished.append(record)
        self._tell("call_ended", token, ending(record))


def client(handler, *spies, **settings) -> Client:
    clock = FakeClock()
    return Client(
        "https://h:444", transport=MockTransport(handler, clock=clock), clock=clock, pace=False, watch=spies, **settings
    )


def refusing(request):
    raise ConnectError("refused")


def test_a_watcher_is_told_of_each_step_with_its_own_tokens():
    answers = iter([reply(503, headers={"Retry-After": "2"}), reply(302, headers={"Location": "/there"}), reply(200)])
    seen = []

    def handler(request):
        seen.append(request.headers["X-Seen"])
        return next(answers)

    async def scenario():
        spy = Spy()
        response = await client(handler, spy).get("/here?token=canary", route="/{where}")
        assert spy.told == [
            ("call_started",),
            ("attempt_started", "call /here"),
            ("attempt_ended", "attempt 1 of call /here", "503"),
            ("attempt_started", "call /here"),
            ("attempt_ended", "attempt 2 of call /here", "302"),
            ("attempt_started", "call /here"),
            ("attempt_ended", "attempt 3 of call /here", "200"),
            ("call_ended", "call /here", "200"),
        ]
        assert seen == ["2", "4", "6"]
        assert tuple(spy.records) == response.attempts
        [record] = spy.finished
        assert (record.method, record.host, record.route, record.status) == ("GET", "h:444", "/{where}", 200)
        assert record.elapsed == response.elapsed == pytest.approx(2, rel=0.2)
        assert record.at == FakeClock().epoch
        assert record.attempts == response.attempts
        assert record.url == "https://h:444/here?token=***"
        assert not failed(record)

    run(scenario())


def test_failures_refusals_fallbacks_and_cancellations_end_a_call_too():
    async def scenario():
        spy = Spy()
        with pytest.raises(ConnectError):
            await client(refusing, spy, retry=None).get("/")
        with pytest.raises(ServerError):
            await client(lambda r: reply(500), spy, retry=None).get("/")
        await client(lambda r: reply(500), spy, retry=None, fallback=Fallback(value={})).get("/")
        task = asyncio.ensure_future(client(lambda r: asyncio.sleep(9), spy).get("/"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [ending(record) for record in spy.finished] == ["ConnectError", "500", "200", "CancelledError"]
        assert [failed(record) for record in spy.finished] == [True, True, False, False]
        assert [cancelled(record) for record in spy.finished] == [False, False, False, True]
        assert [bool(record.degraded) for record in spy.finished] == [False, False, True, False]
        assert spy.finished[0].error == "ConnectError: refused"
        assert spy.finished[3].error == "CancelledError: the call was cancelled"

    run(scenario())


@pytest.mark.parametrize("method", ["call_started", "attempt_started", "attempt_ended", "call_ended"])
def test_a_watcher_that_raises_breaks_no_call_and_hides_nothing_from_the_others(method, caplog):
    async def scenario():
        bad, good = Spy(raises=method), Spy()
        response = await client(lambda r: reply(200), bad, good).get("/")
        assert response.status == 200
        assert [what[0] for what in good.told] == ["call_started", "attempt_started", "attempt_ended", "call_ended"]

    with caplog.at_level(logging.ERROR, "asyncapi"):
        run(scenario())
    assert "a watcher failed" in caplog.text
    assert "a bad watcher" in caplog.text


def test_each_copy_of_a_hedged_request_is_an_attempt_of_its_own():
    async def handler(request):
        first = request.call.why == "first"
        await asyncio.sleep(5 if first else 1)
        return reply(200)

    async def scenario():
        spy = Spy()
        await client(handler, spy, hedge=Hedge(after=2.0, budget=1.0)).get("/")
        ended = [what[1:] for what in spy.told if what[0] == "attempt_ended"]
        assert sorted(ended) == [("attempt 1 of call /", "CancelledError"), ("attempt 2 of call /", "200")]
        assert {what[1] for what in spy.told if what[0] == "attempt_started"} == {"call /"}

    run(scenario())


async def sleeps(request):
    await asyncio.sleep(9)


LATE = "RequestTimeout: the deadline passed during headers"


def test_an_attempt_that_the_deadline_cut_off_is_told_as_late_and_not_as_cancelled():
    async def scenario():
        spy, hooked = Spy(), []
        with pytest.raises(RequestTimeout) as caught:
            await client(sleeps, spy, retry=None, hooks=[lambda record: hooked.append(record.error)]).get(
                "/", timeout=1
            )
        assert [what[1:] for what in spy.told if "ended" in what[0]] == [
            ("attempt 1 of call /", "RequestTimeout"),
            ("call /", "RequestTimeout"),
        ]
        assert hooked == [LATE] == [attempt.error for attempt in caught.value.attempts]
        assert failed(spy.records[0])
        assert not cancelled(spy.records[0])

    run(scenario())


def test_every_copy_that_the_deadline_cut_off_is_told_as_late():
    async def scenario():
        spy = Spy()
        with pytest.raises(RequestTimeout):
            await client(sleeps, spy, retry=None, hedge=Hedge(after=0.5, budget=1.0)).get("/", timeout=1)
        assert [record.error for record in spy.records] == [LATE] * 2

    run(scenario())


def test_a_place_whose_share_of_the_time_was_over_is_told_as_late():
    async def handler(request):
        await asyncio.sleep(9 if request.url.host == "h" else 0)
        return reply(200)

    async def scenario():
        spy = Spy()
        api = Client(
            "https://h", transport=MockTransport(handler, clock=(clock := FakeClock())), clock=clock, watch=spy,
            fallback=Fallback(to="https://other"), retry=None,
        )  # fmt: skip
        await api.get("/", timeout=4)
        assert [record.error for record in spy.records] == [
            "RequestTimeout: its share of 2.4 s was over during headers",
            None,
        ]

    run(scenario())


def test_a_flight_that_ends_with_its_last_callers_time_is_told_as_late():
    async def scenario(leaver):
        spy = Spy()
        api = client(sleeps, spy, retry=None, single_flight=True)
        first = asyncio.ensure_future(api.get("/", timeout=1))
        second = asyncio.ensure_future(api.get("/", timeout=2))
        if leaver == "second":
            await asyncio.sleep(1.5)
            second.cancel()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(ended[0], RequestTimeout)
        told = LATE if leaver == "nobody" else "CancelledError: the call was cancelled"
        assert [record.error for record in spy.records] == [told]

    run(scenario("nobody"))
    run(scenario("second"))


@pytest.mark.parametrize("at", [0.5, 1.0])
def test_a_caller_who_leaves_is_told_as_that_also_at_the_moment_of_the_deadline(at):
    async def scenario():
        spy, clock = Spy(), FakeClock()
        api = Client("https://h", transport=MockTransport(sleeps, clock=clock), clock=clock, retry=None, watch=spy)
        task = asyncio.ensure_future(api.get("/", timeout=1))
        clock.call_at(at, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record.error for record in spy.records] == ["CancelledError: the call was cancelled"]
        assert cancelled(spy.finished[0])

    run(scenario())


def test_a_call_made_while_another_is_under_way_has_tokens_of_its_own():
    async def scenario():
        inner_spy, outer_spy = Spy(), Spy()
        inner = client(lambda r: reply(200), inner_spy)

        answers = iter([reply(503), reply(200)])

        async def handler(request):
            await inner.get("/inner")
            return next(answers)

        await client(handler, outer_spy).get("/outer")
        assert len(outer_spy.records) == 2
        assert {what[1] for what in inner_spy.told if what[0] == "attempt_started"} == {"call /inner"}
        assert {what[1] for what in outer_spy.told if what[0] == "attempt_started"} == {"call /outer"}

    run(scenario())


def test_nobody_watching_means_no_layer_at_all():
    names = [step.name for step in client(lambda r: reply(200))._steps]
    assert not [name for name in names if name.startswith("watch")]
    watched = [step.name for step in client(lambda r: reply(200), Spy())._steps]
    assert [name for name in watched if name not in names] == ["watch (calls)", "watch (attempts)"]


class Waits(Spy):
    async def call_ended(self, token, record):
        """Async, which a watcher can't be."""


@pytest.mark.parametrize("wrong", [[object()], [Spy], [Spy(), None], print, [Waits()]])
def test_what_is_no_watcher_is_refused(wrong):
    with pytest.raises(ConfigError, match="is not a watcher"):
        Client(watch=wrong)


def test_a_single_watcher_may_be_given_bare():
    Client(watch=Spy())
