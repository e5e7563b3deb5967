"""How long a call waits for the usual response, where a fallback is at hand."""

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.overdue import AFTER, Overdue


def seen(*, good=(), bad=(), now=0.0):
    overdue = Overdue()
    for took in good:
        overdue.ended(took, now, well=True)
    for took in bad:
        overdue.ended(took, now, well=False)
    return overdue


@given(st.lists(st.floats(0.0, 100.0), max_size=50))
def test_a_healthy_host_is_never_left_however_slow(took):
    assert seen(good=took).cut(1000.0, 0.0) is None


def test_nobody_is_cut_short_before_anything_good_was_seen():
    assert seen(bad=[9.5] * 50).cut(9.5, 0.0) is None


def test_calls_that_never_end_well_any_more_are_cut_short():
    cut = seen(good=[0.1] * 50, bad=[9.5] * 20).cut(9.5, 0.0)
    assert cut is not None
    assert cut.after == 0.4
    assert "0 of" in cut.reason
    assert "0.4 s" in cut.reason


def test_of_attempts_quick_ones_say_nothing_of_those_that_take_long():
    calls, attempts = Overdue(), Overdue("attempts", 30.0)
    for each in (calls, attempts):
        for _ in range(20):
            each.ended(0.1, 0.0, well=True)
            each.ended(5.0, 0.0, well=False)
        for _ in range(90):
            each.ended(0.1, 0.0, well=True)
    cut = attempts.cut(9.5, 0.0)
    assert calls.cut(9.5, 0.0) is None
    assert "attempts that took longer than 0.4 s" in cut.reason
    assert cut.as_dict() == {"after": 0.4, "chance": cut.chance, "reason": cut.reason}
    attempts.ended(0.1, 40.0, well=True)
    assert attempts.cut(9.5, 40.0) is None  # half a minute later they count half


def test_a_few_failures_are_no_reason():
    assert seen(good=[0.1] * 50, bad=[9.5] * 5).cut(9.5, 0.0) is None


def test_nobody_is_cut_short_within_three_times_the_usual_time():
    cut = seen(good=[1.0] * 200, bad=[9.5] * 40).cut(9.5, 0.0)
    assert cut is not None
    assert cut.after >= 2.9


def test_failures_at_once_cut_nobody_short():
    assert seen(good=[0.1] * 50, bad=[0.005] * 100).cut(9.5, 0.0) is None


def test_late_good_responses_are_waited_for():
    overdue = seen(good=[0.1] * 50, bad=[9.5] * 10)
    for _ in range(10):
        overdue.ended(3.0, 0.0, well=True)
    cut = overdue.cut(9.5, 0.0)
    assert cut is None or cut.after > 1.6


def test_a_cut_comes_before_the_time_is_over():
    assert seen(good=[0.1] * 50, bad=[9.5] * 20).cut(0.3, 0.0) is None


def test_after_a_quiet_minute_the_host_is_asked_again():
    overdue = seen(good=[0.1] * 50, bad=[9.5] * 20)
    assert overdue.cut(9.5, 30.0) is not None
    assert overdue.cut(9.5, 61.0) is None
    assert overdue.cut(9.5, 30.0) is None


def test_good_responses_win_over_old_failures():
    overdue = seen(good=[0.1] * 50, bad=[9.5] * 20)
    for _ in range(600):
        overdue.ended(0.1, 1.0, well=True)
    assert overdue.cut(9.5, 1.0) is None


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 200), st.booleans()), max_size=60), st.floats(0, 30))
def test_a_cut_is_always_one_of_the_steps_and_unlikely_to_end_well(events, left):
    overdue, now = Overdue(), 0.0
    for took, now, well in sorted(events, key=lambda event: event[1]):
        overdue.ended(took, now, well=well)
    cut = overdue.cut(left, now)
    if cut is not None:
        assert cut.after in AFTER
        assert cut.after < left
        assert cut.chance < 0.15
