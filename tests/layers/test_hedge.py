"""Hedging: the second copy cuts the tail at a small price, and nothing of a loser stays behind."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from contextlib import suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass

import pytest

from asyncapi.clock import SYSTEM
from asyncapi.errors import (
    CircuitOpen,
    ConfigError,
    ConnectError,
    ProtocolError,
    QueueFull,
    RequestTimeout,
)
from asyncapi.layers import telemetry
from asyncapi.layers.concurrency import Gate, concurrency
from asyncapi.layers.deadline import within_deadline
from asyncapi.layers.hedge import Hedges, hedge
from asyncapi.messages.call import CallSettings
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings.hedge import Hedge
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.transports.factory import http_transport
from asyncapi.types import Body, Call, Request, stack
from stepping import Places, each_cancellation


@dataclass
class Does:
    """What the host does with one attempt: `answer` after `seconds`, and cleans up for `closing` when cancelled."""

    seconds: float
    answer: object = 200
    closing: float = 0.0


class Host:
    """A host behind deadline, hedge and semaphore, in virtual time; `plan` says what it does with the nth attempt."""

    def __init__(self, *plan, places=50, hedging=None, below=None, saved=10.0) -> None:
        self.clock = FakeClock()
        self.settings = hedging or Hedge(0.1, budget=1.0)
        self.plan = plan
        self.inside = self.attempts = 0
        self.given_up = 0
        self.gate = Places(places, self.clock)
        self.watchdog = Watchdog(self.clock)
        self.hedges = Hedges(Keyed(self.settings.start), self.clock)
        self.transport = MockTransport(self.handle, clock=self.clock)
        self.route._saved = saved
        self.send = stack(
            self.transport.send,
            within_deadline(self.watchdog, self.clock),
            hedge(self.hedges, self.settings),
            *([below] if below else []),
            self.gate.layer,
            telemetry.attempts(telemetry.Meter(), self.clock),
        )

    @property
    def route(self):
        return self.hedges.routes["GET h "]

    async def handle(self, request):
        does = self.plan[min(self.attempts, len(self.plan) - 1)]
        does = does(self.attempts) if callable(does) else does
        self.attempts += 1
        self.inside += 1
        try:
            await self.clock.sleep(does.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            if does.closing:
                await self.clock.sleep(does.closing)
            raise
        finally:
            self.inside -= 1
        if isinstance(does.answer, BaseException):
            raise copy(does.answer)
        return reply(does.answer, headers={"X-Copy": str(self.attempts)})

    def request(self, method="GET", *, within=None, limit=None, **given) -> Request:
        request = Request(method, "https://h/item", **given)
        request.call = Call(self.clock.now(), "h", CallSettings(attempt=limit))
        request.deadline = None if within is None else self.clock.now() + within
        return request

    async def ask(self, **given):
        return await self.send(self.request(**given))

    def assert_clean(self) -> None:
        assert (self.inside, self.gate.free, len(self.hedges), len(self.watchdog)) == (0, self.gate.limit, 0, 0)
        assert asyncio.current_task().cancelling() == 0

    def close(self) -> None:
        self.hedges.close()
        self.watchdog.close()
        self.transport._watchdog.close()


def played(scenario_of, *plan, **settings):
    """Run a scenario with a host; nothing may be left at its end."""

    async def scenario():
        host = Host(*plan, **settings)
        result = await scenario_of(host)
        host.assert_clean()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        host.close()
        return result

    return run(scenario())


def test_a_late_answer_is_overtaken_by_the_second_copy():
    async def scenario(host):
        request = host.request()
        response = await host.send(request)
        assert (response.status, host.clock.now(), host.attempts) == (200, pytest.approx(0.15), 2)
        first, second = request.call.attempts
        assert (first.number, first.why, first.then) == (1, "first", "attempt 2 was answered first")
        assert (second.number, second.why, second.status) == (2, "hedge: no response within 0.1 s (fixed)", 200)
        assert first.error.startswith("CancelledError")
        assert (first.elapsed, second.started) == (pytest.approx(0.15), pytest.approx(0.1))
        assert response.request.call is request.call
        assert host.hedges.won == 1

    played(scenario, Does(1.0), Does(0.05))


def test_the_first_copy_may_still_win():
    """The second copy is closed before the call returns."""

    async def scenario(host):
        request = host.request()
        response = await host.send(request)
        assert (response.status, host.given_up, host.attempts) == (200, 1, 2)
        assert host.clock.now() == pytest.approx(0.2 + 0.03)  # its connection took 0.03 s to close
        assert [record.then for record in request.call.attempts] == ["", "attempt 1 was answered first"]
        assert host.hedges.won == 0

    played(scenario, Does(0.2), Does(5.0, closing=0.03))


def test_an_answer_in_time_costs_no_task_and_no_timer_of_its_own():
    async def scenario(host):
        tasks, timers = [], []
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **given: tasks.append(coro) or asyncio.Task(coro, loop=loop, **given))
        call_at = host.clock.call_at
        host.clock.call_at = lambda when, call: timers.append(when) or call_at(when, call)
        for _ in range(200):
            await host.ask()
        assert (host.attempts, tasks) == (200, [])
        assert len(timers) <= 25  # one at a time, however many calls: 2 s in steps of 0.1 s, less the last call's start
        loop.set_task_factory(None)

    played(scenario, Does(0.01))


def test_p99_falls_by_half_where_two_percent_of_responses_are_slow():
    """It costs at most 5 % more requests."""

    def latency(draw):
        return draw.uniform(1.0, 2.0) if draw.random() < 0.02 else draw.lognormvariate(-3.5, 0.4)

    async def load(host, calls):
        draw, taken = random.Random(7), []

        async def one():
            began = host.clock.now()
            await host.ask()
            taken.append(host.clock.now() - began)

        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.create_task(one()))
            await host.clock.sleep(draw.expovariate(200))
        await asyncio.gather(*tasks)
        taken.sort()
        return taken[int(0.99 * calls)], taken[int(0.5 * calls)], host.attempts / calls

    def measured(hedging):
        draw = random.Random(1)
        return played(
            lambda host: load(host, 10_000), lambda _: Does(latency(draw)), hedging=hedging, saved=0.0, places=10_000
        )

    p99_without, p50_without, _ = measured(Hedge(1000.0))
    p99, p50, sent = measured(Hedge())
    assert p99_without > 1.0
    assert p99 <= 0.5 * p99_without
    assert p99 < 0.25
    assert 1.02 < sent <= 1.05
    assert p50 == pytest.approx(p50_without, rel=0.1)


def test_copies_are_not_spent_on_a_server_that_always_takes_the_same_time():
    async def scenario(host):
        for _ in range(1000):
            await host.ask()
        assert host.route.copies == host.hedges.won == host.attempts - 1000 > 15  # every copy was needed

    played(scenario, lambda number: Does(1.0 if number % 51 == 50 else 0.03), hedging=Hedge(), saved=0.0)


def test_when_everything_turns_slow_at_once_no_more_than_the_budget_is_added():
    async def scenario(host):
        for _ in range(300):
            await host.ask()
        host.plan = (Does(2.0),)
        before = host.attempts
        await asyncio.gather(*(host.ask() for _ in range(1000)))
        assert host.attempts - before <= 1000 + 0.05 * 1300
        assert host.route.refused > 900

    played(scenario, Does(0.01), hedging=Hedge(), places=5000)


def test_the_learned_delay_follows_the_server():
    async def scenario(host):
        for _ in range(300):
            await host.ask()
        assert host.route.delay == pytest.approx(1.05 * 0.05)
        host.plan = (Does(0.4),)
        for _ in range(300):
            await host.ask()
        assert host.route.delay == pytest.approx(1.05 * 0.4)
        host.plan = (Does(0.02),)
        for _ in range(300):
            await host.ask()
        assert host.route.delay == pytest.approx(1.05 * 0.02)

    played(scenario, Does(0.05), hedging=Hedge())


def test_a_call_that_is_not_hedged_for_the_budgets_sake_says_so():
    async def scenario(host):
        request = host.request()
        await host.send(request)
        assert [record.then for record in request.call.attempts] == ["not hedged: the hedge budget is spent"]

    played(scenario, Does(1.0), hedging=Hedge(0.1), saved=0.0)


@pytest.mark.parametrize(
    ("given", "copies"),
    [
        ({"method": "GET"}, 2),
        ({"method": "HEAD"}, 2),
        ({"method": "PUT", "content": b"x"}, 2),
        ({"method": "DELETE"}, 2),
        ({"method": "POST"}, 1),
        ({"method": "PATCH"}, 1),
        ({"method": "POST", "idempotency_key": "k"}, 2),
        ({"method": "PUT", "content": Body(lambda: None, length=1, rewindable=False)}, 1),
        ({"method": "PUT", "content": Body(lambda: None, length=1, rewindable=True)}, 1),  # one file, two readers
    ],
)
def test_only_what_is_safe_to_send_twice_at_the_same_time_is_hedged(given, copies):
    async def scenario(host):
        await host.ask(**given)
        assert host.attempts == copies

    played(scenario, Does(1.0), Does(0.1))


def test_at_most_so_many_copies_each_a_delay_after_the_last():
    async def scenario(host):
        request = host.request()
        await host.send(request)
        assert [record.started for record in request.call.attempts] == pytest.approx([0.0, 0.1, 0.2, 0.3])
        assert [record.number for record in request.call.attempts] == [1, 2, 3, 4]
        assert host.attempts == 4

    played(scenario, Does(9.0), hedging=Hedge(0.1, copies=4, budget=1.0))


@pytest.mark.parametrize("failure", [503, 429, 500, ConnectError("refused"), ProtocolError("closed"), CircuitOpen("o")])
def test_a_copy_that_fails_does_not_end_the_call_while_another_runs(failure):
    async def first_fails(host):
        response = await host.ask()
        assert (response.status, response.headers["X-Copy"], host.clock.now()) == (200, "2", pytest.approx(0.6))

    async def second_fails(host):
        response = await host.ask()
        assert (response.status, host.clock.now()) == (200, pytest.approx(0.6))

    played(first_fails, Does(0.2, failure), Does(0.5))
    played(second_fails, Does(0.6), Does(0.1, failure))


def test_a_fast_failure_before_the_delay_goes_to_the_retry_layer_as_it_is():
    async def scenario(host):
        assert (await host.ask()).status == 503
        with pytest.raises(ConnectError):
            await host.ask()
        assert host.attempts == 2

    played(scenario, Does(0.05, 503), Does(0.05, ConnectError("refused")))


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (503, 502, 503),
        (503, ConnectError("b"), 503),
        (ConnectError("a"), 502, 502),
        (ConnectError("a"), ProtocolError("b"), ConnectError),
        (QueueFull("a"), ProtocolError("b"), QueueFull),
    ],
)
def test_when_all_copies_fail_a_response_goes_before_an_error(first, second, what):
    """Of two of a kind, the first copy's is returned."""

    async def scenario(host):
        request = host.request()
        try:
            got = (await host.send(request)).status
        except Exception as error:
            got = type(error)
        assert (got, host.clock.now()) == (what, pytest.approx(0.5))
        assert all(not record.then for record in request.call.attempts)

    played(scenario, Does(0.2, first), Does(0.4, second))


