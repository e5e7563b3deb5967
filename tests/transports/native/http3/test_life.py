"""When a server at the other end of a UDP path is lost: times are passed in."""

from __future__ import annotations

import pytest

from asyncapi.transports.native.http3.life import QUIET, ROUND_TRIPS, SILENCE, Life, Verdict

KEEPALIVE = 15.0


@pytest.fixture
def life():
    made = Life(0.0, KEEPALIVE)
    made.opened(0.01)
    return made


def test_a_request_without_a_reply_is_lost_after_a_while(life):
    life.hears(100.0)
    assert life.asks(101.0)
    assert life.verdict(101.0 + SILENCE - 0.1, busy=True) is Verdict.NOTHING
    assert life.verdict(101.0 + SILENCE, busy=True) is Verdict.LOST


def test_a_slow_path_has_more_time():
    life = Life(0.0, KEEPALIVE)
    life.opened(2.0)
    life.asks(10.0)
    assert life.verdict(10.0 + SILENCE, busy=True) is Verdict.NOTHING
    assert life.verdict(10.0 + 2.0 * ROUND_TRIPS, busy=True) is Verdict.LOST


def test_any_datagram_is_a_sign_of_life(life):
    life.asks(1.0)
    life.hears(3.0)
    assert life.verdict(1.0 + SILENCE, busy=True) is Verdict.NOTHING
    assert life.due(busy=True) == 3.0 + QUIET


def test_what_is_sent_later_gives_no_more_time(life):
    assert life.asks(1.0)
    assert not life.asks(3.0)
    assert life.verdict(1.0 + SILENCE, busy=True) is Verdict.LOST


def test_a_quiet_server_is_asked_and_then_lost_if_it_stays_quiet(life):
    life.hears(1.0)
    assert life.verdict(1.0 + QUIET, busy=True) is Verdict.ASK
    life.asks(1.0 + QUIET)
    assert life.verdict(1.0 + QUIET, busy=True) is Verdict.NOTHING
    assert life.verdict(1.0 + QUIET + SILENCE, busy=True) is Verdict.LOST


def test_an_idle_connection_is_not_asked_but_closed_in_time(life):
    life.asks(1.0)
    life.idles(2.0)
    assert life.verdict(2.0 + KEEPALIVE - 0.1, busy=False) is Verdict.NOTHING
    assert life.verdict(2.0 + KEEPALIVE, busy=False) is Verdict.IDLE
    assert life.due(busy=False) == 2.0 + KEEPALIVE


def test_a_request_that_is_given_up_unheard_makes_it_silent_until_it_is_heard(life):
    life.hears(5.0)
    life.gives_up(4.0, 9.0)
    life.gives_up(6.0, 6.1)
    assert not life.silent
    life.gives_up(6.0, 7.0)
    assert life.silent
    life.hears(8.0)
    assert not life.silent
