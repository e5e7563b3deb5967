"""Single calls keep to what a server states, never to what is inferred from its refusals."""

import pytest

from pacer_feed import Feed, window


@pytest.fixture
def feed():
    return Feed()


def learned(feed):
    """A backlog has met a limit of 20 a second, and learned it."""
    for number in range(100):
        feed.send(number / 20)
    feed.limit(5.0)
    feed.send(6.0)
    feed.send(20.0)
    return feed.pacer


def test_a_rate_that_was_inferred_binds_a_backlog_and_no_single_call(feed):
    pacer = learned(feed)
    assert pacer.delay(20.0) > 0.01
    assert pacer.singly.delay(20.0) <= 0
    assert (pacer.available(20.0), pacer.singly.available(20.0)) == (0, 1)


def test_a_stated_quota_binds_single_calls_as_it_binds_a_backlog(feed):
    feed.send(0.0, window(10, 0, 30))
    assert feed.pacer.singly.delay(0.0) == 30
    assert not feed.pacer.singly.try_take(0.0)
    assert feed.pacer.singly.try_take(30.0)


def test_single_calls_and_a_backlog_take_turns_from_one_quota(feed):
    feed.send(0.0, window(10, 2, 30))
    feed.pacer.singly.take(0.0)
    feed.pacer.singly.take(0.0)
    assert feed.pacer.delay(0.0) == 30
    feed.pacer.singly.give_back()
    feed.pacer.singly.give_back()
    assert feed.pacer.delay(0.0) <= 15


def test_the_interval_of_forecasts_is_the_stated_one(feed):
    feed.send(0.0, window(1000, 201, 100))
    feed.pacer.take(0.0)
    assert feed.pacer.singly.interval == feed.pacer.interval == pytest.approx(0.5, rel=0.01)


def test_without_a_limit_any_number_may_go(feed):
    assert feed.pacer.singly.available(0.0) == float("inf")
    assert feed.pacer.singly.delay(0.0) == 0
