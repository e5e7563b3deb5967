"""The settings of retries and budgets: defaults, what is refused, and how `explain()` shows them."""

from __future__ import annotations

import pytest
from tenacity import stop_after_delay, wait_fixed

from asyncapi.errors import ConfigError
from asyncapi.settings import Budget, CostBudget, Retry


def test_the_defaults_are_four_attempts_with_full_jitter_and_a_budget():
    chosen = Retry()
    assert (chosen.max_attempts, chosen.base, chosen.cap, chosen.max_retry_after) == (4, 0.5, 30.0, 60.0)
    assert chosen.budget == Budget(0.2, 10.0)
    assert (chosen.wait, chosen.stop, chosen.retry) == (None, None, None)
    assert {429, 503} < chosen.statuses
    assert not {400, 401, 402, 404, 501} & chosen.statuses


def test_the_defaults_of_a_cost_budget_are_those_of_the_aws_sdks():
    chosen = CostBudget()
    assert (chosen.capacity, chosen.retry, chosen.timeout, chosen.payback) == (500, 5, 10, 1)


def test_a_stop_strategy_takes_the_place_of_the_default_number_of_attempts():
    assert Retry(stop=stop_after_delay(10)).max_attempts is None
    assert Retry(3, stop=stop_after_delay(10)).max_attempts == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Retry(0), "Retry(attempts=0): Input should be greater than or equal to 1"),
        (lambda: Retry(base=-1), "Retry(base=-1): Input should be greater than or equal to 0"),
        (lambda: Retry(cap="x"), "Retry(cap='x'): Input should be a valid number"),
        (lambda: Retry(statuses={99}), "Retry(statuses=99): Input should be greater than or equal to 100"),
        (lambda: Retry(budget=3), "Retry(budget=3): give Budget(...)"),
        (lambda: Retry(wait=3), "Retry(wait=3): Input should be callable"),
        (lambda: Retry(attempt=3), "Retry(attempt=3): there is no such setting; did you mean attempts=?"),
        (lambda: Budget(11), "Budget(ratio=11): Input should be less than or equal to 10"),
        (lambda: Budget(floor=-1), "Budget(floor=-1): Input should be greater than or equal to 0"),
        (lambda: CostBudget(0), "CostBudget(capacity=0): Input should be greater than 0"),
        (lambda: CostBudget(retry=0), "CostBudget(retry=0): Input should be greater than 0"),
        (lambda: CostBudget(payback=-1), "CostBudget(payback=-1): Input should be greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (Retry(), "4 attempts, full jitter 0.5..30 s, budget 20% + 10"),
        (Retry(2, base=1, cap=5, budget=None), "2 attempts, full jitter 1..5 s, no budget"),
        (
            Retry(stop=stop_after_delay(10), wait=wait_fixed(1)),
            "attempts as its stop strategy says, wait_fixed, budget 20% + 10",
        ),
        (
            Retry(budget=CostBudget()),
            "4 attempts, full jitter 0.5..30 s, budget 500, a retry costs 5, after a timeout 10",
        ),
    ],
)
def test_explain_shows_attempts_waits_and_budget(chosen, shown):
    assert chosen.describe() == shown


def retries_at_once(budget: Budget | CostBudget, *, timed_out: bool = False) -> int:
    running, retries = budget.start(), 0
    while retries < 1000 and running.withdraw(0.0, timed_out=timed_out):
        retries += 1
    return retries


def test_a_budget_starts_with_its_floor():
    assert retries_at_once(Budget(0.2, floor=3)) == 3
    assert retries_at_once(Budget(0.2, floor=0)) == 0


def test_a_cost_budget_pays_for_its_capacity_and_for_fewer_after_timeouts():
    assert retries_at_once(CostBudget(50)) == 10
    assert retries_at_once(CostBudget(50), timed_out=True) == 5
