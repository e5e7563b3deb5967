"""While a host refuses connections one call probes it, and the others wait in order, within their time."""

import asyncio
from itertools import pairwise

import pytest

from asyncapi import (
    AsyncAPIError,
    Breaker,
    Client,
    ConnectError,
    Endpoint,
    Fallback,
    Learned,
    Retry,
    ServerError,
    Timeout,
    TLSError,
)
from asyncapi.layers.hold import Line
from asyncapi.testing import FakeClock, MockTransport, reply, run

TOTAL = 10.0


class Host:
    """Refuses connections from `down` to `up`, seconds; keeps when and for what it was asked."""

    def __init__(self, down=1.0, up=3.0, latency=0.05, answer=lambda _: reply(200)):
        self.down, self.up, self.latency, self.answer = down, up, latency, answer
        self.refused, self.served = [], []

    async def __call__(self, request):
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(0.002)
        if self.down <= now < self.up:
            self.refused.append((now, request.url.path))
            raise ConnectError("refused")
        await asyncio.sleep(self.latency)
        self.served.append((now, request.url.path))
        return self.answer(request)


def client(handler, policy=None, **settings):
    clock = FakeClock(1)
    settings = {"timeout": Timeout(total=TOTAL), "retry": Retry(policy=policy or Learned(explore=1e-9)), **settings}
    return Client("http://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


async def traffic(api, seconds=6.0, every=0.025, **options):
    """Calls at a steady rate: for each its start, seconds, response or error."""
    loop, ended = asyncio.get_running_loop(), []

    async def one(number):
        began = loop.time()
        try:
            outcome = await api.get(f"/{number}", route="/n", **options)
        except AsyncAPIError as error:
            outcome = error
        ended.append((began, loop.time() - began, outcome))

    async with asyncio.TaskGroup() as tasks:
        for number in range(round(seconds / every)):
            tasks.create_task(one(number))
            await asyncio.sleep(every)
    return sorted(ended, key=lambda each: each[0])


def down(seconds=6.0, policy=None, host=None, every=0.025, **settings):
    """Run such traffic against a host that is down for two seconds."""
    host = host or Host()

    async def scenario():
        async with client(host, policy, **settings) as api:
            return await traffic(api, seconds, every), api.stats, dict(api._state.lines or {})

    ended, stats, lines = run(scenario())
    return host, ended, stats, lines


def test_a_restart_costs_no_call_and_hardly_an_attempt():
    host, ended, stats, lines = down()
    assert all(not isinstance(outcome, Exception) for *_, outcome in ended)
    assert len(host.refused) <= 14  # of 80 calls that were made meanwhile
    assert stats.held_back["hold"] >= 60
    assert lines["h"].length == 0
    assert not lines["h"].busy


def test_without_it_they_fail_or_try_for_themselves():
    host, *_ = down(policy=Learned(hold=False, explore=1e-9))
    assert len(host.refused) > 80


def test_probes_go_one_at_a_time_and_later_and_later():
    host, *_ = down(seconds=9.0, host=Host(1.0, 9.0))
    probes = [when for when, _ in host.refused if when > 1.5]
    gaps = [after - before for before, after in pairwise(probes)]
    assert min(gaps) >= 0.05
    assert gaps[-1] > 3 * gaps[0]
    assert max(gaps) <= 3.1


def test_the_line_keeps_its_order_and_goes_faster_and_faster():
    host, *_ = down()
    back = [int(path[1:]) for when, path in host.served if 3.0 <= when < 4.5]
    waited = [number for number in back if 55 <= number < 110]  # never sent before
    assert waited == sorted(waited)
    first = [when for when, _ in host.served if when >= 3.0]
    assert sum(when < first[0] + 0.04 for when in first) <= 2
    assert sum(when < first[0] + 0.6 for when in first) >= 80


def test_the_records_say_who_probed_and_who_waited():
    _, ended, *_ = down()
    waited = [outcome.attempts for began, _, outcome in ended if 1.09 < began < 2.9]
    assert all(records[0].held.startswith("hold ") for records in waited)
    probes = [records for records in waited if "probe: h has refused connections for" in records[0].why]
    assert probes
    assert "held until h accepts connections" in probes[0][0].then
    assert "hold" in probes[0][0].state


def test_nobody_waits_beyond_the_deadline_and_the_error_is_the_hosts():
    _, ended, *_ = down(seconds=3.0, host=Host(1.0, 1e9), timeout=Timeout(total=4.0))
    failed = [(took, outcome) for began, took, outcome in ended if began > 1.0]
    assert failed
    for took, error in failed:
        assert isinstance(error, ConnectError)
        assert took <= 4.0
    assert any(error.held_by == "hold" and "has refused connections for" in str(error) for _, error in failed)


def test_a_long_outage_holds_nobody_for_it_is_a_restart_no_more():
    _, ended, *_ = down(seconds=30.0, host=Host(1.0, 1e9), timeout=Timeout(total=4.0))
    late = [took for began, took, _ in ended if began > 15.0]
    assert max(late) < 1.0


def test_a_call_without_a_deadline_is_held_for_a_bounded_time():
    _, ended, *_ = down(seconds=2.0, host=Host(1.0, 1e9), timeout=Timeout(total=None))
    assert max(took for _, took, _ in ended) < 60


@pytest.mark.parametrize("wait", [False, 0.3])
def test_who_does_not_want_to_wait_is_sent(wait):
    host, ended, *_ = down(wait=wait)
    waits = [sum(record.queued for record in outcome.attempts[:1]) for *_, outcome in ended]
    assert max(waits) <= 0.3 + 1e-6
    assert len(host.refused) > 80


@pytest.mark.parametrize("options", [{"retry": None}, {"retry": 1}])
def test_calls_that_are_not_to_be_sent_again_are_not_held(options):
    host = Host()

    async def scenario():
        async with client(host) as api:
            return await traffic(api, **options)

    ended = run(scenario())
    assert sum(isinstance(outcome, ConnectError) for *_, outcome in ended) == len(host.refused)


def test_no_call_makes_more_attempts_than_it_may():
    _, ended, *_ = down(retry=Retry(2, policy=Learned(explore=1e-9)))
    assert max(len(outcome.attempts) for *_, outcome in ended) <= 2
    assert sum(isinstance(outcome, Exception) for *_, outcome in ended) <= 6


def test_a_503_holds_nobody():
    host = Host(1e9, 1e9, answer=lambda _: reply(503))
    _, ended, _, lines = down(seconds=2.0, host=host)
    assert all(isinstance(outcome, ServerError) for *_, outcome in ended)
    assert not any(line.refusals.run for line in lines.values())


def test_a_tls_error_holds_nobody():
    async def handler(_):
        raise TLSError("bad certificate")

    async def scenario():
        async with client(handler) as api:
            return await traffic(api, 1.0)

    assert max(took for _, took, _ in run(scenario())) == 0.0


def test_a_host_that_refuses_some_is_not_held():
    numbers = iter(range(10**6))

    async def handler(_):
        await asyncio.sleep(0.002)
        if next(numbers) % 3 == 0:
            raise ConnectError("refused")
        await asyncio.sleep(0.05)
        return reply(200)

    async def scenario():
        async with client(handler) as api:
            return await traffic(api, 10.0), api.stats

    ended, stats = run(scenario())
    assert not any(isinstance(outcome, Exception) for *_, outcome in ended)
    assert stats.held_back.get("hold", 0) == 0


def test_slow_responses_keep_nobody_waiting_once_there_is_a_connection():
    """Responses take 6 s; the others go as soon as the host accepts connections."""
    host = Host(latency=6.0)

    async def scenario():
        async with client(host, timeout=Timeout(total=20.0), concurrency=1000) as api:
            return await traffic(api, 4.0)

    run(scenario())
    back = sorted(when for when, _ in host.served if when >= 3.0)
    assert back[0] < 4.0
    assert sum(when < 4.0 for when in back) >= 0.9 * len(back)


def test_cancelled_calls_leave_the_line_and_others_go_on():
    host = Host()

    async def scenario():
        async with client(host) as api:
            tasks = [asyncio.ensure_future(traffic(api, 2.9))]
            await asyncio.sleep(1.5)
            extra = [asyncio.ensure_future(api.get(f"/extra{number}")) for number in range(50)]
            for number, task in enumerate(extra):
                await asyncio.sleep(0.027)
                if number % 5:
                    task.cancel()
            ended = await tasks[0]
            results = await asyncio.gather(*extra, return_exceptions=True)
            return ended, results, api._state.lines["h"]

    ended, results, line = run(scenario())
    assert not any(isinstance(outcome, Exception) for *_, outcome in ended)
    assert all(isinstance(result, asyncio.CancelledError) == bool(number % 5) for number, result in enumerate(results))
    assert line.length == 0
    assert line.refusals.out == 0


def test_an_endpoint_that_refuses_holds_no_call_that_can_go_to_another():
    async def handler(request):
        await asyncio.sleep(0.002)
        if request.url.host == "a":
            raise ConnectError("refused")
        await asyncio.sleep(0.05)
        return reply(200)

    async def scenario():
        clock = FakeClock(1)
        async with Client(
            endpoints=[Endpoint("http://a"), Endpoint("http://b")],
            transport=MockTransport(handler, clock=clock),
            clock=clock,
            retry=Retry(policy=Learned(explore=1e-9)),
        ) as api:
            return await traffic(api, 5.0), api.stats

    ended, stats = run(scenario())
    assert not any(isinstance(outcome, Exception) for *_, outcome in ended)
    assert stats.held_back.get("hold", 0) == 0


def test_another_host_of_the_client_is_not_held():
    async def handler(request):
        await asyncio.sleep(0.002)
        if request.url.host == "h":
            raise ConnectError("refused")
        return reply(200)

    async def scenario():
        async with client(handler) as api:
            task = asyncio.ensure_future(traffic(api, 2.0))
            await asyncio.sleep(1.0)
            began = asyncio.get_running_loop().time()
            await api.get("http://other/")
            took = asyncio.get_running_loop().time() - began
            await task
            return took

    assert run(scenario()) < 0.1


def test_with_a_fallback_a_short_outage_is_waited_for_and_a_long_one_is_not():
    settings = {"fallback": Fallback(value={})}
    _, short, *_ = down(**settings)
    assert sum(bool(outcome.degraded) for *_, outcome in short) <= 2
    _, long, *_ = down(seconds=40.0, every=0.1, host=Host(1.0, 1e9), **settings)
    late = [(took, outcome) for began, took, outcome in long if began > 30.0]
    assert sum(took for took, _ in late) / len(late) < 0.5
    assert all(outcome.degraded for _, outcome in late)


def test_a_breaker_and_the_line_get_along():
    _, ended, *_ = down(breaker=Breaker())
    assert sum(isinstance(outcome, Exception) for *_, outcome in ended) <= 3


def test_the_layer_is_absent_unless_asked_for():
    for retry in (Retry(), None, Retry(policy=Learned(hold=False))):
        assert "hold" not in [step.name for step in client(Host(), retry=retry)._steps]
    assert "hold" in [step.name for step in client(Host())._steps]


def test_a_line_that_is_closed_lets_everybody_go():
    async def scenario():
        line = Line(FakeClock(1))
        for _ in range(5):
            line.refusals.refused(0.0, 0.0, 0.5)
        waiting = asyncio.ensure_future(line.wait(100.0, spare=True))
        await asyncio.sleep(0)
        line.close()
        return await waiting

    assert run(scenario()) is False
