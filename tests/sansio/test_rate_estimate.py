"""A limit is told from a host that refuses a share whatever the rate: the one is kept to, the other is not slowed for.

The simulations are benchmarks/simulator/workers.py, as in test_pacing.py.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.pacing import Pacer
from asyncapi.sansio.refusals import Refusals

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from simulator.workers import Fickle, FixedWindow, PausesAlone, TokenBucket, Workers


def run(server, seconds, *, workers=100, round_trip=0.05, seed=1, pacer=None):
    return Workers(pacer or Pacer(), server, workers=workers, round_trip=round_trip, seed=seed).run(seconds)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("share", "least"), [(0.002, 0.85), (0.01, 0.8), (0.05, 0.65)])
def test_a_host_that_refuses_a_share_whatever_the_rate_is_used_as_if_nobody_had_slowed_down(share, least, seed):
    ideal = run(Fickle(share, seed=seed), 120, seed=seed, pacer=PausesAlone())
    ours = run(Fickle(share, seed=seed), 120, seed=seed)
    assert ours.broken == 0
    assert sum(ours.ok) >= least * sum(ideal.ok)


@pytest.mark.parametrize(("workers", "round_trip"), [(1, 0.02), (5, 0.05), (100, 0.05), (200, 0.3)])
def test_also_without_retry_after_and_however_many_ask(workers, round_trip):
    server = Fickle(0.01, retry_after=None)
    seen = run(server, 60, workers=workers, round_trip=round_trip)
    assert seen.rate(30, 60) >= 0.7 * 0.99 * workers / round_trip


@pytest.mark.parametrize("burst", [20, 90, 1000])
@pytest.mark.parametrize("round_trip", [0.05, 0.3])
def test_a_bucket_however_deep_is_never_taken_for_such_a_host(burst, round_trip):
    pacer = Pacer()
    run(TokenBucket(burst=burst), 300, workers=200, round_trip=round_trip, pacer=pacer)
    assert not pacer._refusals.indifferent
    assert 90 <= pacer._refusals.rate.at(300) <= 130


@pytest.mark.parametrize("burst", [10, 20, 50, 100])
@pytest.mark.parametrize("retry_after", [True, False])
def test_a_hidden_bucket_is_known_after_two_refusals_and_hardly_met_again(burst, retry_after):
    seen = run(TokenBucket(100.0, burst, retry_after=retry_after), 40, workers=100, round_trip=0.01)
    assert seen.rate(10, 40) >= 94
    assert seen.refusals(10, 40) < 0.001
    assert seen.broken == 0


def test_a_window_of_a_second_is_not_taken_for_a_bucket_for_long():
    seen = run(FixedWindow(100, 1.0), 120, workers=200)
    assert seen.rate(20, 120) >= 93
    assert seen.refusals(20, 120) < 0.005


def test_a_host_that_gets_a_limit_later_is_kept_to_it():
    server = Fickle(0.01, seed=3)
    pacer = Pacer()
    workers = Workers(pacer, server, workers=100, seed=3)
    workers._at(60.0, lambda now: setattr(server, "_inner", TokenBucket(100.0, 20.0)))
    workers._at(60.0, lambda now: setattr(server, "_share", 0.0))
    seen = workers.run(180)
    assert sum(seen.ok[20:60]) > 3000
    assert seen.refusals(120, 180) < 0.01
    assert seen.rate(120, 180) >= 90


def test_the_question_is_asked_anew_after_so_many_rounds():
    pacer, states = Pacer(), []
    workers = Workers(pacer, Fickle(0.05, seed=2), workers=100, seed=2)
    for second in range(200):
        workers._at(float(second), lambda now: states.append(pacer._refusals.indifferent))
    workers.run(200)
    first = states.index(True)
    assert first < 40
    again = states.index(False, first)
    assert True in states[again:]


def test_one_attempt_goes_first_and_then_less_and_less_often():
    refusals = Refusals()
    gaps = []
    for number in range(1, 7):
        refusals.refused(float(number), number=number, sent_at=number - 0.5, asked=None, explained=False)
        gaps.append(refusals.interval(float(number)))
    assert gaps == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    refusals.passed(7.0, 7, 6.5)
    assert refusals.interval(6.5) == pytest.approx(0.05)


def test_while_nothing_goes_through_a_server_is_asked_no_less_often_than_it_says():
    refusals = Refusals()
    for number in range(1, 7):
        refusals.refused(float(number), number=number, sent_at=number - 0.5, asked=2.0, explained=False)
    assert refusals.interval(6.0) == 2.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50), st.floats(0, 10), st.booleans(), st.booleans(), st.one_of(st.none(), st.floats(0, 100))
        ),
        max_size=60,
    )
)  # fmt: skip
def test_whatever_comes_back_the_interval_is_a_finite_time(events):
    refusals, now = Refusals(), 0.0
    for number, (wait, took, refused, explained, asked) in enumerate(events, 1):
        now += wait
        if refused:
            refusals.refused(now + took, number=number, sent_at=now, asked=asked, explained=explained)
        else:
            refusals.passed(now + took, number, now)
        assert 0 <= refusals.interval(now + took) < float("inf")
