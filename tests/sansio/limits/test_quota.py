"""The copy of a server's count is right at any time: what is left of a quota is spread, and nothing is sent beyond it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.quota import Level, Quotas
from asyncapi.sansio.limits.ratelimit_headers import Quota
from pacer_feed import Feed, window


@pytest.fixture
def feed():
    return Feed()


def test_what_remains_is_spread_over_the_rest_of_the_window(feed):
    feed.send(0.0, window(1000, 200, 100))
    assert feed.count(0.0, 50) == pytest.approx(100, abs=2)
    assert feed.count(50.0, 49.9) == pytest.approx(100, abs=2)


def test_with_nothing_left_it_waits_for_the_reset_and_then_knows_the_new_window(feed):
    feed.send(0.0, window(10, 0, 30))
    assert feed.pacer.delay(0.0) == 30
    assert feed.pacer.delay(30.0) <= 0
    assert feed.count(30.0, 29.9) <= 10
    assert feed.pacer.delay(500.0) <= 0


def test_an_idle_while_begins_a_new_window(feed):
    feed.send(0.0, window(10, 0, 30))
    assert feed.count(100.0, 30.0) == pytest.approx(10, abs=1)


def test_a_response_from_the_window_before_is_no_news(feed):
    feed.send(0.0, window(10, 0, 30))
    feed.send(30.5, window(10, 9, 29.5))
    feed.send(31.0, window(10, 0, 0))
    assert feed.pacer.delay(31.0) < 5


def test_a_reset_that_moves_along_is_a_sliding_window(feed):
    for second in range(4):
        feed.send(float(second), window(600, 0, 60))
    assert feed.pacer.delay(3.0) == pytest.approx(0.2, abs=0.05)  # at least; not 60 s


def test_when_a_bucket_will_be_full_says_its_rate(feed):
    stated = Quota("openai", "requests", "requests", 100, 0, 10.0)
    feed.send(0.0, stated)
    feed.send(0.1, stated)
    assert feed.pacer.delay(0.1) == pytest.approx(0.2, abs=0.01)
    nearly_full = Quota("openai", "requests", "requests", 100, 99, 0.001)
    feed.send(50.0, nearly_full)
    assert feed.pacer.delay(50.0) <= 0


def test_tokens_are_counted_by_what_an_attempt_is_seen_to_cost(feed):
    for number in range(20):
        left = 90_000 - 2000 * number
        feed.send(number * 1.0, Quota("x-ratelimit", "tokens", "tokens", 100_000, left, 100.0 - number))
    feed.pacer.observe(
        20.0, number=20, sent_at=19.0, quotas=[Quota("x-ratelimit", "tokens", "tokens", 100_000, 20_000, 80.0)]
    )
    assert feed.count(20.0, 79.0) == pytest.approx(10, abs=2)


def test_tokens_that_come_back_meanwhile_are_no_negative_cost(feed):
    for remaining in (500, 900, 100):
        feed.send(0.0, Quota("x-ratelimit", "tokens", "tokens", 1000, remaining, 60.0))
    assert feed.count(0.0, 30.0) < 20


def test_a_policy_without_a_count_or_a_count_without_a_time_holds_nothing_back(feed):
    feed.send(0.0, Quota("ietf", "hour", "requests", 9, None, None, 3600.0))
    feed.send(0.0, Quota("ietf", "odd", "requests", None, 0, None))
    feed.send(0.0, Quota("openai", "requests", "requests", None, 0, None))
    feed.send(0.0, Quota("ietf", "odd window", "requests", None, 1, None, 1.0))
    assert feed.pacer.delay(0.0) <= 0
    assert feed.pacer.interval == 0


def test_one_name_for_several_limits_is_left_alone(feed):
    """As GitHub's resources, or an LLM's models: nobody knows which one the next attempt falls under."""
    for number in range(6):
        limit = 30 if number % 2 else 5000
        feed.send(float(number), Quota("github", f"r{limit}", "requests", limit, 0, 60.0))
    assert feed.pacer.delay(6.0) <= 0


def test_a_host_keeps_no_more_than_sixteen_quotas(feed):
    feed.send(0.0, *(Quota("ietf", str(number), "requests", 10, 5, 60.0) for number in range(50)))
    assert len(feed.pacer._quotas._levels) == 16


def test_a_turn_given_back_counts_only_in_the_window_it_was_taken_from():
    level = Level(counts_requests=True)
    level.update(0.0, window(10, 5, 30), 1, 0.0, 1)
    level.spend(1.0, 1.0)
    level.give_back(1.0, taken=1.0)
    assert level.left == 5
    level.spend(31.0, 1.0)  # a new window
    level.give_back(1.0, taken=1.0)
    assert level.left == 9


def test_it_waits_for_the_longest_of_several_quotas():
    quotas = Quotas()
    for name, reset in (("minute", 30.0), ("hour", 900.0)):
        assert quotas.update(0.0, Quota("x-ratelimit", name, "requests", 10, 0, reset), 1, 0.0, 1)
    assert quotas.empty
    assert quotas.wait(0.0) == 900


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.booleans()), max_size=200))
def test_no_window_gets_more_than_its_quota_whatever_the_times(steps):
    """Windows of 60 s with 20 requests each, counted by a server whose every response states what is left."""
    level, now, sent, starts, used = Level(counts_requests=True), 0.0, 0, 0.0, 0
    for pause, states in steps:
        now += pause + max(0.0, level.wait(now + pause))
        if now >= starts + 60:
            starts, used = now // 60 * 60, 0
        used, sent = used + 1, sent + 1
        assert used <= 20
        level.spend(now, 1.0)
        if states or sent == 1:
            level.update(now, Quota("x-ratelimit", "", "requests", 20, 20 - used, starts + 60 - now), sent, now, sent)
