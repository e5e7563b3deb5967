"""The estimate of another policy, on simulated calls whose truth is known: its interval covers it."""

import random
from math import sqrt

import pytest

from asyncapi.sansio.failures.learned import LONGEST, WAITS, propensities
from asyncapi.sansio.failures.off_policy import NEEDED, Estimate, Logged, evaluate, logged
from asyncapi.sansio.failures.outcomes import Decision, Episode, Outcomes
from asyncapi.trace.policies import Spec

MIDDLES = [(one + other) / 2 for one, other in zip(WAITS, LONGEST, strict=True)]
GOOD = [0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8]  # how likely a retry ends well after each wait
FAILS = 0.4  # how likely a first attempt fails
MOST = 6


def simulated(seed, calls, explore, best=2):
    draw = random.Random(seed).random
    episodes = []
    for _ in range(calls):
        decisions, attempts, failed = [], 1, draw() < FAILS
        while failed and attempts < MOST:
            chances = propensities(len(WAITS), best, explore)[:-1]
            arm = random.Random(draw()).choices(range(len(WAITS)), chances)[0]
            decisions.append(Decision("503", attempts, arm, chances, MIDDLES[arm]))
            attempts, failed = attempts + 1, draw() >= GOOD[arm]
        if failed:
            decisions.append(Decision("", attempts))
        episodes.append(Episode(decisions, failed, attempts, spent=failed))
    return episodes


def truth(policy):
    def after(retry):
        if retry >= policy.attempts:
            return 1.0, 0.0, 0.0
        failed, attempts, wait = after(retry + 1)
        chances, _ = policy.chances(retry)
        found = [1.0 - sum(chances), 0.0, 0.0]
        for arm, chance in enumerate(chances):
            bad = 1.0 - GOOD[arm]
            found[0] += chance * bad * failed
            found[1] += chance * (1.0 + bad * attempts)
            found[2] += chance * (MIDDLES[arm] + bad * wait)
        return tuple(found)

    failed, attempts, wait = after(1)
    return FAILS * failed, 1.0 + FAILS * attempts, FAILS * wait


@pytest.mark.parametrize(
    ("policy", "calls", "explore"),
    [(Spec(attempts=2), 2500, 0.2), (Spec(attempts=3), 2500, 0.9), (Spec(attempts=1), 300, 0.05)],
    ids=str,
)
@pytest.mark.parametrize("repeats", [12, pytest.param(200, marks=pytest.mark.soak)])
def test_the_interval_covers_the_truth_where_the_data_can_tell(policy, calls, explore, repeats):
    told, covered = 0, [0, 0, 0]
    for seed in range(repeats):
        found = evaluate(simulated(seed, calls, explore), policy, MIDDLES)
        if found.effective < NEEDED:
            continue
        told += 1
        for place, (figure, true) in enumerate(
            zip((found.failed, found.attempts, found.wait), truth(policy), strict=True)
        ):
            covered[place] += figure.low <= true <= figure.high
    assert told > repeats / 2
    assert min(covered) >= 0.95 * told - 4 * sqrt(0.95 * 0.05 * told)  # four standard errors


def test_no_retries_are_known_without_an_estimate():
    episodes = simulated(1, 1000, 0.05)
    found = evaluate(episodes, Spec(attempts=1), MIDDLES)
    assert found.failed.mean == sum(bool(each.decisions) for each in episodes) / 1000
    assert (found.attempts.mean, found.wait.mean) == (1.0, 0.0)


def test_the_recorded_policy_is_what_was_seen():
    found = logged([Episode(), Episode([Decision("503", 1, 4, (), 0.5)], failed=True, attempts=2)])
    assert (found.failed.mean, found.attempts.mean, found.wait.mean) == (0.5, 1.5, 0.25)


def test_none_of_a_few_is_not_certainly_none():
    found = logged([Episode() for _ in range(30)])
    assert (found.failed.mean, found.failed.low, found.failed.high) == (0.0, 0.0, 0.1)


def test_what_the_recorded_policy_never_did_is_not_covered():
    episodes = simulated(2, 500, 0.2)
    assert evaluate(episodes, Spec(wait=60.0), MIDDLES).uncovered == pytest.approx(1.0)
    certain = [Episode([Decision("503", 1, 0, [1.0, *[0.0] * 8], 0.01)], attempts=2)] * 100
    assert evaluate(certain, Spec(wait=0.5), MIDDLES).uncovered == pytest.approx(1.0)
    assert evaluate(certain, Spec(wait=0.0), MIDDLES).uncovered == 0.0


def test_a_wait_that_would_end_after_the_deadline_is_no_retry():
    late = [Episode([Decision("503", 1, 0, propensities(2, 0, 0.5)[:-1], 0.01)], attempts=2)] * 100
    found = evaluate(late, Spec(wait=5.0), MIDDLES)
    assert (found.failed.mean, found.uncovered) == (1.0, 0.0)


def test_a_retry_that_a_server_asked_for_is_the_same_under_any_policy():
    asked = [Episode([Decision("", 1, wait=20.0)], attempts=2)] * 10
    found = evaluate(asked, Spec(wait=0.0), MIDDLES)
    assert (found.failed.mean, found.attempts.mean, found.wait.mean) == (0.0, 2.0, 20.0)


def test_a_call_that_was_held_for_its_host_is_refused_under_any_other_policy():
    held = [Episode([Decision("", 1, wait=2.0, held=True)])] * 40 + [Episode()] * 60
    for policy in (Spec(attempts=1), Spec(attempts=4)):
        found = evaluate(held, policy, MIDDLES)
        assert (found.failed.mean, found.failed.low) == (0.4, 0.0)
        assert (found.attempts.mean, found.uncovered) == (1.0, 1.0)


def test_none_of_the_few_that_count_is_not_certainly_none():
    """The greedy wait is nearly all of what was seen, and it never failed."""
    calls = [Episode([Decision("503", 1, 2, propensities(9, 2, 0.05)[:-1], 0.1)], attempts=2)] * 500
    found = evaluate(calls, Spec(attempts=2, wait=0.11), MIDDLES)
    assert found.failed.low == 0.0
    assert 0.005 < found.failed.high < 0.02


def test_calls_are_taken_in_one_by_one():
    episodes = simulated(3, 400, 0.3)
    outcomes = Outcomes()
    for number, episode in enumerate(episodes):
        outcomes.add(number, episode)
    estimate, recorded = Estimate(Spec(attempts=2), MIDDLES, outcomes), Logged()
    for number, episode in enumerate(episodes):
        estimate.add(number, episode)
        recorded.add(episode)
    assert estimate.evaluation() == evaluate(episodes, Spec(attempts=2), MIDDLES)
    assert recorded.evaluation() == logged(episodes)
