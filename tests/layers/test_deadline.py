"""`deadline(...)` scopes, and the layer that ends every call by its deadline."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Client, ConfigError, ConnectError, DeadlineExceeded, RequestTimeout, Timeout, deadline
from asyncapi.layers.deadline import current
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """A client in virtual time whose host takes `takes` seconds."""

    def __init__(self, takes: float = 1000.0, **settings) -> None:
        self.clock = FakeClock()
        self.takes = takes
        self.sent = 0
        settings.setdefault("timeout", None)
        self.client = Client(
            "https://h", transport=MockTransport(self.answer, clock=self.clock), clock=self.clock, **settings
        )

    async def answer(self, _):
        self.sent += 1
        await asyncio.sleep(self.takes)
        return reply()

    def scope(self, seconds: float) -> deadline:
        return deadline(seconds, clock=self.clock)

    async def late(self, **settings) -> RequestTimeout:
        with pytest.raises(RequestTimeout) as caught:
            await self.client.get("/", **settings)
        return caught.value


def test_a_call_inside_a_scope_ends_with_it():
    async def scenario():
        host = Host()
        with host.scope(3.0) as scope:
            assert (await host.late()).phase == "headers"
            assert host.clock.now() == 3.0
            assert scope.left == 0.0
        assert asyncio.current_task().cancelling() == 0

    run(scenario())


def test_calls_after_one_another_share_the_scope():
    async def scenario():
        host = Host(takes=2.0)
        async with host.scope(5.0) as scope:
            await host.client.get("/")
            await host.client.get("/")
            assert scope.left == 1.0
            await host.late()
        assert host.clock.now() == 5.0

    run(scenario())


@pytest.mark.parametrize(
    ("outer", "inner", "timeout", "expected"),
    [
        (3.0, 9.0, None, 3.0),
        (9.0, 3.0, None, 3.0),
        (9.0, 9.0, 4.0, 4.0),
        (2.0, 9.0, 4.0, 2.0),
        (9.0, 2.0, Timeout(4.0), 2.0),
        (9.0, float("inf"), None, 9.0),
    ],
)
def test_scopes_and_timeouts_only_shorten(outer, inner, timeout, expected):
    async def scenario():
        host = Host()
        with host.scope(outer), host.scope(inner):
            await host.late(timeout=timeout)
        assert host.clock.now() == expected

    run(scenario())


def test_leaving_an_inner_scope_restores_the_outer_one():
    """Leaving the outer scope leaves no deadline."""

    async def scenario():
        host = Host()
        with host.scope(9.0) as outer:
            with host.scope(2.0):
                pass
            assert current.get() == outer.at
            await host.late()
            assert host.clock.now() == 9.0
        assert current.get() is None
        host.takes = 100.0
        await host.client.get("/")

    run(scenario())


def test_tasks_started_inside_inherit_it_and_tasks_started_before_do_not():
    async def scenario():
        host, entered = Host(takes=50.0), asyncio.Event()

        async def outsider():
            await entered.wait()
            return await host.client.get("/")

        before = asyncio.create_task(outsider())
        with host.scope(3.0):
            entered.set()
            inside = asyncio.create_task(host.client.get("/"))
        with pytest.raises(RequestTimeout):
            await inside
        assert host.clock.now() == 3.0
        await before
        assert host.clock.now() == 50.0

    run(scenario())


def test_a_fan_out_inside_inherits_it():
    async def scenario():
        host = Host(takes=2.0, concurrency=1)
        with host.scope(5.0):
            async with host.client.map([f"/{n}" for n in range(6)]) as outcomes:
                done = [outcome async for outcome in outcomes]
        assert [outcome.ok for outcome in done] == [True, True, False, False, False, False]
        assert host.clock.now() == 5.0
        assert host.sent == 3

    run(scenario())


def test_a_passed_deadline_is_told_as_such_and_nothing_is_sent():
    async def scenario():
        host = Host(takes=0.0)
        with host.scope(1.0):
            await asyncio.sleep(1.0)
            with pytest.raises(DeadlineExceeded, match="the deadline had passed before it could be sent") as caught:
                await host.client.get("/users/1")
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.attempts == ()
        assert host.sent == 0
        assert host.client.stats.attempts == 0

    run(scenario())


def test_other_code_inside_a_scope_is_left_alone():
    async def scenario():
        with deadline(1.0, clock=FakeClock()):
            await asyncio.sleep(100)

    run(scenario())


def test_a_deadline_in_the_queue_of_another_call_names_the_queue():
    async def scenario():
        host = Host(takes=20.0, concurrency=1)
        first = asyncio.create_task(host.client.get("/"))
        await asyncio.sleep(0)
        error = await host.late(timeout=5.0)
        assert error.phase == "queue"
        assert str(error) == "GET https://h/: not done in 5 s: the deadline came during queue"
        await first

    run(scenario())


def test_the_record_of_an_attempt_that_the_deadline_ended_says_so():
    async def scenario():
        error = await Host().late(timeout=5.0)
        (attempt,) = error.attempts
        assert attempt.error == "RequestTimeout: the deadline came during headers"
        assert attempt.elapsed == 5.0

    run(scenario())


def test_a_deadline_in_the_queue_leaves_the_records_of_earlier_failures_alone():
    async def scenario():
        clock, seen = FakeClock(), []

        async def answer(request):
            seen.append(request.url.path)
            if request.url.path == "/hog":
                await asyncio.sleep(1000)
            raise ConnectError("refused", request=request)

        client = Client("https://h", transport=MockTransport(answer, clock=clock), clock=clock, concurrency=1)
        call = asyncio.create_task(client.get("/", timeout=10.0))
        await asyncio.sleep(0)
        hog = asyncio.create_task(client.get("/hog", timeout=None))
        with pytest.raises(RequestTimeout) as caught:
            await call
        assert (caught.value.phase, clock.now()) == ("queue", 10.0)
        assert [attempt.error for attempt in caught.value.attempts] == ["ConnectError: refused"]
        hog.cancel()
        await asyncio.wait([hog])

    run(scenario())


def test_calls_without_a_deadline_arm_no_timer():
    async def scenario():
        host = Host(takes=0.0)
        await host.client.get("/")
        assert not asyncio.get_running_loop()._scheduled

    run(scenario())


def test_any_number_of_calls_with_deadlines_arm_one_timer():
    async def scenario():
        clock = FakeClock()
        client = Client("https://h", transport=MockTransport(lambda _: reply(), clock=clock), clock=clock)
        for _ in range(1000):
            await client.get("/")
        assert len(asyncio.get_running_loop()._scheduled) == 1
        await client.aclose()
        assert all(handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)

    run(scenario())


def test_closing_the_client_does_not_take_the_deadline_from_a_call_under_way():
    async def scenario():
        host = Host(timeout=5.0)
        call = asyncio.create_task(host.client.get("/"))
        await asyncio.sleep(1)
        await host.client.aclose()
        with pytest.raises(RequestTimeout):
            await call
        assert host.clock.now() == 5.0

    run(scenario())


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), None, "2", []])
def test_what_is_no_length_of_time_is_refused(seconds):
    with pytest.raises(ConfigError, match=r"deadline\(.*\): give a positive number of seconds"):
        deadline(seconds)


def test_a_scope_can_be_used_again_but_not_twice_at_once():
    async def scenario():
        host = Host()
        scope = host.scope(3.0)
        with scope, pytest.raises(ConfigError, match="already open"):
            scope.__enter__()
        await asyncio.sleep(10)
        assert scope.left == -7.0
        with scope:
            assert scope.left == 3.0

    run(scenario())


def test_before_it_begins_all_of_its_time_is_left():
    assert deadline(3.0).left == 3.0


@pytest.mark.parametrize("how", ["task", "shield", "wait_for"])
@pytest.mark.parametrize("attempt", [None, 50])
def test_a_layer_of_ones_own_may_go_on_in_another_task(attempt, how):
    """The time-out is one, no stray cancellation of the task that waits for it."""

    def elsewhere(inner):
        async def send(request):
            if how == "wait_for":
                return await asyncio.wait_for(inner(request), 100)
            task = asyncio.create_task(inner(request))
            return await (asyncio.shield(task) if how == "shield" else task)

        return send

    async def scenario():
        clock = FakeClock()

        async def hangs(request):
            await clock.sleep(1000)

        transport = MockTransport(hangs, clock=clock)
        limits = Timeout(3, attempt=attempt)
        async with Client("https://h", transport=transport, clock=clock, layers=[elsewhere], timeout=limits) as api:
            with pytest.raises(RequestTimeout):
                await api.get("/x")
            assert asyncio.current_task().cancelling() == 0
        return clock.now()

    assert run(scenario()) == pytest.approx(3)