def test_a_bug_below_is_raised_at_once():
    async def scenario(host):
        with pytest.raises(ZeroDivisionError):
            await host.ask()
        assert host.clock.now() == pytest.approx(0.2)

    played(scenario, Does(0.2, ZeroDivisionError()), Does(5.0))


@pytest.mark.parametrize("status", [200, 304, 400, 404, 409])
def test_an_answer_that_no_retry_would_mend_wins(status):
    async def scenario(host):
        assert (await host.ask()).status == status
        assert host.clock.now() == pytest.approx(0.15)

    played(scenario, Does(1.0), Does(0.05, status))


def test_who_stands_in_our_own_line_is_not_hedged():
    async def scenario(host):
        calls = [asyncio.create_task(host.ask()) for _ in range(20)]
        await asyncio.gather(*calls)
        assert host.attempts == 20
        assert host.clock.now() == pytest.approx(20 * 0.09)

    played(scenario, Does(0.09), places=1)


def test_a_further_copy_never_stands_in_line_and_its_budget_comes_back():
    clock, gate = FakeClock(), Gate(1)

    async def scenario(host):
        request = host.request()
        saved = host.route._saved
        assert (await host.send(request)).status == 200
        assert (host.attempts, host.clock.now(), gate.free) == (1, pytest.approx(0.5), 1)
        assert host.route.copies == 0
        assert host.route._saved == min(10.0, saved + 1.0)
        (record,) = request.call.attempts
        assert record.then == "not hedged: QueueFull"

    played(scenario, Does(0.5), below=concurrency(gate, clock), saved=5.0)


