"""Single-flight: one request for all who ask the same at the same time, and each of them is on his own."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from contextlib import suppress

import pytest

from asyncapi.errors import BudgetSpent, ConnectError, RequestTimeout
from asyncapi.layers import telemetry
from asyncapi.layers.deadline import within_deadline
from asyncapi.layers.redirect import redirect
from asyncapi.layers.retry import retry
from asyncapi.layers.singleflight import Flights, singleflight
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings import Budget, Retry
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Call, Request, stack
from stepping import each_cancellation


class Host:
    """A host behind deadline, single-flight and retry, in virtual time; each answer takes `takes` seconds."""

    def __init__(self, *answers, takes=1.0, closing=0.0) -> None:
        self.clock = FakeClock()
        self.answers = answers or (200,)
        self.takes, self.closing = takes, closing
        self.inside = self.sent = self.given_up = 0
        self.flights = Flights()
        self.meter = telemetry.Meter()
        self.watchdog = Watchdog(self.clock)
        self.transport = MockTransport(self.handle, clock=self.clock)
        self.send = stack(
            self.transport.send,
            telemetry.calls(self.meter, self.clock),
            within_deadline(self.watchdog, self.clock),
            singleflight(self.flights),
            retry(Keyed(Budget(0.0, 1.0).start), self.clock),
            redirect(5),
            telemetry.attempts(self.meter, self.clock),
        )

    async def handle(self, request):
        answer = self.answers[min(self.sent, len(self.answers) - 1)]
        self.sent += 1
        self.inside += 1
        try:
            await self.clock.sleep(self.takes)
        except asyncio.CancelledError:
            self.given_up += 1
            await self.clock.sleep(self.closing)
            raise
        finally:
            self.inside -= 1
        if isinstance(answer, type):
            raise answer("broken")
        headers = {"Location": "/elsewhere"} if answer == 302 else {"X-Sent": str(self.sent)}
        return reply(answer, content=b"body", headers=headers)

    def request(
        self, url="https://h/item", method="GET", *, within=None, policy=None, limit=None, line=(), **given
    ) -> Request:
        request = Request(method, url, **given)
        request.call = Call(self.clock.now(), "h", None, limit, policy)
        request.call.task = asyncio.current_task()
        for name, value in dict(line).items():
            setattr(request.call, name, value)
        request.deadline = None if within is None else self.clock.now() + within
        return request

    async def ask(self, *args, **given):
        return await self.send(self.request(*args, **given))

    def start(self, *args, **given):
        """The call as a task of its own."""

        async def call():
            return await self.ask(*args, **given)

        return asyncio.create_task(call())

    def assert_clean(self) -> None:
        assert (len(self.flights), self.inside, len(self.watchdog)) == (0, 0, 0)

    def close(self) -> None:
        self.watchdog.close()
        self.transport._watchdog.close()


def played(scenario_of, *answers, **settings):
    """Run a scenario with a host; nothing may be left at its end."""

    async def scenario():
        host = Host(*answers, **settings)
        result = await scenario_of(host)
        host.assert_clean()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        host.close()
        return result

    return run(scenario())


def test_a_thousand_waiters_make_one_request():
    async def scenario(host):
        responses = await asyncio.gather(*(host.ask() for _ in range(1000)))
        assert (host.sent, host.flights.shared, host.meter.attempts, host.clock.now()) == (1, 999, 1, 1.0)
        assert {(one.status, one.content, one.headers["X-Sent"]) for one in responses} == {(200, b"body", "1")}
        assert len({id(one) for one in responses}) == 1000

    played(scenario)


def test_waiters_are_answered_in_the_order_in_which_they_came():
    async def scenario(host):
        order = []

        async def call(number):
            await host.ask()
            order.append(number)

        await asyncio.gather(*(call(number) for number in range(100)))
        assert order == list(range(100))

    played(scenario)


def test_nothing_is_kept_after_it_has_ended():
    async def scenario(host):
        await host.ask()
        await host.ask()
        assert (host.sent, host.flights.shared) == (2, 0)

    played(scenario)


@pytest.mark.parametrize(
    ("first", "second", "requests"),
    [
        ({}, {}, 1),
        ({"method": "HEAD"}, {"method": "HEAD"}, 1),
        ({"headers": {"A": "1", "B": "2"}}, {"headers": {"b": "2", "a": "1"}}, 1),
        ({"headers": {"X-Request-Id": "1"}}, {"headers": {"traceparent": "2"}}, 1),
        ({"limit": 9.0}, {"limit": 9.0}, 1),
        ({}, {"method": "HEAD"}, 2),
        ({}, {"url": "https://h/item?page=2"}, 2),
        ({}, {"url": "https://other/item"}, 2),
        ({"headers": {"Authorization": "a"}}, {"headers": {"Authorization": "b"}}, 2),
        ({"headers": {"Authorization": "a"}}, {}, 2),
        ({"headers": {"Accept": "text/csv"}}, {"headers": {"Accept": "application/json"}}, 2),
        ({"headers": {"Range": "bytes=0-1"}}, {}, 2),
        ({"headers": [("A", "1"), ("A", "2")]}, {"headers": [("A", "1")]}, 2),
        ({"limit": 9.0}, {"limit": 8.0}, 2),
        ({"policy": Retry(2)}, {}, 2),
        ({"line": {"priority": 1}}, {}, 2),
        ({"line": {"tenant": "a"}}, {"line": {"tenant": "b"}}, 2),
        ({"line": {"max_wait": 0.0}}, {}, 2),
        ({"line": {"priority": 1}}, {"line": {"priority": 1}}, 1),
        ({"method": "POST"}, {"method": "POST"}, 2),
        ({"method": "DELETE"}, {"method": "DELETE"}, 2),
        ({"content": b"x"}, {"content": b"x"}, 2),
    ],
)
def test_only_identical_requests_without_a_body_share(first, second, requests):
    async def scenario(host):
        await asyncio.gather(host.ask(**first), host.ask(**second))
        assert host.sent == requests

    played(scenario)


def test_cancelling_one_waiter_does_not_cancel_the_others():
    async def scenario(host):
        first, second, third = host.start(), host.start(), host.start()
        await host.clock.sleep(0.5)
        first.cancel()
        third.cancel()
        await asyncio.wait([first, third])
        assert (first.cancelled(), third.cancelled(), host.clock.now()) == (True, True, 0.5)
        assert ((await second).status, host.sent, host.given_up, host.clock.now()) == (200, 1, 0, 1.0)

    played(scenario)


def test_when_all_waiters_have_gone_the_request_is_cancelled_and_waited_for():
    async def scenario(host):
        calls = [host.start() for _ in range(3)]
        await host.clock.sleep(0.5)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert (host.inside, host.given_up, host.clock.now()) == (0, 1, pytest.approx(0.6))

    played(scenario, closing=0.1)


def test_who_comes_while_a_given_up_one_is_closing_gets_a_new_one():
    async def scenario(host):
        gone = host.start()
        await host.clock.sleep(0.5)
        gone.cancel()
        await host.clock.sleep(0.05)
        assert host.inside == 1
        second = host.start()
        await host.clock.sleep(0.5)
        assert (gone.cancelled(), host.inside) == (True, 1)
        third = host.start()  # the old one, now closed, has not taken the new one's place away
        assert [(await second).status, (await third).status, host.sent] == [200, 200, 2]

    played(scenario, closing=0.1)


def test_each_waiter_keeps_its_own_deadline():
    async def scenario(host):
        short, long = host.start(within=0.3), host.start(within=3.0)
        with pytest.raises(RequestTimeout, match="during headers") as caught:
            await short
        assert host.clock.now() == pytest.approx(0.3)
        (record,) = caught.value.attempts
        assert record.then == "left: it went on for others"
        assert ((await long).status, host.sent) == (200, 1)
        assert caught.value.attempts[0].elapsed == 0.0  # a copy: what came later is not written into it

    played(scenario)


def test_the_last_waiters_deadline_ends_it_and_its_record_says_so():
    async def scenario(host):
        short, long = host.start(within=0.3), host.start(within=0.6)
        with suppress(RequestTimeout):
            await short
        with pytest.raises(RequestTimeout) as caught:
            await long
        assert (host.clock.now(), host.given_up) == (pytest.approx(0.6), 1)
        assert caught.value.attempts[0].error.startswith("RequestTimeout: the deadline came")

    played(scenario)


@pytest.mark.parametrize("later", [None, 100.0])
def test_a_retry_too_late_for_the_first_waiter_is_made_for_one_with_more_time(later):
    async def scenario(host):
        policy = Retry(2, wait=lambda _: 5.0)
        first, second = host.start(within=3.0, policy=policy), host.start(within=later, policy=policy)
        with pytest.raises(RequestTimeout, match="during backoff"):
            await first
        response = await second
        assert (response.status, host.sent, host.clock.now()) == (200, 2, 7.0)
        assert [record.status for record in response.attempts] == [503, 200]

    played(scenario, 503, 200)


def test_a_retry_that_is_too_late_for_all_is_not_made():
    async def scenario(host):
        policy = Retry(2, wait=lambda _: 5.0)
        responses = await asyncio.gather(host.ask(within=4.0, policy=policy), host.ask(within=3.0, policy=policy))
        assert ([one.status for one in responses], host.sent, host.clock.now()) == ([503, 503], 1, 1.0)
        assert [one.request.call.ended_by for one in responses] == ["backoff", "backoff"]

    played(scenario, 503)


def test_an_answer_belongs_to_its_waiter():
    async def scenario(host):
        requests = [host.request() for _ in range(3)]
        responses = await asyncio.gather(*(host.send(request) for request in requests))
        for request, response in zip(requests, responses, strict=True):
            assert response.request.call is request.call
        responses[0].status = 418
        responses[0].attempts[0].then = "changed"
        assert (responses[1].status, responses[1].attempts[0].then) == (200, "")
        assert responses[1].headers is responses[2].headers  # which can't be changed

    played(scenario)


def test_the_records_say_who_sent_it_and_who_shared_it():
    async def scenario(host):
        first, second = await asyncio.gather(host.ask(), host.ask())
        assert [record.why for record in first.attempts] == ["first"]
        assert [record.why for record in second.attempts] == ["single-flight: shared with a call under way, first"]
        assert [record.elapsed for record in second.attempts] == [1.0]

    played(scenario)


def test_redirects_are_followed_once_and_each_waiter_sees_where_it_came_from():
    async def scenario(host):
        responses = await asyncio.gather(host.ask(), host.ask())
        assert host.sent == 2
        assert {str(one.request.url) for one in responses} == {"https://h/elsewhere"}

    played(scenario, 302, 200)


def test_each_waiter_gets_an_error_of_its_own():
    async def scenario(host):
        results = await asyncio.gather(*(host.ask() for _ in range(100)), return_exceptions=True)
        assert host.sent == 1
        assert {type(one) for one in results} == {ConnectError}
        assert len({id(one) for one in results}) == 100
        assert {one.message for one in results} == {"broken"}
        lengths = {len(traceback.extract_tb(one.__traceback__)) for one in results}
        assert len(lengths) == 1  # none carries the frames of the others
        assert all("handle" in {frame.name for frame in traceback.extract_tb(one.__traceback__)} for one in results)
        assert len({id(one.attempts[0]) for one in results}) == 100
        assert all(one.request.url == results[0].request.url for one in results)

    played(scenario, ConnectError)


def test_the_cause_of_an_error_reaches_every_waiter():
    async def scenario(host):
        policy = Retry(5, wait=lambda _: 0.1)
        results = await asyncio.gather(*(host.ask(policy=policy) for _ in range(3)), return_exceptions=True)
        assert host.sent == 2  # the budget is 1
        assert [type(one.__cause__) for one in results] == [BudgetSpent] * 3
        assert results[0] is not results[1]

    played(scenario, ConnectError)


class Odd(Exception):
    """Can't be copied: it is made with more than it keeps."""

    def __init__(self, text, more=None) -> None:
        super().__init__()
        if more is None and text != "broken":
            raise TypeError("give more")

    def __reduce__(self):
        return Odd, ("other",)


