"""Learned retries: only allowed waits are chosen, with known likelihood, from bounded memory that fades."""

from __future__ import annotations

from math import isclose, isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi.sansio.failures.learned import (
    HALF_LIFE,
    LONGEST,
    MAX_KEYS,
    WAITS,
    Learning,
    Rules,
    propensities,
)

KEY = ("GET /items", "503")
GREEDY = (0.5, 0.0)  # draws that explore nothing, and draw no wait out


def taught(ends: dict[int, tuple[int, int]], rules: Rules | None = None) -> Learning:
    """Learning that has seen so many good and bad ends of each wait, by its number."""
    learning = Learning(rules or Rules(memory=100_000))
    for arm, (good, bad) in ends.items():
        for number in range(good + bad):
            choice = learning.choose(KEY, None, (0.0499 * (arm + 0.5) / len(WAITS), 0.0), 0.0)
            assert choice.arm == arm
            learning.settle(choice, number < good)
    return learning


def test_a_first_failure_is_retried_at_once():
    choice = Learning(Rules()).choose(KEY, 10.0, GREEDY, 0.0)
    assert (choice.arm, choice.wait, choice.explored) == (0, 0.0, False)
    assert choice.reason == "no such wait was seen yet"


def test_the_wait_that_ends_well_is_chosen():
    choice = taught(dict.fromkeys(range(6), (0, 9)) | {6: (41, 11)}).choose(KEY, 10.0, (0.5, 0.5), 0.0)
    assert (choice.arm, choice.wait) == (6, 2.0)
    assert choice.reason.startswith("41 of 52 such waits ended well; ")


def test_another_wait_is_tried_while_the_first_retries_are_under_way():
    learning = Learning(Rules())
    first = learning.choose(KEY, 10.0, GREEDY, 0.0)
    first.seen.under_way[first.arm] = 5
    other = learning.choose(KEY, 10.0, GREEDY, 0.0)
    assert (first.arm, other.arm) == (0, 1)
    first.seen.under_way[0] = 0
    learning.settle(first, good=True)
    first.seen.under_way[0] = 5
    assert learning.choose(KEY, 10.0, GREEDY, 0.0).arm == 0  # one has ended well: it is known


def test_no_retry_where_none_ends_well():
    choice = taught(dict.fromkeys(range(len(WAITS)), (0, 9))).choose(KEY, 60.0, GREEDY, 0.0)
    assert (choice.arm, choice.wait, choice.best) == (None, 0.0, None)
    assert choice.reason == "0 of 81 retries of 503 on GET /items ended well"
    assert choice.propensity == pytest.approx(0.95)


def test_a_server_that_says_so_is_asked_again_all_the_same():
    learning = taught(dict.fromkeys(range(len(WAITS)), (0, 9)))
    assert learning.choose(KEY, 60.0, GREEDY, 0.0, told=lambda: True).arm is not None


def test_a_fallback_that_is_worth_more_takes_the_place_of_a_retry():
    learning = taught({0: (6, 4)})
    assert learning.choose(KEY, 60.0, GREEDY, 0.0, instead=0.3).arm is not None
    refused = learning.choose(KEY, 60.0, GREEDY, 0.0, instead=0.9)
    assert refused.arm is None
    assert refused.reason.startswith("a fallback is worth more now: ")


@pytest.mark.parametrize("left", [0.07, 0.0, -1.0])
def test_a_deadline_that_is_too_near_leaves_no_choice(left):
    choice = Learning(Rules()).choose(KEY, left, (0.0, 0.0), 0.0)
    assert (choice.arm, choice.allowed, choice.propensity) == (None, 0, 1.0)
    assert "too little for another attempt" in choice.reason


def test_the_users_cap_bounds_every_wait():
    learning = Learning(Rules())
    for draw in range(100):
        assert learning.choose(KEY, None, (draw / 100, 0.999), 0.0, most=0.2).wait <= 0.2
        assert learning.choose(KEY, None, (draw / 100, 0.999), 0.0, most=0.0).wait == 0.0