def test_a_further_copy_goes_where_a_place_is_free():
    gate = Gate(2)

    async def scenario(host):
        assert (await host.ask()).status == 200
        assert (host.attempts, host.route.copies, gate.free) == (2, 1, 2)

    played(scenario, Does(0.5), Does(0.05), below=concurrency(gate, FakeClock()), saved=5.0)


def test_the_delay_counts_from_when_it_was_sent():
    async def scenario(host):
        await host.gate.enter()
        await host.gate.enter()
        call = asyncio.create_task(host.ask())
        await host.clock.sleep(1.55)
        host.gate.leave()
        host.gate.leave()
        assert (await call).status == 200
        assert host.clock.now() == pytest.approx(1.55 + 0.1 + 0.01)

    played(scenario, Does(5.0), Does(0.01), places=2)


def test_a_copy_refused_below_is_not_repeated():
    def refuse_second(inner):
        seen = []

        async def send(request):
            seen.append(request)
            if len(seen) > 1:
                raise CircuitOpen("open")
            return await inner(request)

        send.seen = seen
        return send

    layers = []

    def below(inner):
        layers.append(refuse_second(inner))
        return layers[0]

    async def scenario(host):
        assert (await host.ask()).status == 200
        assert (host.clock.now(), len(layers[0].seen)) == (1.0, 2)

    played(scenario, Does(1.0), below=below, hedging=Hedge(0.1, copies=5, budget=1.0))


