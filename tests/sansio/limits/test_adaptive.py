"""Adaptive limits find a hidden capacity, use it, keep off its edge, and follow when it moves.

The simulation is benchmarks/simulator/closed_loop.py: a seeded event heap, no clock and no socket.
"""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import closed_loop
from simulator.closed_loop import ClosedLoop, Phase

from asyncapi.errors import ConfigError
from asyncapi.sansio.limits.limit_algorithms import AIMD, ALGORITHMS, Gradient2, Vegas, Window
from asyncapi.settings.adaptive import Adaptive

CHANGES = ((0, 50), (30, 500), (60, 20))  # seconds, workers
EVERY = sorted(ALGORITHMS)


def limit_of(name, **settings):
    return Adaptive(name, **settings).start()


def simulate(name, *, service=0.1, seed=1, **settings):
    phases = [Phase(start, workers, service) for start, workers in CHANGES]
    return ClosedLoop(limit_of(name), phases, seed=seed, **settings).run(90)


def feed(limit, *, now=0.0, latency=0.1, rounds=1, in_flight=None, dropped=False):
    """Rounds of `limit` answers each, one round trip apart; the time after."""
    for _ in range(rounds):
        now += latency
        busy = int(limit.limit) if in_flight is None else in_flight
        for _ in range(max(10, busy)):
            limit.on_sample(now, latency, busy, dropped)
    return now


@pytest.mark.parametrize("name", EVERY)
def test_a_hidden_limit_that_changes_is_used_to_nine_tenths_within_ten_seconds(
    name,
):
    """The limit is 50, then 500, then 20 attempts at a time; under 1 % of attempts are rejected."""
    seen = simulate(name)
    for start, end in ((0, 30), (30, 60), (60, 90)):
        assert seen.settled(start, start + 15) <= 10
        assert seen.utilisation(start + 10, end) >= 0.9
        assert seen.rejections(start + 10, end) < 0.01


