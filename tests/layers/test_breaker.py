"""The circuit breaker in the stack: what counts, what is refused, and that no crowd runs into a host that is down."""

from __future__ import annotations

import asyncio
import pickle
import time
from functools import partial

import pytest

from asyncapi.clock import SYSTEM
from asyncapi.errors import (
    CircuitOpen,
    ConfigError,
    ConnectError,
    ProtocolError,
    QueueFull,
    RequestTimeout,
    TLSError,
)
from asyncapi.layers import telemetry
from asyncapi.layers.breaker import breaker, breaker_again
from asyncapi.messages.call import CallSettings
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.settings.breaker import Breaker
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Call, Request, stack
from stepping import Places, each_cancellation

SETTINGS = {"minimum": 4, "open_for": 10.0, "jitter": 0.0, "probes": 2, "lease": 5.0}


class Host:
    """A host behind a breaker (and, with `places`, a semaphore), in virtual time.

    `answer` is a status, or an error to raise; `takes` seconds go before it.
    """

    def __init__(self, answer=200, *, takes=0.0, places=None, within=None, **settings) -> None:
        self.clock = FakeClock()
        self.settings = Breaker(**{**SETTINGS, **settings})
        self.circuits = Keyed(partial(self.settings.start, self.clock.random))
        self.answer, self.takes = answer, takes
        self.inside = self.most = 0
        self.sent: list[float] = []
        self.gate = None if places is None else Places(places, self.clock)
        self.transport = MockTransport(self.handle, clock=self.clock)
        policy = self.settings
        self.send = stack(
            self.transport.send,
            breaker(self.circuits, policy, self.clock),
            *([] if self.gate is None else [self.gate.layer]),
            *([] if within is None else [within]),
            breaker_again(self.circuits, policy, self.clock),
            telemetry.attempts(telemetry.Meter(), self.clock),
        )

    async def handle(self, request):
        self.sent.append(self.clock.now())
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            answer = self.answer
            await self.clock.sleep(self.takes)
        finally:
            self.inside -= 1
        if isinstance(answer, BaseException):
            raise answer
        return reply(answer)

    def request(self, url="https://h/", limit=None) -> Request:
        request = Request("GET", url)
        request.call = Call(self.clock.now(), request.url.host, CallSettings(attempt=limit))
        return request

    async def ask(self, times=1, url="https://h/", limit=None):
        """The answers and errors of attempts, one after the other."""
        got = []
        for _ in range(times):
            try:
                got.append((await self.send(self.request(url, limit))).status)
            except Exception as error:
                got.append(error)
        return got

    @property
    def circuit(self):
        return self.circuits["h"]


def failing(error, **changes):
    for name, value in changes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    "answer",
    [500, 502, 503, 504, 599, ConnectError("refused"), ProtocolError("closed"), TLSError("certificate"),
     RequestTimeout("late", phase="headers")],
    ids=str,
)  # fmt: skip
def test_server_errors_and_broken_connections_open_it(answer):
    async def scenario():
        host = Host(answer)
        await host.ask(4)
        assert host.circuit.state == "open"
        assert isinstance((await host.ask())[0], CircuitOpen)
        assert len(host.sent) == 4

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [200, 204, 302, 400, 401, 403, 404, 408, 409, 422, 425, 429,
     failing(ProtocolError("over max_body"), final=True), failing(ProtocolError("idle connection closed"), stale=True),
     failing(ProtocolError("refused"), unprocessed=True),
     asyncio.CancelledError(), QueueFull("ours"), ConfigError("ours"), ValueError("a bug")],
    ids=str,
)  # fmt: skip
def test_answers_below_500_cancellations_and_our_own_refusals_never_open_it(answer):
    async def scenario():
        host = Host(answer)
        for _ in range(50):
            await asyncio.wait([asyncio.create_task(host.ask())])
        assert (host.circuit.state, len(host.sent)) == ("closed", 50)
        assert host.circuit.snapshot(0.0).failure_rate == 0.0

    run(scenario())


def test_a_timeout_in_our_own_lines_is_no_failure_of_the_host():
    def rate_that_refuses(inner):
        async def send(request):
            raise RequestTimeout("its turn would come too late", phase="queue", request=request)

        return send

    async def scenario():
        host = Host(within=rate_that_refuses)
        await host.ask(50)
        assert (host.circuit.state, host.circuit.snapshot(0.0).seen) == ("closed", 0)

    run(scenario())


def test_a_redirect_or_404_counts_as_a_success():
    async def scenario():
        host = Host(404)
        await host.ask(10)
        assert (host.circuit.snapshot(0.0).seen, host.circuit.snapshot(0.0).failure_rate) == (10, 0.0)

    run(scenario())


def test_which_5xx_are_failures_can_be_chosen_and_4xx_cannot():
    async def scenario():
        host = Host(501, statuses={500, 502, 503, 504})
        await host.ask(50)
        assert host.circuit.state == "closed"
        host.answer = 503
        await host.ask(50)
        assert host.circuit.state == "open"

    run(scenario())
    with pytest.raises(ConfigError, match="429"):
        Breaker(statuses={429})


