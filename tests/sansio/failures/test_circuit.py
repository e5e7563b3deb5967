"""The circuit: what opens and closes it, who may probe, and that it can never stay stuck."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.circuit import Circuit, CountWindow, Rules, TimeWindow

RULES = Rules(minimum=4, count=10, open_for=10.0, open_cap=80.0, jitter=0.0, probes=2, lease=5.0)


def circuit(draw=lambda: 0.0, **changes) -> Circuit:
    return Circuit(replace(RULES, **changes), draw)


def feed(one: Circuit, verdicts: str, now: float = 0.0, every: float = 0.0) -> Circuit:
    """Attempts that begin and end at once: o for a good one, f a failure, s slow, b both."""
    for verdict in verdicts:
        permit = one.enter(now, verdict)
        one.record(permit, verdict, now, failed=verdict in "fb", slow=verdict in "sb")
        now += every
    return one


def opened(now: float = 0.0, **changes) -> Circuit:
    one = feed(circuit(**changes), "ffff", now)
    assert one.state == "open"
    return one


@pytest.mark.parametrize(
    ("rules", "verdicts", "reason"),
    [
        ({}, "fff", None),  # under the minimum
        ({}, "ffff", "4 of 4 attempts failed"),
        ({}, "ooff", "2 of 4 attempts failed"),  # the rate is reached, not only passed
        ({}, "ooof", None),
        ({}, "ffoo", "2 of 4 attempts failed"),  # a good one may be what fills the minimum
        ({}, "oooooooooo" + "ffff", None),  # 4 of the last 10
        ({}, "oooooooooo" + "fffff", "5 of 10 attempts failed"),
        ({}, "ooooooofff" + "oooooooooo" + "ffff", None),  # what has left the window is forgotten
        ({"failure_rate": 1.0}, "fffo" + "fff", None),
        ({}, "ssoo", "2 of 4 attempts were slow"),
        ({"slow_rate": 0.75}, "ssoo", None),
        ({"slow_rate": 0.75}, "fsss", "3 of 4 attempts were slow"),
        ({"slow_rate": 1.0}, "bboo", "2 of 4 attempts failed"),  # a slow failure counts in both
        ({"count": None, "window": 10.0}, "ffff", "4 of 4 attempts failed"),
    ],
)
def test_it_opens_when_a_rate_is_reached_over_enough_attempts(rules, verdicts, reason):
    one = feed(circuit(**rules), verdicts)
    assert (one.state, one.reason) == (("open", reason) if reason else ("closed", ""))
    assert one.openings == (reason is not None)


def test_a_time_window_forgets_failures_as_time_passes():
    slow_drip = feed(circuit(count=None, window=10.0), "f" * 50, every=3.0)  # at most 4 in any 10 s
    assert slow_drip.state == "open"
    assert feed(circuit(count=None, window=10.0), "f" * 50, every=3.5).state == "closed"


def test_nobody_goes_while_it_is_open_and_the_time_to_come_back_is_told():
    one = opened()
    assert [one.enter(now, "caller") for now in (0.0, 5.0, 9.99)] == [0, 0, 0]
    assert (one.retry_after(4.0), one.retry_after(9.0), one.retry_after(11.0)) == (6.0, 1.0, 0.0)
    assert one.enter(10.0, "caller")


def test_one_probe_at_a_time_and_the_number_of_good_ones_closes_it():
    one = opened()
    first = one.enter(10.0, "a")
    assert one.state == "half-open"
    assert [one.enter(10.0 + n / 100, n) for n in range(100)] == [0] * 100
    one.record(first, "a", 11.0, failed=False)
    assert one.state == "half-open"
    assert one.retry_after(11.0) == 0.0
    second = one.enter(11.0, "b")
    assert not one.enter(11.0, "c")
    one.record(second, "b", 11.5, failed=False)
    assert one.state == "closed"
    assert one.retry_after(11.5) == 0.0
    assert all(one.enter(11.5, n) for n in range(100))


@pytest.mark.parametrize(("verdict", "reason"), [("f", "a probe failed"), ("s", "a probe was slow")])
def test_a_bad_probe_opens_it_again(verdict, reason):
    one = feed(opened(), "o" + verdict, now=10.0)
    assert (one.state, one.reason, one.openings) == ("open", reason, 2)


def test_an_outage_opens_it_after_a_second_however_much_was_well_before():
    one = feed(circuit(count=1000, minimum=4), "o" * 900)
    feed(one, "f" * 100, now=100.0)  # all at once: calls that one lost connection took with it
    assert one.state == "closed"
    feed(one, "o", now=100.5)
    feed(one, "fff", now=101.0, every=0.3)
    assert one.state == "closed"
    feed(one, "f", now=102.0)
    assert (one.state, one.reason) == ("open", "4 attempts in a row failed")


def test_it_stays_open_half_as_long_again_each_time_up_to_the_cap():
    one, now, times = opened(), 0.0, []
    for _ in range(8):
        times.append(one.retry_after(now))
        now += times[-1]
        feed(one, "f", now)
    assert times == pytest.approx([10.0, 15.0, 22.5, 33.75, 50.625, 75.9375, 80.0, 80.0])


def test_a_thousand_openings_in_a_row_overflow_nothing():
    one, now = opened(open_cap=1e9), 0.0
    for _ in range(1100):
        now += one.retry_after(now)
        feed(one, "f", now)
    assert one.retry_after(now) == 1e9


def test_opening_soon_after_closing_is_one_more_in_a_row_and_later_is_not():
    soon = feed(feed(opened(), "oo", now=10.0), "ffff", now=19.9)
    assert soon.retry_after(19.9) == 15.0
    later = feed(feed(opened(), "oo", now=10.0), "ffff", now=20.0)
    assert later.retry_after(20.0) == 10.0


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 10.0), (0.5, 9.0), (0.999999, 8.0)])
def test_the_open_time_is_jittered_downwards(draw, seconds):
    assert opened(draw=lambda: draw, jitter=0.2).retry_after(0.0) == pytest.approx(seconds, abs=1e-4)


def test_the_window_begins_anew_after_closing():
    one = feed(opened(), "oo", now=10.0)
    assert feed(one, "fff", now=10.0).state == "closed"


def test_a_probe_that_is_given_up_makes_room_at_once():
    one = opened()
    one.enter(10.0, "a")
    one.release("somebody else")
    assert not one.enter(10.0, "b")
    one.release("a")
    assert one.enter(10.0, "b")
    assert one.state == "half-open"


def test_a_lost_probe_holds_others_up_no_longer_than_its_lease():
    one = opened()
    assert one.enter(10.0, "lost")
    assert (one.enter(14.9, "b"), one.retry_after(14.0)) == (0, 1.0)
    assert one.enter(15.0, "b")
    assert not one.enter(15.0, "c")
    assert one.probing == {"lost", "b"}
    one.record(one.permit, "b", 15.0, failed=False)
    feed(one, "o", 15.0)
    assert (one.state, one.probing) == ("closed", set())


def test_a_probe_that_ends_after_its_lease_still_counts():
    """It does not end the lease of the next probe."""
    one = opened()
    late = one.enter(10.0, "late")
    one.enter(15.0, "b")
    one.record(late, "late", 16.0, failed=False)
    assert not one.enter(16.0, "c")  # b has the lease
    one.record(late, "b", 17.0, failed=False)
    assert one.state == "closed"
    assert not one.probing


def test_what_began_before_a_change_of_state_is_old_news():
    one = circuit()
    before = [(one.enter(0.0, n), n) for n in range(20)]
    feed(one, "ffff")
    for permit, n in before[:10]:
        one.record(permit, n, 1.0, failed=True)
    assert one.openings == 1
    feed(one, "oo", now=10.0)
    for permit, n in before[10:]:
        one.record(permit, n, 11.0, failed=True)
    assert one.state == "closed"


def test_an_open_circuit_says_when_to_ask_again_in_its_first_seconds_alone():
    """In a longer outage it says nothing of when."""
    one = opened(open_for=2.0, open_cap=2.0, jitter=0.0)
    assert one.probe_in(0.5) == 1.5
    assert one.enter(2.0, "probe")
    assert one.probe_in(2.5) == 0.0  # the probe is out
    one.record(one.permit, "probe", 3.0, failed=True)
    assert one.probe_in(3.0) == 2.0
    assert one.enter(5.0, "probe")
    one.record(one.permit, "probe", 5.0, failed=True)
    assert one.probe_in(5.0) is None
    assert one.retry_after(5.0) == 2.0


def test_a_snapshot_says_how_it_is():
    one = circuit()
    assert one.snapshot(0.0).seen == 0
    feed(one, "oofs")
    shown = one.snapshot(0.0)
    assert (shown.state, shown.failure_rate, shown.slow_rate, shown.seen) == ("closed", 0.25, 0.25, 4)
    shown = feed(one, "ff").snapshot(1.0)
    assert (shown.state, shown.retry_after, shown.openings, shown.reason) == ("open", 9.0, 1, "3 of 6 attempts failed")


def test_a_snapshot_of_a_time_window_is_of_now():
    one = feed(circuit(count=None, window=10.0), "off")
    assert one.snapshot(5.0).seen == 3
    assert (one.snapshot(10.0).seen, one.snapshot(10.0).failure_rate) == (0, 0.0)


# --- against plain models ----------------------------------------------------------------------------------------

VERDICTS = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 30)), max_size=60)


@given(st.integers(1, 12), VERDICTS)
def test_a_count_window_holds_the_last_ones(size, verdicts):
    window, model = CountWindow(size), deque(maxlen=size)
    for failed, slow, _ in verdicts:
        window.add(0.0, failed=failed, slow=slow)
        model.append((failed, slow))
        assert (window.total, window.failed, window.slow) == (
            len(model), sum(failed for failed, _ in model), sum(slow for _, slow in model),
        )  # fmt: skip


@given(st.sampled_from([1.0, 10.0, 60.0]), VERDICTS)
def test_a_time_window_holds_the_last_ten_slices(seconds, verdicts):
    window, model, now, width = TimeWindow(seconds), [], 1000.0, seconds / 10
    for failed, slow, pause in verdicts:
        now += pause
        window.add(now, failed=failed, slow=slow)
        model.append((now // width, failed, slow))
        held = [one for one in model if now // width - one[0] < 10]
        assert (window.total, window.failed, window.slow) == (
            len(held), sum(failed for _, failed, _ in held), sum(slow for _, _, slow in held),
        )  # fmt: skip


OPS = st.lists(
    st.tuples(st.sampled_from(["enter", "good", "bad", "slow", "release", "lose"]), st.floats(0, 8)), max_size=80
)


@given(OPS, st.booleans())
def test_whatever_happens_probes_go_one_by_one_and_it_comes_back(ops, by_time):
    one = circuit(count=None if by_time else 10)
    now, out, number, lease_ends = 0.0, [], 0, 0.0
    for op, pause in ops:
        now += pause
        if op == "enter":
            number += 1
            permit = one.enter(now, number)
            if permit and one.state == "half-open":
                assert now >= lease_ends or one.holder == number
                assert not [other for _, other in out if other == one.holder]
                lease_ends = now + 5.0
            if permit:
                out.append((permit, number))
        elif out:
            permit, holder = out.pop(0)
            if op == "release":
                one.release(holder)
            elif op != "lose":
                one.record(permit, holder, now, failed=op == "bad", slow=op == "slow")
        assert one.state == "closed" or one.retry_after(now) <= 80.0
    now += 80.0 + 5.0  # the longest open time, and a lease
    for _ in range(2):
        if one.state != "closed":
            permit = one.enter(now, "probe")
            assert permit, "stuck"
            one.record(permit, "probe", now, failed=False)
    assert one.state == "closed"