@pytest.mark.parametrize(
    "server",
    [
        {"shape": closed_loop.exponential},
        pytest.param({"shape": closed_loop.tailed}, marks=pytest.mark.soak),
        {"queue": 0.2},
        pytest.param({"queue": 0.2, "shape": closed_loop.exponential}, marks=pytest.mark.soak),
        {"queue": 0.0},
        pytest.param({"queue": 0.0, "shape": closed_loop.exponential}, marks=pytest.mark.soak),
        {"queue": 0.0, "shape": closed_loop.tailed},
        pytest.param({"queue": 5.0}, marks=pytest.mark.soak),
        {"service": 0.3},
    ],
    ids=[
        "uneven", "slow tail", "short queue", "short queue, uneven", "refuses at once", "refuses at once, uneven",
        "refuses at once, slow tail", "long queue", "slow",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", EVERY)
def test_whatever_the_server_is_like_it_is_used_and_hardly_rejects(name, server):
    seen = simulate(name, **server)
    for start, end in ((0, 30), (30, 60), (60, 90)):
        assert seen.utilisation(start + 10, end) >= 0.9
        assert seen.rejections(start + 10, end) < 0.01


@pytest.mark.parametrize("queue", [1.0, 0.0], ids=["queues", "refuses at once"])
@pytest.mark.parametrize(
    ("size", "seconds"), [(1, 90), (2, 60), (5, 60), (20, 40), pytest.param(2000, 16, marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("name", EVERY)
def test_a_server_of_any_size_is_used_and_hardly_rejects(name, size, seconds, queue):
    seen = ClosedLoop(limit_of(name, maximum=5000), [Phase(0, size)], queue=queue).run(seconds)
    assert seen.utilisation(10, seconds) >= 0.95
    assert seen.rejections(10, seconds) < 0.01


@pytest.mark.parametrize("queue", [1.0, 0.0], ids=["queues", "refuses at once"])
@pytest.mark.parametrize("name", EVERY)
def test_a_server_that_refuses_one_in_a_hundred_at_any_load_is_used_in_full(name, queue):
    seen = ClosedLoop(limit_of(name), [Phase(0, 100)], queue=queue, errors=0.01).run(30)
    assert seen.utilisation(10, 30) >= 0.9
    assert seen.rejections(10, 30) < 0.02


@pytest.mark.parametrize("name", ["gradient2", "vegas"])
def test_limits_by_latency_keep_the_servers_queue_short_where_aimd_fills_it(name):
    phases = [Phase(0, 50)]
    latency = ClosedLoop(limit_of(name), phases, queue=4.0).run(30).latency(15, 30)
    full = ClosedLoop(limit_of("aimd"), phases, queue=4.0).run(30).latency(15, 30)
    assert latency < 0.15
    assert full > 0.3


@pytest.mark.parametrize("name", EVERY)
def test_a_server_that_becomes_slower_for_good_is_used_again(name):
    phases = [Phase(0, 50, 0.1), Phase(30, 50, 0.3), Phase(90, 50, 0.05)]
    seen = ClosedLoop(limit_of(name), phases).run(120)
    assert seen.utilisation(60, 90) >= 0.9
    assert seen.utilisation(95, 120) >= 0.9


@pytest.mark.parametrize("name", EVERY)
def test_a_limit_that_is_not_used_does_not_grow(name):
    seen = ClosedLoop(limit_of(name), [Phase(0, 500)], demand=8).run(10)
    assert seen.seconds[-1].limit == 20


@pytest.mark.parametrize("name", EVERY)
def test_after_an_outage_the_limit_comes_back(name):
    limit = limit_of(name)
    now = feed(limit, rounds=60, dropped=True)
    assert limit.limit == 1
    feed(limit, now=now, rounds=200)
    assert limit.limit > 20


@pytest.mark.parametrize("name", EVERY)
def test_a_storm_of_drops_cuts_once_a_round_trip(name):
    limit = limit_of(name, initial=100)
    now = feed(limit, rounds=1, in_flight=10)
    for _ in range(50):
        limit.on_sample(now, 0.1, 100, True)
    assert limit.limit == 90
    for _ in range(50):
        limit.on_sample(now + 0.09, 0.01, 90, True)
    assert limit.limit == 90


def drop(limit, now, latency=0.01, in_flight=None, times=6):
    """So many refusals that they are no chance, all at once."""
    for _ in range(times):
        limit.on_sample(now, latency, int(limit.limit) if in_flight is None else in_flight, True)


def test_a_drop_sent_before_the_last_cut_is_known_already():
    limit = limit_of("aimd", initial=100)
    now = feed(limit, in_flight=10)
    drop(limit, now, 0.1)
    drop(limit, now + 5.0, 10.0)  # timeouts of attempts from before
    assert limit.limit == 90
    drop(limit, now + 5.0, 4.0)
    assert limit.limit < 90


def test_rounds_of_drops_one_after_the_other_cut_deeper_and_a_clean_window_forgives():
    limit = limit_of("aimd", initial=100)
    now, cuts = feed(limit, in_flight=10), []
    for _ in range(4):
        before = limit.limit
        now += 0.2
        drop(limit, now)
        cuts.append(limit.limit / before)
    assert cuts == pytest.approx([0.9, 0.81, 0.6561, 0.5])
    now = feed(limit, now=now + 0.1, rounds=3, in_flight=10)
    before = limit.limit
    drop(limit, now)
    assert limit.limit / before == pytest.approx(0.9)


def test_one_drop_in_a_window_at_a_limit_that_has_held_is_chance():
    limit = limit_of("gradient2", initial=100, maximum=100)
    now = feed(limit, rounds=2)
    for _ in range(5):
        limit.on_sample(now, 0.01, 100, True)
        now = feed(limit, now=now)
    assert limit.limit == 100


@pytest.mark.parametrize("name", EVERY)
def test_a_drop_right_after_a_raise_takes_the_raise_back_and_is_remembered(name):
    limit = limit_of(name, initial=50)
    now = feed(limit, rounds=2)
    raised = int(limit.limit)
    assert raised > 50
    held = int(limit._good)
    limit.on_sample(now, 0.005, raised, True)
    assert limit.limit == held
    for _ in range(8):  # a second, in which nobody is as bold again
        now = feed(limit, now=now)
        assert limit.limit <= raised - 1
    for _ in range(40):
        now = feed(limit, now=now)
    assert limit.limit > raised


def test_at_the_ceiling_one_more_is_tried_and_the_wait_before_it_doubles():
    """It is tried after many successes."""
    limit, now, probes = limit_of("gradient2", initial=20), 0.0, []
    limit.on_sample(now, 0.005, 20, False)
    while now < 30:
        now = feed(limit, now=now)
        if limit.limit >= 21:  # one too many for this host
            limit.on_sample(now, 0.005, 21, True)
            probes.append(now)
    waits = [later - earlier for earlier, later in itertools.pairwise(probes)]
    assert waits[0] >= 1.0
    assert 4.0 <= waits[-1] < 5.0
    assert len(probes) < 12


def test_an_outage_leaves_no_ceiling():
    limit = limit_of("gradient2", initial=100)
    now = feed(limit, rounds=2)
    for _ in range(20):
        drop(limit, now := now + 0.2)
    assert limit.limit == 1
    while limit.limit < 50 and now < 60:
        now = feed(limit, now=now)
    assert now < 20


@pytest.mark.parametrize("name", EVERY)
def test_thousands_of_refusals_and_of_failed_tries_overflow_nothing(name):
    limit, now = limit_of(name), 0.0
    for _ in range(3000):
        drop(limit, now := now + 1.0)
    assert limit.limit == 1


def test_a_thousand_failed_tries_at_the_ceiling_overflow_nothing():
    limit, now, failed = limit_of("gradient2", initial=20), 0.0, 0
    while failed < 1100:
        now = feed(limit, now=now, latency=2.0)
        if limit.limit >= 21:
            limit.on_sample(now, 0.005, 21, True)
            failed += 1
    assert limit.limit <= 20


@pytest.mark.parametrize("name", EVERY)
def test_several_clients_share_a_server_that_refuses_at_once_and_none_is_starved(name):
    loop = ClosedLoop([limit_of(name) for _ in range(3)], [Phase(0, 60)], queue=0.0)
    seen = loop.run(60)
    assert seen.utilisation(10, 60) >= 0.9
    assert seen.rejections(10, 60) < 0.01
    assert min(loop.ok) > 0.1 * sum(loop.ok)


@pytest.mark.parametrize("name", ["gradient2", "vegas"])
def test_a_look_lowers_the_limit_for_a_moment_and_a_drop_ends_it(name):
    limit = limit_of(name, initial=100, maximum=100)
    now, lowest = 0.0, 100.0
    while lowest > 50:  # the first
        now = feed(limit, now=now)
        lowest = min(lowest, limit.limit)
        assert now < 4
    now = feed(limit, now=now, rounds=4)
    assert limit.limit == 100
    while limit.limit > 70:
        now = feed(limit, now=now)
    drop(limit, now + 0.3, in_flight=70)
    assert limit.limit == 70  # 90 % of 100, but not over what it was
    now = feed(limit, now=now + 0.4)
    assert limit.limit < 90


def test_windows_with_little_in_flight_teach_the_idle_latency():
    limit = limit_of("gradient2", initial=40)
    now = feed(limit, rounds=10, in_flight=3, latency=0.1)
    assert limit.limit == 40
    feed(limit, now=now, rounds=4, latency=0.3)
    assert limit.limit < 33


def test_a_window_in_between_neither_grows_nor_teaches():
    limit = limit_of("vegas", initial=40)
    feed(limit, rounds=5, in_flight=25)
    assert limit.limit == 40


def window(latency, count=50):
    made = Window(0.0)
    for _ in range(count):
        made.add(latency, count)
    return made


def knowing(algorithm, idle):
    """An algorithm that has seen this idle latency for long."""
    for _ in range(1000):
        algorithm.idle(window(idle))
    return algorithm


def test_vegas_holds_still_while_a_few_wait():
    vegas = knowing(Vegas(), 0.1)
    scale = 1.7  # log10(50)
    assert vegas.next(50, window(0.1)) == pytest.approx(50 + 6 * scale, abs=0.1)  # nothing waits
    assert vegas.next(50, window(0.107)) == pytest.approx(50 + scale, abs=0.1)  # about 3
    assert vegas.next(50, window(0.115)) == 50  # about 6
    assert vegas.next(50, window(0.2)) == pytest.approx(50 - (25 - 6 * scale) / 2, abs=0.2)


def test_gradient2_settles_at_the_square_root_above_what_the_server_takes():
    gradient = knowing(Gradient2(), 0.1)
    limit = 20.0
    for _ in range(200):
        limit = gradient.next(limit, window(0.1 * max(1.0, limit / 100)))
    assert limit == pytest.approx(100 + limit**0.5, rel=0.1)  # the idle latency drifts a little meanwhile


def test_a_much_faster_window_shows_that_the_idle_latency_is_out_of_date():
    gradient = knowing(Gradient2(), 1.0)
    gradient.next(50, window(0.6))
    assert gradient._idle.seconds > 0.99
    gradient.next(50, window(0.1, count=10))
    assert gradient._idle.seconds > 0.99
    gradient.next(50, window(0.1))
    assert gradient._idle.seconds < 0.3


@given(
    st.sampled_from(EVERY),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 60), st.integers(0, 2000), st.booleans()), max_size=300),
)
def test_the_limit_stays_between_its_bounds_whatever_comes_back(name, samples):
    limit, now = limit_of(name, initial=5, minimum=2, maximum=30), 0.0
    for wait, latency, in_flight, dropped in samples:
        now += wait
        limit.on_sample(now, latency, in_flight, dropped)
        assert 2 <= limit.limit <= 30


def test_the_same_seed_gives_the_same_run():
    first, second = (simulate("gradient2", seed=7).seconds for _ in range(2))
    assert first == second


def test_shapes_of_service_times_have_the_mean_they_say():
    chance = random.Random(1)
    for shape, mean in ((closed_loop.uniform, 1.0), (closed_loop.exponential, 1.0), (closed_loop.tailed, 1.18)):
        assert sum(shape(chance) for _ in range(20_000)) / 20_000 == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "bbr"},
        {"initial": 0},
        {"initial": 5, "minimum": 6},
        {"initial": 5, "maximum": 4},
        {"backoff": 1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        Adaptive(**wrong)


def test_the_default_is_gradient2_from_20():
    limit = Adaptive().start()
    assert isinstance(limit._algorithm, Gradient2)
    assert limit.limit == 20
    assert isinstance(Adaptive("aimd").start()._algorithm, AIMD)