def test_an_attempt_that_runs_into_its_own_limit_is_a_failure():
    async def scenario():
        host = Host(takes=60.0)
        got = await host.ask(4, limit=2.0)
        assert [type(one) for one in got] == [RequestTimeout] * 4
        assert (host.circuit.state, host.clock.now()) == ("open", 8.0)

    run(scenario())


def test_slow_attempts_open_it_and_slow_4xx_too():
    async def scenario():
        host = Host(404, takes=2.0, slow=1.0)
        await host.ask(4)
        assert (host.circuit.state, host.circuit.reason) == ("open", "4 of 4 attempts were slow")

    run(scenario())


def test_time_in_our_own_queue_is_not_slowness():
    async def scenario():
        host = Host(takes=0.5, slow=1.0, places=1)
        calls = [asyncio.create_task(host.ask()) for _ in range(50)]
        await asyncio.gather(*calls)
        assert host.clock.now() == 25.0
        assert (host.circuit.state, host.circuit.snapshot(25.0).slow_rate) == ("closed", 0.0)

    run(scenario())


def test_hosts_have_circuits_of_their_own_and_a_key_may_group_them():
    async def scenario():
        host = Host(503)
        await host.ask(4, "https://a/")
        assert [type(one) for one in await host.ask(1, "https://a/")] == [CircuitOpen]
        assert await host.ask(1, "https://b/") == [503]
        assert await host.ask(1, "https://a:8443/") == [503]

        grouped = Host(503, key=lambda request: request.url.path)
        for number in range(4):
            await grouped.ask(1, f"https://h{number}/pay")
        (refusal,) = await grouped.ask(1, "https://h9/pay")
        assert isinstance(refusal, CircuitOpen)
        assert "/pay" in str(refusal)
        assert await grouped.ask(1, "https://h9/read") == [503]

    run(scenario())


def test_a_refusal_says_why_and_when_to_come_back():
    async def scenario():
        host = Host(503)
        await host.ask(4)
        await host.clock.sleep(4.0)
        (refusal,) = await host.ask()
        assert refusal.retry_after == 6.0
        assert (
            str(refusal)
            == "the circuit of h is open (4 of 4 attempts failed): next probe in 6 s (held back by: breaker)"
        )
        await host.clock.sleep(refusal.retry_after)
        host.answer, host.takes = 200, 1.0
        probe = asyncio.create_task(host.ask())
        await host.clock.sleep(0.5)
        (refusal,) = await host.ask()
        assert refusal.retry_after == 4.5
        assert "half-open" in str(refusal)
        assert await probe == [200]

    run(scenario())


def test_a_probes_record_says_that_it_is_one():
    async def scenario():
        host = Host(503)
        await host.ask(4)
        await host.clock.sleep(10.0)
        request = host.request()
        await host.send(request)
        assert request.call.attempts[0].why == ("first (probe: the circuit of h is half-open, 4 of 4 attempts failed)")

    run(scenario())


def test_no_flood_at_half_open_with_a_thousand_waiting_callers():
    """They all come back at the very moment they were told: one is let through, a thousand times over."""

    async def scenario():
        host = Host(503, takes=0.2, jitter=0.2)
        await host.ask(4)
        refused = 0

        async def caller():
            nonlocal refused
            while True:
                try:
                    response = await host.send(host.request())
                except CircuitOpen as refusal:
                    refused += 1
                    await host.clock.sleep(refusal.retry_after)
                else:
                    if response.status == 200:
                        return

        before, host.most = len(host.sent), 0
        callers = [asyncio.create_task(caller()) for _ in range(1000)]
        await host.clock.sleep(100.0)
        openings = host.circuit.openings
        assert openings >= 3
        assert host.most == 1  # never two at a time
        assert len(host.sent) - before == openings - 1  # a probe for each time it was half-open
        assert refused >= 1000 * (openings - 1)
        host.answer, recovered = 200, len(host.sent)
        host.most = 0
        while host.circuit.state != "closed":
            assert host.most <= 1
            await host.clock.sleep(0.1)
        assert len(host.sent) - recovered <= 3
        await asyncio.gather(*callers)

    run(scenario())


def test_those_who_stand_in_our_lines_when_it_opens_are_turned_back():
    """A thousand were let pass while all was well, and wait for a place; then the host goes down."""

    async def scenario():
        host = Host(503, takes=1.0, places=10)
        calls = [asyncio.create_task(host.ask()) for _ in range(1000)]
        got = [one for (one,) in await asyncio.gather(*calls)]
        assert got.count(503) == len(host.sent) == 10
        assert sum(isinstance(one, CircuitOpen) for one in got) == 990
        assert (host.clock.now(), host.gate.free) == (1.0, 10)

    run(scenario())


def test_a_probe_that_waited_for_a_place_past_its_lease_still_goes():
    async def scenario():
        host = Host(503, places=1)
        await host.ask(4)
        await host.clock.sleep(10.0)
        host.answer = 200
        await host.gate.enter()
        late = asyncio.create_task(host.ask())
        await host.clock.sleep(6.0)
        other = asyncio.create_task(host.ask())
        await host.clock.sleep(1.0)
        host.gate.leave()
        assert [await late, await other] == [[200], [200]]
        assert host.circuit.state == "closed"

    run(scenario())


