"""Rules and episodes: what a rule's text means, when an episode begins, and when it is over."""

from __future__ import annotations

import random

import pytest

from asyncapi import ConfigError
from asyncapi.sansio.measures.alarm import Episodes, parse
from asyncapi.sansio.measures.window import Window


@pytest.mark.parametrize(
    ("when", "line"),
    [
        ("error_rate > 0.1", 0.1),
        ("error_rate>10%", 0.1),
        (" error_rate > .5 ", 0.5),
        ("error_rate > 0", 0.0),
        ("p95 > 2", 2.0),
        ("p99.9 > 2s", 2.0),
        ("p50 > 250 ms", 0.25),
        ("429_share > 5%", 0.05),
        ("503_share > 0.2", 0.2),
    ],
)
def test_a_rule_in_words_is_understood(when, line):
    assert parse(when).threshold == pytest.approx(line)


@pytest.mark.parametrize(
    "when",
    [
        "", "error_rate", "error_rate < 0.1", "errors > 1", "error_rate > 10", "error_rate > 1", "error_rate > 2s",
        "p95 > 10%", "p95 > fast", "p5 > 1", "p100 > 1", "999_share > 0.1", "429_share > 3 ms", "error_rate > -1",
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_says_how_to_write_one(when):
    with pytest.raises(ConfigError, match="write"):
        parse(when)


def fed(rule, at_least, results):
    """The index and the kind of each turn."""
    window, episodes, turns = Window(1000), Episodes(parse(rule), at_least), []
    for index, failed in enumerate(results):
        window.call(index, elapsed=0.1, failed=failed)
        if episodes.judge(window):
            turns.append((index, episodes.under_way))
    return turns


def test_an_episode_begins_once_there_are_enough_calls_and_ends_once():
    assert fed("error_rate > 0.5", 10, [True] * 50 + [False] * 200) == [(9, True), (124, False)]


def test_too_few_calls_begin_nothing():
    assert fed("error_rate > 0.5", 10, [True] * 9) == []


def test_a_value_that_wavers_about_the_threshold_is_one_episode():
    wavering = [True, False] * 500
    assert fed("error_rate > 0.499", 10, [True] * 10 + wavering) == [(9, True)]


def test_a_threshold_of_zero_ends_when_nothing_fails_any_more():
    window, episodes = Window(10), Episodes(parse("error_rate > 0"), 1)
    window.call(0, elapsed=1, failed=True)
    assert episodes.judge(window)
    window.call(1, elapsed=1, failed=False)
    assert not episodes.judge(window)
    window.slide(10.5)
    assert episodes.judge(window)
    assert not episodes.under_way


@pytest.mark.parametrize("seed", range(10))
def test_a_quantile_is_judged_as_if_it_were_taken_each_time(seed):
    """Only what an episode began or ended with is measured; the decisions are those of the values themselves."""
    draw, window, episodes = random.Random(seed), Window(20), Episodes(parse("p90 > 1"), 10)
    active, turns, now = False, 0, 0.0
    for number in range(3000):
        now += draw.random() / 10
        window.call(now, elapsed=draw.lognormvariate(-0.8 if number // 500 % 2 else -1.6, 0.8), failed=False)
        turned = episodes.judge(window)
        value = window.quantile(0.9)
        expected = value <= 0.8 if active else value > 1 and window.calls >= 10
        assert turned == expected
        active ^= turned
        turns += turned
        if turned:
            assert (episodes.under_way, episodes.value) == (active, value)
    assert turns >= 2
