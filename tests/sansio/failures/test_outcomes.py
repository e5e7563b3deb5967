"""What other retries are expected to come to is learned from the other half of the calls, and from few of them mildly."""

import pytest

from asyncapi.sansio.failures.outcomes import Decision, Episode, Model, Outcomes
from asyncapi.trace.policies import Spec

CHANCES = [0.5, 0.5, *[0.0] * 7]
WAITS = [0.1 * arm for arm in range(9)]


def retried(arm, *, failed, **more):
    return Episode([Decision("503", 1, arm, CHANCES, 0.1, **more)], failed, attempts=2)


def outcomes_of(*calls):
    found = Outcomes()
    for number, episode in enumerate(calls):
        found.add(number, episode)
    return found


def test_a_half_is_judged_by_the_other_one():
    found = outcomes_of(retried(0, failed=True), retried(0, failed=False))
    assert found.elsewhere(0)["503", 0] == [1.0, 0.0]
    assert found.elsewhere(1)["503", 0] == [0.0, 1.0]


def test_only_retries_that_were_sent_and_seen_count():
    held = Episode([Decision("503", 1, 0, CHANCES), Decision("", 2, held=True)], failed=False, attempts=2)
    found = outcomes_of(retried(0, failed=False, stopped=True), held, Episode(), held)
    assert (found.elsewhere(0), found.elsewhere(1)) == ({}, {})


def test_before_anything_was_seen_a_retry_fails_as_often_as_not():
    model = Model({}, Spec(attempts=2, wait=0.0), WAITS)
    assert model.of("503", 1) == (0.5, 1.0, 0.0)
    assert model.of("503", 2) == (1.0, 0.0, 0.0)


def test_what_was_seen_of_a_kind_outweighs_all_kinds():
    seen = {("500", 0): [0.0, 98.0], ("503", 0): [98.0, 0.0], ("", 0): [98.0, 98.0]}
    model = Model(seen, Spec(attempts=2, wait=0.0), WAITS)
    assert model.of("500", 1)[0] == pytest.approx(0.99)
    assert model.of("503", 1)[0] == pytest.approx(0.01)
    assert model.of("502", 1)[0] == pytest.approx(0.5)


def test_no_number_of_attempts_takes_for_ever():
    failed, attempts, _ = Model({}, Spec(attempts=10**9, wait=0.0), WAITS).of("503", 1)
    assert failed < 0.001
    assert attempts < 2.01
