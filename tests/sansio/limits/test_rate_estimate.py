"""A limit is told from a host that refuses a share whatever the rate: the one is kept to, the other is not slowed for.

The simulations are benchmarks/simulator/workers.py, as in test_pacing.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.workers import EachForItself, Fickle, FixedWindow, TokenBucket, Workers

from asyncapi.sansio.limits.pacing import Pacer


def run(server, seconds, *, workers=100, round_trip=0.05, seed=1, pacer=None):
    return Workers(pacer or Pacer(), server, workers=workers, round_trip=round_trip, seed=seed).run(seconds)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
@pytest.mark.parametrize("retry_after", ["1", None])
@pytest.mark.parametrize("share", [0.002, 0.01, 0.05])
def test_a_host_that_refuses_a_share_whatever_the_rate_is_used_as_without_pacing(share, retry_after, seed):
    alone = run(Fickle(share, retry_after=retry_after, seed=seed), 60, seed=seed, pacer=EachForItself())
    ours = run(Fickle(share, retry_after=retry_after, seed=seed), 60, seed=seed)
    assert sum(ours.ok) >= 0.9 * sum(alone.ok)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize(("share", "least"), [(0.01, 0.8), (0.05, 0.6)])
def test_a_bucket_that_also_refuses_a_share_is_used_all_the_same(share, least, retry_after, seed):
    inner = TokenBucket(retry_after=retry_after)
    seen = run(
        Fickle(share, retry_after="1" if retry_after else None, inner=inner, seed=seed), 190, workers=200, seed=seed
    )
    assert seen.rate(10, 190) >= least * 97
    assert seen.refusals(10, 190) <= share + 0.02


@pytest.mark.parametrize(("workers", "round_trip"), [(1, 0.02), (5, 0.05), (100, 0.05), (200, 0.3)])
def test_also_without_retry_after_and_however_many_ask(workers, round_trip):
    server = Fickle(0.01, retry_after=None)
    seen = run(server, 60, workers=workers, round_trip=round_trip)
    assert seen.rate(30, 60) >= 0.9 * 0.99 * workers / round_trip


@pytest.mark.parametrize("burst", [20, 90, 1000])
@pytest.mark.parametrize("round_trip", [0.05, pytest.param(0.3, marks=pytest.mark.soak)])
def test_a_bucket_however_deep_is_never_taken_for_such_a_host(burst, round_trip):
    pacer = Pacer()
    seen = run(TokenBucket(burst=burst), 300, workers=200, round_trip=round_trip, pacer=pacer)
    assert seen.rate(200, 300) >= 90
    assert seen.refusals(200, 300) <= 0.03


@pytest.mark.parametrize(("burst", "refused"), [(10, 0.02), (20, 0.02), (50, 0.02), (100, 0.06)])
@pytest.mark.parametrize("retry_after", [True, False])
def test_a_hidden_bucket_is_soon_known_and_seldom_met_again(burst, refused, retry_after):
    seen = run(TokenBucket(100.0, burst, retry_after=retry_after), 70, workers=100, round_trip=0.01)
    assert seen.rate(10, 70) >= 88
    assert seen.refusals(10, 70) < refused
    assert seen.broken == 0


def test_a_window_of_a_second_is_not_met_much():
    seen = run(FixedWindow(100, 1.0), 120, workers=200)
    assert seen.rate(20, 120) >= 80
    assert seen.refusals(20, 120) < 0.005


def test_a_host_that_gets_a_limit_later_is_kept_to_it():
    server = Fickle(0.01, seed=3)
    pacer = Pacer()
    workers = Workers(pacer, server, workers=100, seed=3)
    workers._at(60.0, lambda now: setattr(server, "_inner", TokenBucket(100.0, 20.0)))
    workers._at(60.0, lambda now: setattr(server, "_share", 0.0))
    seen = workers.run(180)
    assert sum(seen.ok[20:60]) > 3000
    assert seen.refusals(120, 180) < 0.03
    assert seen.rate(120, 180) >= 90


@pytest.mark.parametrize("share", [0.3, 0.2])
def test_a_limit_that_falls_is_found_from_below(share):
    server = TokenBucket()
    workers = Workers(Pacer(), server, workers=200)
    workers._at(60.0, lambda now: setattr(server, "rate", 100.0 * (1 - share)))
    seen = workers.run(240)
    assert seen.refusals(120, 240) < 0.05
    assert seen.rate(120, 240) >= 0.9 * 100 * (1 - share)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50), st.floats(0, 10), st.booleans(), st.one_of(st.none(), st.floats(0, 100))
        ),
        max_size=60,
    )
)  # fmt: skip
def test_whatever_comes_back_the_interval_is_a_finite_time(events):
    pacer, now = Pacer(), 0.0
    for wait, took, refused, asked in events:
        now += wait
        pacer.take(now)
        pacer.observe(now + took, number=pacer.begin(), sent_at=now, status=429 if refused else 200, retry_after=asked)
        assert 0 <= pacer.estimate.interval(now + took) < float("inf")
        assert 0 <= pacer.background.share <= 1