def test_a_cancelled_probe_makes_room_for_the_next_at_once():
    async def scenario():
        host = Host(503, takes=1.0)
        await asyncio.gather(*(host.ask() for _ in range(4)))
        await host.clock.sleep(10.0)
        host.answer = 200
        probe = asyncio.create_task(host.ask())
        await host.clock.sleep(0.5)
        probe.cancel()
        await asyncio.wait([probe])
        assert host.circuit.holder is None
        assert await host.ask(2) == [200, 200]
        assert host.circuit.state == "closed"

    run(scenario())


def test_a_probe_that_never_comes_back_cannot_wedge_it():
    async def scenario():
        host = Host(503)
        await host.ask(4)
        await host.clock.sleep(10.0)
        host.answer, host.takes = 200, 1e6
        lost = asyncio.create_task(host.ask())
        await host.clock.sleep(0.0)
        host.takes = 0.0
        assert isinstance((await host.ask())[0], CircuitOpen)
        await host.clock.sleep(5.0)
        assert await host.ask(2) == [200, 200]
        assert host.circuit.state == "closed"
        lost.cancel()

    run(scenario())


@pytest.mark.parametrize("error", [QueueFull("ours"), RequestTimeout("in line", phase="queue"), ValueError("bug")])
def test_a_probe_that_is_never_sent_makes_room(error):
    refuse = True

    def below(inner):
        async def send(request):
            if refuse:
                raise error
            return await inner(request)

        return send

    async def scenario():
        nonlocal refuse
        host = Host(503, within=below)
        refuse = False
        await host.ask(4)
        await host.clock.sleep(10.0)
        refuse = True
        assert await host.ask(3) == [error] * 3
        refuse, host.answer = False, 200
        assert await host.ask(2) == [200, 200]

    run(scenario())


def test_an_answer_without_a_record_is_no_verdict():
    def cached(inner):
        async def send(request):
            return reply(503)

        return send

    async def scenario():
        host = Host(within=cached)
        await host.ask(50)
        assert host.circuit.snapshot(0.0).seen == 0

    run(scenario())


def test_it_recovers_by_itself_once_the_host_is_back():
    async def scenario():
        host = Host(503)
        await host.ask(4)
        host.answer = 200
        await host.clock.sleep(10.0)
        assert await host.ask(20) == [200] * 20
        assert host.circuit.snapshot(host.clock.now()).state == "closed"

    run(scenario())


def test_no_cancellation_at_any_point_leaves_a_lease_or_a_place_behind():
    async def scenario(loop):
        host = Host(503, takes=1.0, places=1)
        await host.ask(4)
        await host.clock.sleep(10.0)
        host.answer = 200
        await host.gate.enter()
        loop.call_later(0.3, host.gate.leave)
        loop.victim = asyncio.create_task(host.ask())  # the probe: waits for a place, then for the host
        await asyncio.wait([loop.victim])
        await host.clock.sleep(0.3)
        assert (host.circuit.holder, host.circuit.probing, host.gate.free, host.inside) == (None, set(), 1, 0)
        assert await host.ask(2) == [200, 200]
        assert host.circuit.state == "closed"

    assert each_cancellation(scenario) > 10


def test_the_same_story_ends_the_same_way_every_time():
    def story():
        async def scenario():
            host = Host(503, takes=0.1, jitter=0.5)
            trace = []
            for number in range(400):
                host.answer = 200 if 100 < number < 150 or number > 300 else 503
                (got,) = await host.ask()
                trace.append((host.clock.now(), got if isinstance(got, int) else str(got), host.circuit.state))
                await host.clock.sleep(0.5)
            return trace

        return run(scenario())

    first = story()
    assert len({state for *_, state in first}) == 3
    assert first == story()


def test_a_refusal_is_cheap():
    """Under 5 us on a quiet machine; asserted with room for a busy one."""

    async def scenario():
        settings = Breaker(open_for=1e6, open_cap=1e6)
        circuits = Keyed(partial(settings.start, SYSTEM.random))
        send = stack(MockTransport(lambda _: reply(503)).send, breaker(circuits, settings, SYSTEM),
                     telemetry.attempts(telemetry.Meter(), SYSTEM))  # fmt: skip
        request = Request("GET", "https://h/")
        request.call = Call(0.0, "h")
        for _ in range(20):
            await send(request)
        best = 1.0
        for _ in range(20):
            began, refused = time.process_time(), 0
            for _ in range(500):
                try:
                    await send(request)
                except CircuitOpen:
                    refused += 1
            best = min(best, (time.process_time() - began) / 500)
            assert refused == 500
        return best

    assert asyncio.run(scenario()) < 20e-6


def test_a_refusal_can_be_pickled():
    refusal = pickle.loads(pickle.dumps(CircuitOpen("open", retry_after=3.5)))
    assert (str(refusal), refusal.retry_after) == ("open (held back by: breaker)", 3.5)