def test_a_refusal_below_teaches_nothing():
    def below(inner):
        async def send(request):
            await asyncio.sleep(5.0)
            raise CircuitOpen("open")

        return send

    async def scenario(host):
        with pytest.raises(CircuitOpen):
            await host.ask()
        assert (len(host.route._latencies), host.route.copies) == (0, 0)

    played(scenario, Does(1.0), below=below, hedging=Hedge(0.1, budget=1.0))


def test_calls_that_are_late_at_the_same_moment_are_hedged_in_their_order():
    async def scenario(host):
        calls = [host.request() for _ in range(200)]
        await asyncio.gather(*(host.send(request) for request in calls))
        assert [len(request.call.attempts) for request in calls] == [2] * 10 + [1] * 190

    played(scenario, Does(0.5), places=500, hedging=Hedge(0.1, budget=1e-9))


def test_copies_write_into_their_own_calls():
    async def scenario(host):
        request = host.request()
        seen = []

        async def handle(asked):
            seen.append(asked)
            asked.call.phase = "body" if len(seen) == 1 else "connect"
            await host.clock.sleep(1.0 if len(seen) == 1 else 0.05)
            assert asked.call.phase == ("body" if asked is seen[0] else "connect")
            assert asked.call.task is asyncio.current_task() or asked is seen[0]
            return reply()

        host.transport._handler = handle
        await host.send(request)
        first, second = seen
        assert (first.call, first.call.phase) == (request.call, "body")
        assert second.call is not request.call
        assert second.call.task is None

    played(scenario, Does(1.0))


def test_copies_run_in_the_context_of_their_own_caller():
    """The timer that starts them is armed by whoever came first."""
    who = ContextVar("who", default="nobody")

    async def scenario(host):
        seen = {}

        async def handle(request):
            name = request.headers["X-Who"]
            seen.setdefault(name, []).append(who.get())
            await host.clock.sleep(1.0)
            return reply()

        async def caller(name):
            who.set(name)
            await host.ask(headers={"X-Who": name})

        host.transport._handler = handle
        await asyncio.gather(*(caller(name) for name in "abc"))
        assert seen == {name: [name, name] for name in "abc"}

    played(scenario, Does(1.0))