def test_half_is_forgotten_after_the_memory_and_after_an_hour():
    learning = taught({0: (0, 100)}, Rules(memory=200))
    [(_, seen)] = learning.items()
    before = seen.bad[0]
    for _ in range(200):
        learning.settle(learning.choose(KEY, None, (0.0499, 0.0), 0.0), good=True)
    assert seen.bad[0] == pytest.approx(before / 2)
    learning.choose(KEY, None, GREEDY, HALF_LIFE)
    assert seen.bad[0] == pytest.approx(before / 4)
    learning.choose(KEY, None, GREEDY, 25 * HALF_LIFE)
    assert seen.bad[0] < 1e-5  # a day: forgotten


def test_a_clock_that_was_set_back_or_far_ahead_breaks_nothing():
    learning = taught({0: (0, 9)})
    for now in (1e6, -1e6, 1e15, 0.0):
        choice = learning.choose(KEY, 10.0, GREEDY, now)
        assert isfinite(choice.value)


def test_keys_are_bounded_and_late_ones_learn_together():
    learning = Learning(Rules())
    for number in range(20_000):
        choice = learning.choose((f"GET /{number}", "503"), 10.0, GREEDY, 0.0)
        learning.settle(choice, good=False)
    known = dict(learning.items())
    assert len(known) <= MAX_KEYS
    assert known["other routes", "503"].refused > 0  # unknown routes are no reason to retry for ever
    for kind in range(1000):
        learning.choose(("GET /new", f"kind {kind}"), 10.0, GREEDY, 0.0)
    assert len(dict(learning.items())) <= MAX_KEYS


def test_a_place_is_free_again_when_its_route_was_not_needed_for_long():
    learning = Learning(Rules())
    for number in range(1000):
        learning.choose((f"GET /{number}", "503"), 10.0, GREEDY, 0.0)
    choice = learning.choose(("GET /later", "503"), 10.0, GREEDY, 3600.0)
    assert choice.key == ("GET /later", "503")


steps = st.lists(
    st.tuples(
        st.sampled_from([KEY, ("GET /poison", "500"), ("POST /orders", "ConnectError")]),
        st.one_of(st.none(), st.floats(-10, 1e6)),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.floats(-1e5, 1e5),
        st.floats(0, 1),
        st.sampled_from([True, False, None]),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=200)
@given(steps, st.floats(0, 100), st.floats(0.001, 0.5), st.floats(10, 1e5), st.floats(0, 60))
def test_any_history_keeps_every_promise(history, patience, explore, memory, most):
    """Waits end before the deadline and within the cap, likelihoods sum to 1, and no number breaks."""
    learning = Learning(Rules(patience, explore, memory))
    now = 0.0
    for key, left, draw, jitter, passed, instead, good in history:
        now += passed
        choice = learning.choose(key, left, (draw, jitter), now, instead=instead, most=most)
        shares = propensities(choice.allowed, choice.best, explore)
        assert isclose(sum(shares), 1.0)
        assert all(share >= 0 for share in shares)
        assert isclose(choice.propensity, shares[-1 if choice.arm is None else choice.arm], abs_tol=1e-12)
        assert isfinite(choice.value)
        if choice.arm is not None:
            assert 0 <= choice.arm < choice.allowed
            assert 0.0 <= choice.wait <= min(most, LONGEST[choice.arm])
            assert left is None or choice.wait < left
        if good is not None:
            learning.settle(choice, good)
    for _, seen in list(learning.items()):
        assert all(isfinite(count) and count >= 0 for count in (*seen.good, *seen.bad, seen.tried, seen.won, seen.unit))
        assert 0 <= seen.refused <= seen.asked + 1e-9


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.booleans()), max_size=40))
def test_the_same_draws_decide_the_same(draws):
    runs = []
    for _ in range(2):
        learning, run = Learning(Rules()), []
        for number, (draw, good) in enumerate(draws):
            choice = learning.choose(KEY, 8.0, (draw, draw), float(number))
            run.append(choice.as_dict())
            learning.settle(choice, good)
        runs.append(run)
    assert runs[0] == runs[1]