@pytest.mark.parametrize("bug", [ZeroDivisionError, OSError, Odd])
def test_bugs_reach_every_waiter_too(bug):
    async def scenario(host):
        results = await asyncio.gather(*(host.ask() for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in results] == [bug] * 3
        assert (len({id(one) for one in results}) == 1) == (bug is Odd)

    played(scenario, bug)


def test_a_lone_waiter_gets_the_original_error():
    async def scenario(host):
        with pytest.raises(ConnectError, match="broken") as caught:
            await host.ask()
        assert "handle" in {frame.name for frame in traceback.extract_tb(caught.value.__traceback__)}

    played(scenario, ConnectError)


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_waiters_do_not_hang_when_somebody_else_cancels_the_flight(after):
    async def scenario(host):
        waiters = [host.start() for _ in range(3)]
        await asyncio.sleep(0)
        if after:
            await host.clock.sleep(after)
        (flight,) = host.flights.by_key.values()
        flight._task.cancel()
        await asyncio.wait(waiters)
        assert all(waiter.cancelled() for waiter in waiters)

    played(scenario)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("answer", [200, ConnectError])
def test_no_cancellation_of_one_at_any_point_touches_the_other(which, answer):
    async def scenario(loop):
        host = Host(answer, takes=0.2, closing=0.05)
        waiters = [host.start(within=5.0, limit=3.0) for _ in range(2)]
        loop.victim = waiters[which]
        await asyncio.wait(waiters)
        other = waiters[1 - which]
        assert not other.cancelled()
        assert (other.result().status == 200) if answer == 200 else isinstance(other.exception(), ConnectError)
        assert host.sent == 1 or not loop.turns > 1  # cancelled before it had begun: the other asks
        host.assert_clean()
        host.close()

    assert each_cancellation(scenario) >= 14


def test_no_cancellation_of_the_only_waiter_at_any_point_leaves_anything_behind():
    async def scenario(loop):
        host = Host(302, 503, 200, takes=0.2, closing=0.05)
        loop.victim = host.start(within=5.0, limit=3.0, policy=Retry(2, wait=lambda _: 0.1))
        await asyncio.wait([loop.victim])
        host.assert_clean()
        host.answers = (200,)
        assert (await host.ask()).status == 200
        host.close()

    assert each_cancellation(scenario) >= 21


def test_a_finished_call_is_freed_without_the_garbage_collector():
    class Traced(Request):
        __slots__ = ("__weakref__",)

    async def scenario(host):
        traces = []

        async def call():
            request = Traced("GET", "https://h/item")
            request.call = Call(0.0, "h", None, None, None)
            traces.append(weakref.ref(request))
            with suppress(ConnectError):
                await host.send(request)

        for waiters in (1, 3, 1, 3):
            await asyncio.gather(*(call() for _ in range(waiters)))
            await asyncio.sleep(0)
        assert [trace() for trace in traces] == [None] * 8

    gc.collect()
    gc.disable()
    try:
        played(scenario, 200, 200, ConnectError, ConnectError)
    finally:
        gc.enable()