def test_each_copy_has_the_attempts_time_limit():
    async def scenario(host):
        with pytest.raises(RequestTimeout) as caught:
            await host.ask(limit=0.5)
        assert host.clock.now() == pytest.approx(0.6)
        assert "0.5 s" in str(caught.value)

    played(scenario, Does(9.0))


def test_the_deadline_ends_all_copies():
    async def scenario(host):
        with pytest.raises(RequestTimeout, match="deadline"):
            await host.ask(within=0.4)
        assert (host.clock.now(), host.given_up) == (pytest.approx(0.4), 2)

    played(scenario, Does(9.0))


def test_a_deadline_at_the_moment_of_the_win_leaves_no_stray_cancellation():
    """The call ends with a response or a time-out."""

    async def scenario(host):
        for within in (0.15, 0.15 + 1e-9, 0.15 - 1e-9):
            host.attempts = 0
            with suppress(RequestTimeout):
                assert (await host.ask(within=within)).status == 200
            await host.clock.sleep(1.0)
            host.assert_clean()

    played(scenario, Does(1.0), Does(0.05))


@pytest.mark.parametrize("given_up", [0.05, 0.12])  # before a copy would be sent, and before the one sent is answered
def test_a_call_that_is_being_given_up_is_not_hedged_and_closes_in_peace(given_up):
    async def scenario(host):
        call = asyncio.create_task(host.ask())
        await host.clock.sleep(given_up)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        assert host.clock.now() == pytest.approx(given_up + 0.2)
        assert host.attempts == (1 if given_up < 0.1 else 2)

    played(scenario, Does(1.0, closing=0.2), Does(0.05))


def test_a_copy_that_swallows_its_cancellation_leaves_no_stray_one():
    """The first copy is cancelled and returns a response all the same."""

    async def scenario(host):
        first = True

        async def handle(request):
            nonlocal first
            if not first:
                await host.clock.sleep(0.05)
                return reply(201)
            first = False
            with suppress(asyncio.CancelledError):
                await host.clock.sleep(1.0)
            return reply(200)

        host.transport._handler = handle
        assert (await host.ask()).status == 200
        host.assert_clean()

    played(scenario)


def test_an_answer_in_the_same_turn_as_the_first_copys_failure_is_not_missed():
    async def scenario(host):
        copies, gate = [], asyncio.Event()

        async def handle(request):
            copies.append(request)
            if len(copies) > 1:
                await gate.wait()
                return reply(200)
            await host.clock.sleep(0.15)  # so that it waits behind the second, and wakes after it
            await gate.wait()
            return reply(503)

        host.transport._handler = handle
        call = asyncio.create_task(host.ask())
        await host.clock.sleep(0.2)
        gate.set()
        assert (await call).status == 200

    played(scenario)


def test_numbers_are_right_from_the_start():
    numbers = []

    async def scenario(host):
        send = stack(
            host.transport.send,
            hedge(host.hedges, host.settings),
            telemetry.attempts(telemetry.Meter(), host.clock, [lambda record: numbers.append(record.number)]),
        )
        await send(host.request())

    played(scenario, Does(9.0), Does(9.0), Does(9.0), Does(0.05), hedging=Hedge(0.1, copies=4, budget=1.0))
    assert sorted(numbers) == [1, 2, 3, 4]


def test_a_cancelled_call_cancels_all_copies():
    async def scenario(host):
        call = asyncio.create_task(host.ask())
        await host.clock.sleep(0.35)
        assert host.inside == 3
        call.cancel()
        await asyncio.wait([call])
        assert (call.cancelled(), host.inside, host.given_up) == (True, 0, 3)

    played(scenario, Does(9.0), hedging=Hedge(0.1, copies=3, budget=1.0))


