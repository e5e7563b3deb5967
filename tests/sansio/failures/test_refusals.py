"""Who may go to a host that refuses connections, and when."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.refusals import FIRST, LEASE, LONGEST, RUN, Refusals


def refusing(now=0.0):
    refusals = Refusals()
    for _ in range(RUN):
        refusals.refused(now, now, 0.0)
    return refusals


def test_single_refusals_hold_nobody():
    refusals = Refusals()
    for number in range(20):
        for _ in range(RUN - 1):
            refusals.refused(number, number, 0.5)
        assert not refusals.refusing
        refusals.connected(number, number, well=True)


def test_refusals_in_a_row_let_one_probe_go_at_a_time():
    refusals = refusing()
    assert refusals.refusing
    assert not refusals.may_go(FIRST / 2)
    assert refusals.may_go(FIRST)
    refusals.go(FIRST)
    assert not refusals.may_go(FIRST + LEASE / 2)


def test_probes_that_are_refused_come_later_and_later_up_to_a_bound():
    refusals, now, gaps = refusing(), FIRST, []
    for _ in range(40):
        refusals.go(now)
        refusals.refused(now, now + 0.001, 0.0)
        refusals.ended()
        gaps.append(refusals.due() - now)
        now = refusals.due()
    assert all(after > before - 1e-6 for before, after in pairwise(gaps))
    assert gaps[-1] <= LONGEST + 0.01


def test_a_probe_without_a_verdict_holds_nobody_up():
    refusals, now = refusing(), FIRST
    gone = 0
    while now < FIRST + 6 * LEASE:
        while refusals.may_go(now):
            refusals.go(now)
            gone += 1
        now += LEASE / 4
    assert gone >= 32


def test_connections_let_more_and_more_go():
    refusals = refusing()
    refusals.go(1.0)
    refusals.connected(1.0, 1.1, well=True)
    refusals.ended()
    assert not refusals.refusing
    counts = []
    for _ in range(5):
        count = 0
        while refusals.may_go(1.1):
            refusals.go(1.1)
            count += 1
        counts.append(count)
        for _ in range(count):
            refusals.connected(1.1, 1.1, well=True)
            refusals.ended()
    assert counts == [2, 4, 8, 16, 32]


def test_a_host_that_is_back_with_errors_is_spared_for_a_while_only():
    refusals = refusing()
    refusals.go(4.0)
    refusals.connected(4.0, 4.1, well=False)
    refusals.ended()
    assert not refusals.may_go(4.1)
    assert refusals.may_go(4.3)
    for _ in range(50):
        refusals.go(4.3)
    assert not refusals.may_go(4.35)
    assert refusals.may_go(8.3)  # as long again as the outage


def test_connections_from_before_the_refusals_are_old_news():
    refusals = refusing(5.0)
    refusals.connected(4.9, 5.5, well=True)
    assert refusals.refusing


def test_what_was_seen_long_ago_counts_no_more():
    refusals = refusing(0.0)
    assert refusals.worth_waiting(1000.0, 5.0) == 5.0
    refusals.refused(1000.0, 1000.0, 0.0)
    assert not refusals.refusing
    assert refusals.lasted(1001.0) == 1.0


def test_an_old_outage_is_not_waited_for():
    refusals = refusing(0.0)
    refusals.refused(30.0, 30.0, 0.0)
    assert refusals.worth_waiting(10.0, 10.0) == 10.0
    assert refusals.worth_waiting(30.0, 10.0) == 0.0


def test_with_something_else_at_hand_the_wait_ends_sooner_the_more_that_is_worth():
    refusals = refusing(0.0)
    waits = [refusals.worth_waiting(0.5, 10.0, instead) for instead in (0.05, 0.15, 0.5, 0.9)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] < 10.0
    assert waits[-1] == 0.0


EVENTS = st.tuples(
    st.sampled_from(["refused", "well", "badly", "go", "ended", "emptied"]), st.floats(0, 3), st.floats(0, 1)
)


@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens_somebody_may_go_within_bounds(events):
    refusals, now = Refusals(), 0.0
    for what, later, draw in events:
        now += later
        if what == "refused":
            refusals.refused(now - draw * later, now, draw)
        elif what == "go":
            refusals.go(now)
        elif what == "ended":
            refusals.ended()
        elif what == "emptied":
            refusals.emptied()
        else:
            refusals.connected(now - draw * later, now, well=what == "well")
        assert refusals.out >= 0
        assert refusals.may_go(now + 2 * LONGEST + 2 * LEASE)
