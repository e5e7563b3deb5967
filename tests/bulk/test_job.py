"""The settings of a job become those of its client."""

import pytest

from asyncapi import Bearer, ConfigError, RateLimit, Timeout
from asyncapi.bulk import Job


@pytest.mark.parametrize(
    ("rate", "amount", "per", "burst"),
    [("50", 50, 1, 50), ("50/s", 50, 1, 50), ("100/m", 100, 60, 100 / 60), ("5000/h", 5000, 3600, 5000 / 3600),
     ("10/d", 10, 86400, 1), (2.5, 2.5, 1, 2.5)],
)  # fmt: skip
def test_rates_are_read_and_spread_evenly(rate, amount, per, burst):
    assert Job("-", "-", rate=rate).rate_limit() == RateLimit(amount, per=per, burst=burst)


def test_a_timeout_is_for_one_attempt_so_that_queueing_fails_no_row():
    assert Job("-", "-", timeout=3).limits() == Timeout(None, connect=3, attempt=3)
    assert Job("-", "-").limits() == Timeout(None, connect=5, attempt=30)
    assert Job("-", "-", timeout=None).limits() == Timeout(None, connect=None)
    assert Job("-", "-", timeout=Timeout(9)).limits() == Timeout(9)


def test_the_retry_budget_and_the_longest_wait_are_the_jobs():
    assert Job("a", "b", retry_budget="none").retries().budget is None
    assert Job("a", "b", retry=3, retry_budget=0.5).retries().budget.ratio == 0.5
    assert Job("a", "b", retry=None, retry_budget=0.5).retries() is None
    assert Job("a", "b", max_wait=60).retries().max_retry_after == 60
    with pytest.raises(ConfigError, match="retry_budget"):
        Job("a", "b", retry_budget=-1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "100 at a time"), ({"rate": 50, "concurrency": 5}, "5 at a time, 50 a second"),
        ({"rate": "100/m"}, "100 at a time, 100 a minute"), ({"rate": RateLimit(9, per=2)}, "100 at a time, 9 in 2 s"),
    ],
)  # fmt: skip
def test_the_limits_in_words(settings, text):
    assert Job("a", "b", **settings).limits_text() == text


def test_a_token_comes_from_the_environment_without_its_line_end(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "s3cr3t\n")
    assert isinstance(Job("a", "b", auth_env="SOME_TOKEN").auth(), Bearer)
    assert Job("a", "b").auth() is None
    with pytest.raises(ConfigError, match="export NOBODY_SET_THIS="):
        Job("a", "b", auth_env="NOBODY_SET_THIS").auth()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("dict", "write package.module:Model"),
        ("none.such:X", "cannot import none.such"),
        ("json:None", "json has no None"),
    ],
)
def test_a_model_that_is_not_there_is_named(name, problem):
    with pytest.raises(ConfigError, match=problem):
        Job("a", "b", model=name).model_type()


def test_secrets_are_not_in_the_repr():
    assert "s3cr3t" not in repr(Job("a", "b", headers={"X-Key": "s3cr3t"}, proxy="http://u:s3cr3t@h"))