PLANS = {
    "second wins": [Does(1.0), Does(0.05)],
    "second wins, first closes slowly": [Does(1.0, closing=0.05), Does(0.05)],
    "first wins, second closes slowly": [Does(0.15), Does(1.0, closing=0.05)],
    "both at once": [Does(0.15), Does(0.05)],
    "first fails, second answers": [Does(0.12, 503), Does(0.05)],
    "first breaks, second answers": [Does(0.12, ConnectError("x")), Does(0.05)],
    "second fails, first answers": [Does(0.2), Does(0.01, 503)],
    "both fail": [Does(0.12, 503), Does(0.05, ConnectError("x"))],
    "third wins": [Does(1.0, closing=0.02), Does(1.0, closing=0.01), Does(0.05)],
    "not hedged": [Does(0.05)],
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("places", [2, 50])
def test_no_cancellation_at_any_point_leaves_anything_behind(name, places):
    async def scenario(loop):
        host = Host(*PLANS[name], places=places, hedging=Hedge(0.1, copies=3, budget=1.0))
        loop.victim = asyncio.create_task(host.ask(within=0.8, limit=0.7))
        await asyncio.wait([loop.victim])
        host.assert_clean()
        host.plan = (Does(0.0),)
        assert (await host.ask()).status == 200
        host.close()

    assert each_cancellation(scenario) >= 20


def test_a_finished_call_is_freed_without_the_garbage_collector():
    class Traced(Request):
        __slots__ = ("__weakref__",)

    async def scenario(host):
        traces = []
        for _ in range(3):
            request = Traced("GET", "https://h/item")
            request.call = Call(0.0, "h")
            traces.append(weakref.ref(request))
            with suppress(ConnectError):
                await host.send(request)
            del request
            await asyncio.sleep(0)
        assert [trace() for trace in traces] == [None] * 3

    gc.collect()
    gc.disable()
    try:
        played(scenario, Does(1.0), Does(0.05), Does(0.2), Does(1.0), Does(0.2, ConnectError("a")), Does(0.2, 503))
    finally:
        gc.enable()


@pytest.mark.lanes
async def test_over_real_sockets_the_losers_connection_is_closed_and_the_winners_is_kept():
    closed, open_ = [], []

    async def serve(reader, writer):
        mine = len(open_)
        open_.append(mine)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if mine == 0:
                    await reader.read(1)  # never answers: until the other side closes
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except asyncio.IncompleteReadError:
            pass
        finally:
            closed.append(mine)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Hedge(0.05, budget=1.0)
    hedges = Hedges(Keyed(settings.start), SYSTEM)  # a budget of 1: every call may be hedged once
    transport = http_transport(SYSTEM, max_body=None)
    send = stack(transport.send, hedge(hedges, settings), telemetry.attempts(telemetry.Meter(), SYSTEM))

    async def ask():
        request = Request("GET", f"http://127.0.0.1:{port}/")
        request.call = Call(SYSTEM.now(), "h")
        request.call.task = asyncio.current_task()
        return await send(request)

    try:
        assert (await ask()).content == b"ok"
        assert (await ask()).content == b"ok"  # over the winner's connection
        while not closed:
            await asyncio.sleep(0.001)
        assert (open_, closed) == ([0, 1], [0])
    finally:
        hedges.close()
        await transport.aclose()
        server.close()
        await server.wait_closed()


def test_the_same_seed_gives_the_same_story():
    def story():
        draw = random.Random(3)

        async def scenario(host):
            trace = []

            async def one(number):
                request = host.request()
                await host.send(request)
                trace.append((number, host.clock.now(), [(r.number, r.why, r.elapsed) for r in request.call.attempts]))

            tasks = []
            for number in range(500):
                tasks.append(asyncio.create_task(one(number)))
                await host.clock.sleep(0.01)
            await asyncio.gather(*tasks)
            return trace

        return played(scenario, lambda _: Does(draw.lognormvariate(-3, 1)), hedging=Hedge())

    assert story() == story()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"after": "fast"}, "p95"),
        ({"after": 0}, "p95"),
        ({"after": "p5"}, "p95"),
        ({"copies": 1}, "copies=1"),
        ({"budget": 0}, "budget=0"),
        ({"minimum": 5}, "minimum=5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Hedge(**settings)
