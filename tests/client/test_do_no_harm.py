"""A default is never worse than off: a client without a setting, beside the same with `pace=False`, at hosts that refuse.

Virtual time; the scenarios are benchmarks/simulator/hosts.py, and `make bench` has more of them.
"""

import pytest
from simulator.hosts import Host, callers, fan_out, open_loop

from asyncapi import RateLimit


@pytest.mark.parametrize("rate", [10, 40, 120])
@pytest.mark.parametrize("retry_after", ["1", None])
@pytest.mark.parametrize("share", [0.002, 0.01, 0.05])
def test_random_refusals_fail_no_more_calls_than_without_pacing(share, retry_after, rate):
    on, off = (
        open_loop(rate, lambda: Host(3, share=share, retry_after=retry_after), seed=3, seconds=20, **more)
        for more in ({}, {"pace": False})
    )
    assert on.share <= off.share + 0.005
    assert on.median <= 2 * off.median
    assert on.early == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("share", "most"), [(0.01, 0.005), (0.05, 0.05)])
def test_neither_does_a_bucket_that_also_refuses_some(share, most, seed):
    on = open_loop(80, lambda: Host(seed, share=share, bucket=100.0), seed=seed, seconds=60)
    assert on.share <= most


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("burst", [20.0, 1000.0])
def test_single_calls_of_many_callers_are_not_lost_to_a_limit_and_hardly_refused(burst, seed):
    seen = callers(200, lambda: Host(seed, bucket=100.0, burst=burst), seed=seed)
    assert seen.failed <= 1  # one in five thousand may have met four refusals in a row
    assert seen.refusals <= 0.1
    assert seen.early == 0


def test_pacing_beyond_a_limit_fails_hardly_more_calls_than_waiting_alone():
    """Calls beyond the limit, compared with a client in which each call waits for itself."""
    on, off = (
        open_loop(120, lambda: Host(3, bucket=100.0), seed=3, seconds=40, **more) for more in ({}, {"pace": False})
    )
    assert on.share <= off.share + 0.1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_map_past_random_refusals_takes_no_longer_and_sends_nothing_again_early(seed):
    on, off = (fan_out(3000, 100, lambda: Host(seed, share=0.01), seed=seed, **more) for more in ({}, {"pace": False}))
    assert (on.failed, on.early) == (0, 0)
    assert on.lasted <= 2 * off.lasted


@pytest.mark.parametrize("seed", [1, 2])
def test_a_map_finds_the_rate_of_a_bucket_that_also_refuses_some(seed):
    ours = fan_out(4000, 200, lambda: Host(seed, share=0.01, bucket=100.0), seed=seed, timeout=None)
    told = fan_out(
        4000, 200, lambda: Host(seed, share=0.01, bucket=100.0), seed=seed, timeout=None, pace=False,
        rate=RateLimit(97, burst=1),
    )  # fmt: skip
    assert ours.failed == 0
    assert ours.lasted <= told.lasted / 0.5
