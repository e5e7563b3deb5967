"""`Learned`: its defaults, what it brings with it, and what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from tenacity import retry_if_exception, stop_after_attempt, wait_fixed

from asyncapi import Budget, ConfigError, CostBudget, Learned, Retry
from asyncapi.bulk.retry_on import RetryOn
from asyncapi.stores import MemoryStore


def test_a_policy_brings_six_attempts_and_a_budget_that_successes_pay_back():
    retry = Retry(policy=Learned())
    assert (retry.max_attempts, retry.budget) == (6, CostBudget(800, timeout=5, crowding=True))


def test_what_the_user_says_of_attempts_and_budget_wins():
    retry = Retry(3, policy=Learned(), budget=Budget())
    assert (retry.max_attempts, retry.budget) == (3, Budget())
    assert Retry(policy=Learned(), budget=None).budget is None
    assert Retry(policy=Learned(), stop=stop_after_attempt(9)).max_attempts is None


def test_a_copy_keeps_the_budget():
    retry = Retry(policy=Learned())
    assert replace(retry, attempts=2).budget == pickle.loads(pickle.dumps(retry)).budget == retry.budget


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Retry(policy=Learned(), wait=wait_fixed(1)),
            "Retry: policy and wait both decide how long to wait: drop wait=, or the policy",
        ),
        (
            lambda: Retry(policy=Learned(), retry=retry_if_exception(bool)),
            "Retry: policy and retry both decide whether a retry is worth it: drop retry=, or the policy",
        ),
        (lambda: Learned(explore=0), "explore"),
        (lambda: Learned(explore=float("nan")), "explore"),
        (lambda: Learned(memory=1), "memory"),
        (lambda: Learned(patience=-1), "patience"),
        (lambda: Learned(store="learned.db"), "Learned: store='learned.db' keeps no texts: give a store such as"),
        (lambda: Retry(policy="learned"), "policy"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, message):
    with pytest.raises(ConfigError) as raised:
        make()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_strategy_that_names_kinds_of_failures_goes_together_with_a_policy():
    assert Retry(policy=Learned(), retry=RetryOn.of([503])).retry is not None


def test_equal_settings_are_one_key_whatever_the_store():
    class Unhashable(MemoryStore):
        __hash__ = None

    store = Unhashable()
    assert {Learned(store=store): 1}[Learned(store=store)] == 1
    assert Learned() == Learned()
    assert Learned() != Learned(patience=1.0)


def test_explain_names_the_policy():
    assert Retry(policy=Learned()).describe() == (
        "6 attempts, learned waits (5% are trials, patience 1.5, memory 200 retries), "
        "budget 800, a retry costs 5, after a timeout 5"
    )
