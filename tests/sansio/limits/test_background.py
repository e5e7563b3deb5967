"""One estimate of what a host refuses at random, whoever asks."""

import random

import pytest

from asyncapi.sansio.limits.background import Background, Sample


@pytest.mark.parametrize("share", [0.002, 0.01, 0.05, 0.2])
def test_it_is_found_and_explains_what_chance_may_bring(share):
    chance, background, sample, outside = random.Random(1), Background(seen=0), Sample(), 0
    for number in range(20_000):
        sample.add(float(number), refused=chance.random() < share)
        sample.teach(background)
        outside += number > 1000 and sum(chance.random() < share for _ in range(20)) > background.explains(20)
    assert background.share == pytest.approx(share, rel=0.9, abs=0.002)
    assert outside / 20_000 <= 0.02


def test_it_fades_where_nothing_is_refused_any_more():
    background = Background(seen=0)
    background.learn(100, 10)
    for _ in range(20):
        background.learn(100, 0)
    assert background.share < 0.001


def test_samples_of_which_nearly_half_is_refused_are_a_limit():
    background, sample = Background(seen=0), Sample()
    for number in range(20):
        sample.add(float(number), refused=number % 2)
    assert not sample.teach(background)
    assert background.share == 0.0


def test_evidence_of_a_limit_is_taken_out_of_a_sample_again():
    sample = Sample()
    sample.add(1.0, refused=0)
    sample.mark()
    sample.add(2.0, refused=1)
    sample.forget()
    assert (sample.responses, sample.refused) == (1, 0)


def test_attempts_that_went_at_another_rate_do_not_count():
    sample = Sample()
    sample.since = 5.0
    sample.add(4.0, refused=1)
    assert sample.responses == 0
