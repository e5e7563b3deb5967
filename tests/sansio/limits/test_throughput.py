"""What a host takes is measured: in the last second or two, and since attempts last began to get through."""

import pytest

from asyncapi.sansio.limits.throughput import Flow, Throughput


def test_throughput_is_what_went_through_in_the_last_one_to_two_seconds():
    through = Throughput()
    for hundredth in range(300):
        through.add(hundredth / 100)
    assert through.rate(3.0) == pytest.approx(100, rel=0.02)
    assert through.rate(3.5) == pytest.approx(100 / 1.5, rel=0.02)
    assert through.rate(10.0) == 0
    assert Throughput().rate(5.0) == 0


def flow(attempts, *, seconds, began=0.0):
    """So many attempts, spread evenly over so many seconds."""
    taken = Flow()
    for number in range(attempts):
        sent_at = began + seconds * number / attempts
        taken.add(sent_at + 0.1, sent_at)
    return taken


def test_a_flow_begins_when_the_first_of_its_attempts_was_sent():
    taken = Flow()
    assert taken.seconds(5.0) == 0
    taken.add(3.0, 2.5)
    taken.add(3.1, 2.0)  # answered later, sent earlier
    assert (taken.began, taken.count) == (2.0, 2)
    assert taken.seconds(5.0) == 3.0


def test_a_window_used_up_at_once_takes_its_count_in_the_whole_cycle_pause_included():
    assert flow(100, seconds=0.5).rate(0.5, pause=9.5) == pytest.approx(10.0)


def test_a_flow_longer_than_its_pause_takes_what_it_took_lately():
    assert flow(1000, seconds=10.0).rate(10.0, pause=1.0) == pytest.approx(100.0, rel=0.1)


def test_a_flow_of_less_than_a_second_is_no_huge_rate():
    assert flow(5, seconds=0.01).rate(0.01, pause=0.0) < 6


def test_after_a_pause_a_flow_begins_anew_and_what_came_lately_still_counts():
    taken = flow(100, seconds=1.0)
    taken.begin(1.0)
    assert (taken.began, taken.count, taken.seconds(3.0)) == (1.0, 0, 2.0)
    assert taken.recent.rate(1.2) > 0
