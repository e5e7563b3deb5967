"""How a limit moves after a window of responses: by AIMD, by Vegas and by Gradient2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.limit_algorithms import AIMD, ALGORITHMS, Gradient2, IdleLatency, Vegas, Window


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


def test_a_window_knows_its_mean_how_sure_it_is_of_it_and_the_most_in_flight():
    made = Window(3.0)
    for latency, in_flight in ((0.1, 4), (0.2, 7), (0.3, 5)):
        made.add(latency, in_flight)
    assert (made.opened_at, made.count, made.most) == (3.0, 3, 7)
    assert made.latency == pytest.approx(0.2)
    assert made.variance == pytest.approx(0.02 / 3 / 3)


def test_aimd_steps_grow_with_every_clean_window_and_begin_anew_after_a_cut():
    aimd, limit, steps = AIMD(), 20.0, []
    for _ in range(4):
        before, limit = limit, aimd.next(limit, window(0.1))
        steps.append(limit - before)
    assert steps == [1, 2, 3, 4]
    assert aimd.next(limit / 2, window(0.1)) == limit / 2 + 1


def test_a_queue_of_our_making_hardly_moves_the_idle_latency():
    idle = IdleLatency()
    for _ in range(1000):
        idle.add(window(0.1))
    for _ in range(100):
        idle.gradient(window(0.3))
    assert idle.seconds == pytest.approx(0.12, abs=0.005)


def test_what_may_be_chance_is_no_queue():
    idle = IdleLatency()
    for _ in range(100):
        idle.add(window(0.1))
    few = Window(0.0)
    for latency in (0.05, 0.08, 0.1, 0.3):
        few.add(latency, 4)
    assert few.latency > 0.1
    assert idle.gradient(few) == 1.0


@given(
    st.sampled_from(sorted(ALGORITHMS)),
    st.lists(st.tuples(st.floats(1e-6, 1e3), st.integers(1, 500), st.booleans()), min_size=1, max_size=60),
    st.floats(1, 5000),
)
def test_no_step_cuts_deeper_than_to_a_half_or_gives_anything_but_a_figure(name, windows, limit):
    algorithm = ALGORITHMS[name]()
    for latency, count, used_little in windows:
        if used_little:
            algorithm.idle(window(latency, count))
        else:
            wanted = algorithm.next(limit, window(latency, count))
            assert limit / 2 - 1.5 <= wanted < float("inf")
