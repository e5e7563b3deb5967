"""The order of a wait queue: priority, tenants in turn, arrival, and nobody starved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.fair_queue import TURN, FairQueue


def filled(*items, wanted=lambda item: True):
    queue = FairQueue(wanted)
    for item in items:
        queue.push(*item)
    return queue


def drained(queue):
    taken = []
    while queue.head() is not None:
        head = queue.head()
        assert queue.pop() == head
        taken.append(head)
    assert queue.pop() is None
    assert queue.size == 0
    return taken


def test_without_priorities_and_tenants_it_is_first_come_first_served():
    assert drained(filled(*[(n,) for n in range(100)])) == list(range(100))


def test_the_higher_priority_goes_first():
    assert drained(filled(("low", -1), ("usual", 0), ("high", 5), ("high too", 5))) == [
        "high",
        "high too",
        "usual",
        "low",
    ]


def test_tenants_take_turns_and_keep_their_own_order():
    queue = filled(*[(f"a{n}", 0, "a") for n in range(4)], ("b0", 0, "b"), ("b1", 0, "b"), ("c0", 0, "c"))
    assert drained(queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_a_low_one_is_not_starved_for_ever():
    queue = filled(("low", -10))
    turns = 0
    while True:
        queue.push("high", 10)
        turns += 1
        if queue.pop() == "low":
            break
    assert turns <= TURN


def test_a_low_one_is_not_starved_by_any_number_of_priorities_above_it():
    queue = filled(("low", -10))
    for turn in range(1000):
        queue.push("high", turn)
        if queue.pop() == "low":
            break
    assert turn < TURN * TURN


def test_a_low_one_is_not_starved_by_two_that_take_turns():
    queue, taken = filled(("low", -10)), []
    for turn in range(200):
        queue.push("middle", 0)
        if turn % 3 == 0:
            queue.push("high", 10)
        taken.append(queue.pop())
    assert "low" in taken[: 2 * TURN]


@pytest.mark.parametrize("before", range(2 * TURN))
def test_the_first_urgent_one_goes_first_however_many_others_went_before(before):
    """Not even every 16th time is it held up by a job in the background."""
    queue = filled(*[(f"bulk {n}", -1) for n in range(1000)])
    for turn in range(before):
        queue.pop()
        if turn % 2:
            queue.push("urgent", 0)
            assert queue.pop() == "urgent"
    queue.push("urgent", 0)
    assert queue.pop() == "urgent"


@pytest.mark.parametrize("before", range(2 * TURN))
def test_nor_by_the_turns_that_others_above_the_job_have_had(before):
    queue = filled(*[(f"bulk {n}", -1) for n in range(100)], *[(f"usual {n}", 0) for n in range(100)])
    for _ in range(before):
        queue.pop()
    queue.push("urgent", 5)
    assert queue.pop() == "urgent"


def test_the_unwanted_are_skipped_and_forgotten():
    gone = {1, 2, 5}
    queue = filled(*[(n, n % 2) for n in range(8)], wanted=lambda item: item not in gone)
    queue.prune()
    assert queue.size == 5
    assert drained(queue) == [3, 7, 0, 4, 6]


def test_a_queue_of_unwanted_is_empty():
    queue = filled((1, 0), (2, 1), wanted=lambda item: False)
    assert queue.head() is None
    assert queue.pop() is None
    assert queue.size == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(-2, 2), st.sampled_from("abc")),
        st.tuples(st.just("pop")),
        st.tuples(st.just("leave"), st.integers(0, 50)),
        st.tuples(st.just("prune")),
    ),
    max_size=200,
)


@given(steps)
def test_nothing_is_lost_or_given_twice_and_a_tenant_keeps_its_order(given_steps):
    left, waiting, taken = set(), {}, []
    queue = FairQueue(lambda item: item not in left)
    for number, step in enumerate(given_steps):
        if step[0] == "push":
            queue.push(number, step[1], step[2])
            waiting[number] = step[1:]
        elif step[0] == "pop":
            assert (queue.head() is None) == (not waiting)
            item = queue.pop()
            if item is not None:
                same = [other for other, place in waiting.items() if place == waiting[item]]
                assert item == min(same)
                del waiting[item]
                taken.append(item)
        elif step[0] == "leave" and step[1] in waiting:
            left.add(step[1])
            del waiting[step[1]]
        elif step[0] == "prune":
            queue.prune()
            assert queue.size == len(waiting)
    while (item := queue.pop()) is not None:
        taken.append(item)
        del waiting[item]
    assert not waiting
    assert len(taken) == len(set(taken))
