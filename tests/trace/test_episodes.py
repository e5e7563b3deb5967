"""What a trace says of each call's retries: which failed, which were left, and which waited for their host."""

import pytest

from asyncapi import ConfigError
from asyncapi.trace.episodes import episodes

WELL = [1, "first", "", "", 0.0, 0.1]


def learned(arm=2, *, best=0, arms=9, propensity=0.05 / 9, overruled="", wait=0.1):
    told = {"route": "GET /a", "kind": "503", "arm": arm, "wait": wait, "arms": arms, "best": best,
            "propensity": propensity, "overruled": overruled}  # fmt: skip
    return [1, "first", "", "retried after 0.1 s (learned: x)", 0.0, 0.1, {"learned": told}]


def one(*steps):
    [episode] = episodes([list(steps)])
    return episode


def test_a_call_has_failed_without_a_response_below_400_or_with_a_fallback():
    ends = {"200": False, "304": False, "404": True, "503": True, "ConnectError: x": True, "200, degraded: stale": True,
            "200, from cache: hit": False}  # fmt: skip
    assert {end: one(WELL, end).failed for end in ends} == ends


def test_calls_that_were_cancelled_or_under_way_are_left_out():
    assert list(episodes([["cancelled"], [WELL, "cancelled"], []])) == []


def test_a_call_for_which_nothing_was_sent_counts_with_no_attempt():
    hit, refused = one("200, from cache: hit"), one("CircuitOpen: h is down")
    assert (hit.failed, hit.attempts, hit.others, hit.decisions) == (False, 0, -1, [])
    assert (refused.failed, refused.attempts) == (True, 0)


def test_how_likely_each_wait_was_follows_from_the_choice():
    [decision] = one(learned(arm=2), [2, "retry", "", "", 0.2, 0.1], "200").decisions
    assert decision.chances == pytest.approx([0.95 + 0.05 / 9, *[0.05 / 9] * 8])
    assert (decision.kind, decision.arm, decision.wait, decision.retry) == ("GET /a 503", 2, 0.1, 1)


def test_a_choice_that_a_later_rule_has_stopped_says_so():
    [decision] = one(learned(overruled="the retry budget of h is spent"), "503").decisions
    assert decision.stopped


def test_a_call_that_waited_for_its_host_has_a_decision_of_its_own():
    probe = [1, "first (probe: h has refused connections for 0.3 s)", "rate 0.1 s, hold 0.25 s", "", 0.4, 0.1]
    [held] = one(probe, "200").decisions
    assert (held.held, held.wait, held.retry) == (True, 0.25, 1)


def test_a_call_that_waited_in_vain_was_held_too():
    end = "ConnectError: h has refused connections for 9.9 s (refused; twice); the call was held back for 9.8 s"
    episode = one(end)
    assert (episode.attempts, episode.failed, [each.held for each in episode.decisions]) == (0, True, [True])


def test_what_follows_a_refusal_that_was_waited_out_is_unknown():
    refused = [1, "first", "", "held until h accepts connections, 3 calls wait", 0.0, 0.0]
    again = [2, "retry: ConnectError, held until h accepts connections", "hold 1e-05 s", "", 0.1, 0.1]
    first, second = one(refused, again, "200").decisions
    assert (first.unknown, first.held, second.held, second.wait) == (True, False, True, 1e-05)


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), -1.0])
def test_a_wait_that_is_none_is_refused(wait):
    with pytest.raises(ConfigError, match="the decisions of call 2 can't be read"):
        list(episodes([[WELL, "200"], [learned(wait=wait), "200"]]))
