"""The retry budget: a share of the traffic and a floor, never more."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import retry_if_exception_type

from asyncapi import Client, Learned, Retry, ServerError
from asyncapi import CostBudget as CostBudgetSettings
from asyncapi.sansio.failures.retry_budget import CostBudget, RetryBudget
from asyncapi.testing import FakeClock, MockTransport, reply, run


def drain(budget: RetryBudget, now: float) -> int:
    count = 0
    while budget.withdraw(now):
        count += 1
        assert count < 10_000
    return count


def test_a_quiet_client_has_its_floor():
    assert drain(RetryBudget(0.2, 10), 0.0) == 10


def test_without_a_floor_retries_are_earned_by_calls():
    budget = RetryBudget(0.25, 0)
    assert not budget.withdraw(0.0)
    for _ in range(8):
        budget.deposit(0.0)
    assert drain(budget, 0.0) == 2


def test_the_floor_comes_back_over_five_minutes_and_no_further():
    budget = RetryBudget(0, 6)
    assert drain(budget, 0.0) == 6
    assert drain(budget, 49.9) == 0
    assert drain(budget, 50.1) == 1
    assert drain(budget, 1000.0) == 6


def test_what_calls_paid_in_long_ago_is_forgotten():
    budget = RetryBudget(0.2, 0)
    for _ in range(1000):
        budget.deposit(0.0)
    assert round(budget.tokens) == 200
    budget.deposit(1.0)  # the next window still knows of it
    assert budget.tokens > 100
    budget.deposit(4.5)
    assert budget.tokens < 1
    assert drain(budget, 4.5) == 0


def test_a_steady_healthy_hour_saves_up_no_more_than_two_windows():
    budget = RetryBudget(0.2, 10)
    for second in range(3600):
        for _ in range(50):
            budget.deposit(float(second))
    assert budget.tokens <= 10 + 0.2 * 50 * 2


@given(
    ratio=st.floats(0, 1),
    floor=st.floats(0, 50),
    steps=st.lists(
        st.tuples(st.floats(0, 20), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), max_size=50
    ),
)
def test_retries_are_never_over_the_share_of_calls_plus_the_floor_and_its_refill(ratio, floor, steps):
    budget, now, calls, retries = RetryBudget(ratio, floor), 100.0, 0, 0
    for gap, deposits, withdrawals, not_sent in steps:
        now += gap
        for _ in range(deposits):
            budget.deposit(now)
            calls += 1
        paid = sum(budget.withdraw(now) for _ in range(withdrawals))
        for _ in range(min(not_sent, int(paid))):
            budget.refund(1.0)
            paid -= 1
        retries += paid
        assert budget.tokens >= 0
        assert retries <= ratio * calls + floor * (1 + (now - 100.0) / 300.0) + 1e-6


def timed_out(budget: RetryBudget, times: int, now: float = 0.0, *, rate: int = 100) -> RetryBudget:
    """After three seconds of so many calls, so many time-outs at once."""
    for second in range(3):
        for _ in range(rate):
            budget.deposit(now + second - 2.0)
    for _ in range(times):
        budget.failed(now, timed_out=True)
    return budget


def test_a_busy_client_whose_attempts_all_time_out_retries_none_of_them():
    assert not timed_out(RetryBudget(0.2, 10), 2).crowded(0.0)
    assert timed_out(RetryBudget(0.2, 10), 3).crowded(0.0)


def test_a_quiet_client_retries_time_outs_from_its_floor():
    assert not timed_out(RetryBudget(0.2, 10), 20, rate=1).crowded(0.0)


def test_timeouts_of_a_burst_are_retried():
    """Nothing else would show whether the host is back."""
    budget = RetryBudget(0.2, 10)
    for _ in range(20):
        budget.deposit(0.0)
    for _ in range(20):
        budget.failed(1.0, timed_out=True)
    assert drain(budget, 1.0) == 14
    assert not budget.crowded(1.0)


def test_one_response_in_time_shows_that_the_host_is_there():
    for how in ("answer", "error"):
        budget = timed_out(RetryBudget(0.2, 10), 5)
        if how == "answer":
            budget.succeeded(0.0)
        else:
            budget.failed(0.0, timed_out=False)
        assert not budget.crowded(0.0)


def test_retries_of_timeouts_return_after_many_responses_or_ten_quiet_seconds():
    """Where most attempts have timed out, it takes many responses or ten seconds with few time-outs."""
    budget = timed_out(RetryBudget(0.2, 10), 60)
    for _ in range(150):
        budget.succeeded(0.0)
    assert budget.crowded(0.0)
    for _ in range(30):
        budget.succeeded(0.0)
    assert not budget.crowded(0.0)
    budget = timed_out(RetryBudget(0.2, 10), 60)
    for hundredth in range(1, 1500):  # a tenth of the attempts never come back, as of a broken replica
        now = hundredth / 100
        budget.deposit(now)
        budget.failed(now, timed_out=hundredth % 10 == 0)
    assert not budget.crowded(15.0)


def test_a_quota_stays_open_while_nearly_half_of_the_attempts_time_out():
    """Runs that chance explains show nothing new."""
    quota = CostBudget(500, 5, 5, 1, crowding=True)
    random, shut = Random(1), 0
    for number in range(4000):
        now = number / 40
        quota.deposit(now)
        if random.random() < 0.45:
            quota.failed(now, timed_out=True)
        else:
            quota.succeeded(0.0)
        shut += quota.crowded(now)
    assert shut <= 40


def test_a_quota_closes_at_once_where_everything_times_out_and_opens_soon():
    quota = timed_out(CostBudget(500, 5, 5, 1, crowding=True), 3)
    assert quota.crowded(0.0)
    quota = timed_out(CostBudget(500, 5, 5, 1, crowding=True), 100)
    for _ in range(40):
        quota.succeeded(0.0)
    assert quota.crowded(1.9)
    assert not quota.crowded(2.1)


def test_without_crowding_a_quota_never_closes():
    assert not timed_out(CostBudget(500, 5, 5, 1), 100).crowded(0.0)


@given(st.lists(st.booleans(), max_size=300))
def test_where_fewer_than_a_third_time_out_at_random_retries_go_on(verdicts):
    budget = RetryBudget(0.2, 10)
    for number, verdict in enumerate(verdicts):
        now = number / 10
        budget.deposit(now)
        budget.failed(now, timed_out=verdict and number % 3 == 0)
        assert not budget.crowded(now)


def test_time_outs_of_long_ago_are_forgotten():
    budget = timed_out(RetryBudget(0.2, 10), 60)
    assert budget.crowded(9.0)
    assert not budget.crowded(11.0)
    assert not timed_out(budget, 1, now=60.0).crowded(60.0)


def test_a_cost_budget_is_spent_by_retries_and_paid_back_by_successes():
    """Retries of time-outs cost more."""
    budget = CostBudget(20, 5, 10, 1)
    assert [budget.withdraw(0.0), budget.withdraw(0.0, timed_out=True), budget.withdraw(0.0)] == [5, 10, 5]
    assert budget.withdraw(0.0) == 0
    budget.deposit(0.0)
    assert budget.tokens == 0
    budget.succeeded(10)  # after a retry that had cost 10
    assert budget.tokens == 10
    for _ in range(50):
        budget.succeeded(0)
    assert budget.tokens == 20


def test_what_was_paid_for_a_retry_that_was_not_sent_comes_back():
    budget = RetryBudget(0.5, 3)
    for _ in range(4):
        budget.deposit(0.0)
    paid = [budget.withdraw(0.0) for _ in range(5)]
    assert budget.tokens == 0
    for one in paid:
        budget.refund(one)
    assert budget.tokens == 5
    costs = CostBudget(20, 5, 10, 1)
    costs.refund(costs.withdraw(0.0, timed_out=True))
    assert costs.tokens == 20


def test_a_cost_budget_sees_a_crowd_only_where_it_is_told_to():
    """Busy clients whose attempts nearly all time out retry none of them, until it is better again."""
    for crowding in (False, True):
        budget = CostBudget(500.0, 5.0, 10.0, 1.0, crowding=crowding)
        now = 0.0
        for _ in range(400):
            now += 0.01
            budget.deposit(now)
            budget.failed(now, timed_out=True)
        assert budget.crowded(now) is crowding
        for _ in range(400):
            now += 0.01
            budget.deposit(now)
            budget.succeeded(0.0)
        assert not budget.crowded(now)


@pytest.mark.parametrize("strategy", [True, False])
def test_a_success_after_a_retry_pays_it_back_whatever_decides_on_retries(strategy):
    """A strategy (`retry=`), or a policy, sees the success too: it is a success all the same."""
    own = {"retry": retry_if_exception_type(ServerError)} if strategy else {"policy": Learned()}
    tries: list[int] = []

    def handler(_):
        tries.append(1)
        return reply(503 if len(tries) % 2 else 200)

    async def scenario():
        clock = FakeClock()
        policy = Retry(base=0.001, budget=CostBudgetSettings(100.0), **own)
        async with Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, retry=policy) as api:
            for _ in range(50):
                await api.get("/a")
            return api.stats.budget["h"]

    assert run(scenario()) == 100.0
