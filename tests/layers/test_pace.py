"""The server's limits, kept by a client without a setting: it slows down before the 429, and takes one as everybody's."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from asyncapi import Client, CostBudget, RateExceeded, RateLimited, Retry, Timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """A client in virtual time, and what its host saw: (when, path) of every attempt."""

    def __init__(self, *answers, **settings) -> None:
        self.clock = FakeClock()
        self.seen: list[tuple[float, str]] = []
        self._answers = list(answers)
        settings.setdefault("timeout", None)
        self.client = Client(
            "https://h", transport=MockTransport(self.answer, clock=self.clock), clock=self.clock, **settings
        )

    def answer(self, request):
        self.seen.append((self.clock.now(), request.url.path))
        given = self._answers.pop(0) if self._answers else reply()
        return given(request) if callable(given) else given

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.seen]


def busy(seconds="2", **headers):
    return reply(429, headers={"Retry-After": seconds, **headers})


async def meet(host, *, calls=3):
    """Calls enough to see that a limit is shared."""
    return await asyncio.gather(*(host.client.get(f"/met/{number}") for number in range(calls)), return_exceptions=True)


def test_a_shared_limit_pauses_everybody_and_one_comes_back_before_the_rest():
    async def scenario():
        host = Host(busy("2"), busy("2"), busy("2"))
        async with host.client as api:
            await asyncio.gather(meet(host), *(api.get(f"/later/{number}") for number in range(5)))
        return host.times

    times = run(scenario())
    assert times[:3] == [0.0] * 3
    later = [when for when in times if when > 0]
    assert later[0] >= 2.0
    assert later == sorted(later)


def test_one_refused_call_waits_alone_where_others_are_taken():
    async def scenario():
        host = Host(busy("60"), retry=None, raise_for_status=False)
        async with host.client as api:
            await api.get("/refused")
            for number in range(20):
                await api.get(f"/{number}")
            return host.clock.now(), len(host.seen), api.stats.paused

    assert run(scenario()) == (0.0, 21, {})


def test_while_in_doubt_one_goes_and_a_burst_does_not():
    async def scenario():
        host = Host(*[busy("30")] * 60, retry=None, raise_for_status=False, timeout=20)
        async with host.client as api:
            await api.get("/refused")
            await asyncio.gather(*(api.get(f"/{number}") for number in range(50)), return_exceptions=True)
        return [when for when in host.times if when < 30]

    assert len(run(scenario())) <= 4


def test_at_once_from_a_limit_that_all_share_is_the_rest_of_a_second():
    """`Retry-After: 0` and dates of this very second are what whole seconds leave of the rest of one."""

    async def scenario():
        host = Host(*[busy("0")] * 3, retry=None, raise_for_status=False)
        async with host.client as api:
            await meet(host)
            await api.get("/next")
        return host.times[3]

    assert run(scenario()) == 1.0


def test_no_row_is_lost_to_a_window_that_says_at_once():
    async def scenario():
        window = [-1, 0]

        def answer(_):
            second = int(host.clock.now())
            window[:] = (second, window[1] + 1 if second == window[0] else 1)
            return busy("0") if window[1] > 10 else reply()

        host = Host(*[answer] * 2000, concurrency=20)
        async with host.client as api, api.map(f"/{number}" for number in range(80)) as outcomes:
            return [outcome.ok async for outcome in outcomes], len(host.seen)

    oks, sent = run(scenario())
    assert oks == [True] * 80
    assert sent <= 2 * 80


@pytest.mark.parametrize(("status", "headers", "held"), [
    (403, {"Retry-After": "5"}, True),
    (403, {}, False),
    (503, {"Retry-After": "5"}, False),
    (429, {"Retry-After": "5"}, True),
    (429, {}, False),
])  # fmt: skip
def test_which_answers_pause_single_calls(status, headers, held):
    async def scenario():
        host = Host(*[reply(status, headers=headers)] * 3, retry=None, raise_for_status=False)
        async with host.client as api:
            await meet(host)
            await api.get("/second")
        return host.times[3]

    assert (run(scenario()) >= 5.0) is held


def test_what_is_left_of_a_told_quota_is_spread_over_the_rest_of_the_window():
    told = {"RateLimit-Policy": '"w";q=100;w=60', "RateLimit": '"w";r=10;t=50'}

    async def scenario():
        host = Host(reply(headers=told))
        async with host.client as api:
            await api.get("/first")
            await asyncio.gather(*(api.get(f"/{number}") for number in range(10)))
        return host.times

    times = run(scenario())
    gaps = [later - sooner for sooner, later in pairwise(times[1:])]
    assert min(gaps) >= 4.5
    assert times[-1] <= 51


def test_limits_of_one_host_are_not_anothers():
    async def scenario():
        host = Host(*[busy("60")] * 3, retry=None, raise_for_status=False)
        async with host.client as api:
            await meet(host)
            await api.get("https://other/")
        return host.times

    assert run(scenario()) == [0.0] * 4


def test_they_may_go_by_a_key_of_the_users_own():
    async def scenario():
        host = Host(*[busy("60")] * 3, retry=None, raise_for_status=False, pace=lambda request: request.url.path[:4])
        async with host.client as api:
            await meet(host)
            await api.get("/users")
            assert "announced for each key" in "\n".join(api._explained())
            return host.times, list(api.stats.paused)

    assert run(scenario()) == ([0.0] * 4, ["/met"])


def test_a_pause_that_outlasts_the_deadline_is_told_at_once_with_when_to_come_back():
    async def scenario():
        host = Host(*[busy("50")] * 3, timeout=Timeout(30))
        async with host.client as api:
            assert [type(error) for error in await meet(host)] == [RateLimited] * 3
            with pytest.raises(RateExceeded, match="asks to wait another 50 s, but its deadline is in 30 s") as caught:
                await api.get("/second")
            assert host.clock.now() == 0
        assert len(host.seen) == 3
        return caught.value.retry_after, caught.value.response.headers["Retry-After"]

    assert run(scenario()) == (50.0, "50")


def test_a_retry_after_over_the_cap_refuses_single_calls_and_delays_a_backlog():
    async def scenario():
        host = Host(*[busy("300")] * 3, retry=None, raise_for_status=False)
        async with host.client as api:
            await meet(host)
            with pytest.raises(RateExceeded, match="waits at most 60 s") as caught:
                await api.get("/single")
            assert caught.value.held_by == "max_retry_after"
            assert host.clock.now() == 0
            async with api.map(["/row"]) as outcomes:
                rows = [outcome.ok async for outcome in outcomes]
        return caught.value.retry_after, rows, host.times[3:]

    retry_after, rows, times = run(scenario())
    assert (retry_after, rows) == (300.0, [True])
    assert times == [60.0]  # one attempt a minute asks whether the told time still holds


def test_an_inferred_rate_binds_a_backlog_and_single_calls_only_if_asked_for():
    async def scenario(**settings):
        host = Host(*[reply(429)] * 40, retry=None, raise_for_status=False, concurrency=10, **settings)
        async with host.client as api:
            async with api.map(f"/{number}" for number in range(40)) as outcomes:
                assert len([outcome async for outcome in outcomes]) == 40
            began = host.clock.now()
            await asyncio.gather(*(api.get(f"/single/{number}") for number in range(20)))
        return host.clock.now() - began

    assert run(scenario()) == 0.0
    assert run(scenario(pace="learn")) > 0.0


def test_who_does_not_wait_is_told_at_once():
    async def scenario():
        host = Host(*[busy("7")] * 3, retry=None, raise_for_status=False)
        async with host.client as api:
            await meet(host)
            with pytest.raises(RateExceeded) as caught:
                await api.get("/second", wait=False)
            assert host.clock.now() == 0
        return caught.value.retry_after

    assert run(scenario()) == 7.0


def test_what_a_host_refuses_for_its_limit_costs_no_retry_budget():
    """A burst far over the budget's floor is turned away: all of it is sent again, at the host's pace."""

    async def scenario():
        loop, level, refused = asyncio.get_running_loop(), [20.0, 0.0], 0

        async def bucket(request):
            nonlocal refused
            await asyncio.sleep(0.02)
            level[:] = min(20.0, level[0] + 50.0 * (loop.time() - level[1])), loop.time()
            if level[0] < 1:
                refused += 1
                return busy("1")
            level[0] -= 1
            return reply()

        host = Host(*[bucket] * 5000)
        async with host.client as api, api.map(f"/{number}" for number in range(500)) as outcomes:
            ended = [outcome async for outcome in outcomes]
            budget = api.stats.budget["h"]
        return [outcome.ok for outcome in ended], refused, budget

    oks, refused, budget = run(scenario())
    assert refused > 60
    assert oks == [True] * 500
    assert budget >= 10


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        pytest.param({"pace": False}, 10 + 10, id="without pacing they would be a storm"),
        pytest.param({"retry": Retry(2, budget=CostBudget(capacity=50))}, 10 + 10, id="AWS's quota counts throttling"),
    ],
)
def test_otherwise_it_does_cost_budget(settings, sent):
    async def scenario():
        host = Host(*[reply(429)] * 100, raise_for_status=False, **{"retry": 2, **settings})
        async with host.client as api:
            for number in range(10):
                await api.get(f"/{number}")
            return len(host.seen), api.stats.budget["h"]

    seen, left = run(scenario())
    assert seen == sent
    assert left < 3


def test_a_429_that_says_come_back_at_once_costs_no_budget_and_is_not_asked_at_once():
    """A server that cuts the rest of its second off to whole ones says so: no call may be lost to it."""

    async def scenario():
        host = Host(*[busy("0")] * 100, raise_for_status=False)
        async with host.client as api:
            for number in range(10):
                await api.get(f"/{number}")
        return len(host.seen), host.clock.now()

    sent, now = run(scenario())
    assert sent == 4 * 10
    assert now >= 10 * (0.25 + 0.5 + 1.0)


def test_a_body_of_requests_is_numbered_while_nothing_is_told():
    """The first answer that tells a quota is right about the attempts already under way."""

    async def scenario():
        told = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "60", "X-RateLimit-Reset": "60"}
        gate = asyncio.Event()

        async def first(_):
            await asyncio.sleep(1)
            gate.set()
            return reply(headers=told)

        async def later(_):
            await gate.wait()
            await asyncio.sleep(1)
            return reply()

        host = Host(first, *[later] * 50)
        async with host.client as api:
            tasks = [asyncio.create_task(api.get(f"/{number}")) for number in range(51)]
            await gate.wait()
            await asyncio.sleep(0.5)
            level = next(iter(api._state.paces["h"].pacer._quotas._levels.values()))
            left = level.left
            await asyncio.gather(*tasks)
        return left

    assert run(scenario()) == 10


def test_a_host_that_begins_to_tell_late_is_heard_within_sixteen_answers():
    told = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "60", "X-RateLimit-Reset": "60"}

    async def scenario():
        host = Host(*[reply()] * 200, *[reply(headers=told)] * 16)
        async with host.client as api:
            for number in range(200):
                await api.get(f"/{number}")
            before = api._state.paces["h"].pacer.active
            for number in range(16):
                await api.get(f"/told/{number}")
            return before, api._state.paces["h"].pacer.active

    assert run(scenario()) == (False, True)
