"""Whether a 429 is one call's or everybody's is decided by the attempts sent after it; a verdict by chance is taken back."""

import pytest

from asyncapi.sansio.limits.background import Background
from asyncapi.sansio.limits.host_pause import Doubt, HostPause


def doubt(answers, *, number=0, took=0.1, retry_after=5.0):
    """A doubt raised at 0, and the answers to the attempts sent after the refused one: "t" taken, "r" refused."""
    raised = Doubt(0.0, number, took, retry_after)
    for later, answer in enumerate(answers, number + 1):
        raised.add(0.0, later, refused=answer == "r", retry_after=retry_after if answer == "r" else None)
    return raised


@pytest.mark.parametrize(("answers", "single", "backlog"), [
    ("", None, None),
    ("t", None, None),
    ("ttt", None, None),
    ("tttt", False, False),
    ("r", None, None),
    ("rr", True, True),
    ("rttt", None, None),
    ("rttttttt", None, None),
    ("rtttttttt", False, False),
    ("rrttt", None, True),  # most are taken: single calls are not held for that
    ("rrrrtttt", True, True),
])  # fmt: skip
def test_the_verdict(answers, single, backlog):
    background = Background(seen=0)
    assert doubt(answers).verdict(0.1, background, 3, backlog=False) is single
    assert doubt(answers).verdict(0.1, background, 3, backlog=True) is backlog


def test_what_the_host_refuses_at_random_is_no_evidence():
    background = Background(seen=0)
    background.learn(100, 30)
    assert doubt("rr").verdict(0.1, background, 3, backlog=True) is None
    assert doubt("r" * 12).verdict(0.1, background, 3, backlog=True) is True


def test_answers_of_attempts_sent_before_the_refused_one_are_no_evidence():
    raised = Doubt(0.0, 10, 0.1, None)
    for number in range(10):
        raised.add(0.0, number)
    assert raised.verdict(0.1, Background(), 3, backlog=True) is None


@pytest.mark.parametrize(("took", "ends"), [(0.1, 1.0), (2.0, 6.0)])
def test_without_a_verdict_all_go_on_after_a_second_or_three_round_trips(took, ends):
    raised = doubt("", took=took)
    assert raised.verdict(ends - 0.01, Background(), 0, backlog=True) is None
    assert raised.verdict(ends, Background(), 0, backlog=True) is False


def test_while_in_doubt_one_probe_goes_and_one_more_for_each_that_was_taken():
    assert doubt("").admits(0)
    assert not doubt("").admits(1)
    assert doubt("tt").admits(2)
    assert not doubt("tt").admits(3)


def test_a_pause_lasts_the_longest_retry_after_and_is_probed_once_a_minute():
    pause = HostPause()
    pause.begin(0.0, 300.0)
    pause.refused(1.0, 0.5, 10.0)
    assert pause.until == 300.0
    assert pause.left(1.0) == 299.0
    assert pause.wait(1.0) == 59.0
    pause.sent(60.0)
    assert pause.wait(60.0) == 60.0
    assert pause.taken(60.0)
    assert pause.wait(60.1) < 0


def test_what_was_sent_before_a_pause_does_not_end_it():
    """It can show that the refusal was chance."""
    pause = HostPause()
    pause.doubt = doubt("rr")
    pause.begin(1.0, 30.0)
    assert not pause.taken(0.5)
    for number in range(10, 22):
        pause.evidence.add(1.1, number)
    assert pause.evidence.refuted
    pause.lift(1.1)
    assert pause.wait(1.1) <= 0
    assert pause.total == pytest.approx(0.1)


def test_while_nothing_is_taken_attempts_go_less_and_less_often():
    pause, gaps = HostPause(), []
    pause.begin(0.0, None)
    for second in range(1, 7):
        gaps.append(pause.gap())
        pause.refused(float(second), second - 0.5, None)
    assert gaps == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
