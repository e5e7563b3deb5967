"""Slots of a shared limit: never more than the limit, fair, spent without asking, and there when the store is away."""

from __future__ import annotations

import heapq
from itertools import count
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.slots import HOLD, Slots

NOW = object()  # the time at which something happens


class Store:
    """What the script BOOK does, in Python: one time-line for all workers."""

    def __init__(self, amount, per, burst):
        self.slots = Slots(amount, per, burst)
        self.interval = per / amount
        self.next = None
        self.seen = {}

    def book(self, now, who, want, need, known):
        late, grace = self.slots.late, self.slots.grace
        self.seen[who] = now
        seen = sum(now - at < 2.0 for at in self.seen.values())
        if known is not None and (self.next is None or self.next < now + known - 0.1):
            self.next = now + known + 0.1
        if self.next is None:
            self.next = now if late <= 1.0 else -inf
        self.next = max(self.next, now - late + grace)
        slots = max(need, min(want, max(1, ceil(self.slots.rate * HOLD / seen))))
        first = self.next
        self.next += slots * self.interval
        return first - now, slots, seen


class Fleet:
    """Workers on one clock, with round trips that take their time."""

    def __init__(self, amount, per, burst, workers, *, trip=0.001, told=None):
        self.store = Store(amount, per, burst)
        self.trip = trip
        self.now = 100.0
        self.away = False
        self.used = []
        self._due, self._order = [], count()
        self.workers = [Slots(amount, per, burst, workers=told or workers) for _ in range(workers)]
        for number, slots in enumerate(self.workers):
            slots.ask = lambda number=number: self._ask(number)

    def _ask(self, number):
        slots = self.workers[number]
        if self.away:
            slots.go_alone(self.now)
        else:
            self._at(
                self.trip / 2, self._book, number, self.now, slots.want(self.now), slots.need, slots.ahead(self.now)
            )

    def _book(self, number, asked, want, need, known):
        if self.away:
            self._at(0.1, self.workers[number].go_alone, NOW)
            return
        known = None if known is None else known - (self.now - asked)
        self._at(self.trip / 2, self._reply, number, asked, self.store.book(self.now, number, want, need, known))

    def _reply(self, number, asked, lease):
        self.workers[number].granted(asked, self.now, *lease)

    def _at(self, delay, what, *args):
        heapq.heappush(self._due, (self.now + delay, next(self._order), what, args))

    def wait(self, seconds):
        """Let time pass."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, what, args = heapq.heappop(self._due)
            what(*(self.now if each is NOW else each for each in args))
        self.now = end

    def take(self, number, weight=1.0):
        """Have one worker send, if it may."""
        if self.workers[number].try_take(self.now, weight):
            self.used.append((self.now, weight))
            return True
        return False

    def run(self, seconds, *, workers=None, step=0.0005):
        """Have these workers send as fast as they may."""
        end, busy = self.now + seconds, range(len(self.workers)) if workers is None else workers
        for number in busy:
            self.workers[number].waiting = lambda: 100.0
        while self.now < end:
            for number in busy:
                while self.take(number):
                    pass
            self.wait(step)
        for number in busy:
            self.workers[number].waiting = lambda: 0.0

    def most_over(self, depth):
        """By how many tokens the fullest window exceeds the depth and what comes back in it."""
        interval, level, last, worst = self.store.interval, 0.0, -inf, -inf
        for now, weight in self.used:
            level = max(0.0, level - (now - last) / interval) + weight if last > -inf else weight
            last, worst = now, max(worst, level)
        return worst - depth


def depth_of(slots):
    """The tokens that may be used at once (rule 2)."""
    return 1.0 + slots.late * slots.rate


@given(
    burst=st.sampled_from([1.0, 5.0, 24.0, 500.0]),
    workers=st.integers(1, 6),
    trip=st.sampled_from([0.0005, 0.005, 0.08]),
    steps=st.lists(
        st.tuples(st.sampled_from([0.0, 0.0004, 0.003, 0.02, 0.3, 2.5]), st.integers(0, 5), st.integers(1, 40)),
        max_size=150,
    ),
)
def test_whatever_workers_do_all_of_them_together_keep_to_the_limit(burst, workers, trip, steps):
    fleet = Fleet(500.0, 1.0, burst, workers, trip=trip)
    for pause, number, attempts in steps:
        fleet.wait(pause)
        for _ in range(attempts):
            fleet.take(number % workers)
    assert fleet.most_over(depth_of(fleet.workers[0])) <= 1e-6


@given(
    weights=st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.5, 20.0]), min_size=1, max_size=60),
    pauses=st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.5]), min_size=60, max_size=60),
)
def test_weights_count_too(weights, pauses):
    fleet = Fleet(200.0, 1.0, 30.0, 3)
    for number, (weight, pause) in enumerate(zip(weights, pauses, strict=False)):
        fleet.wait(pause)
        fleet.take(number % 3, weight)
    assert fleet.most_over(depth_of(fleet.workers[0])) <= 1e-6


@given(
    turns=st.lists(st.tuples(st.booleans(), st.sampled_from([0.05, 0.4, 1.5])), min_size=1, max_size=6),
    workers=st.integers(1, 5),
)
def test_the_sum_keeps_to_the_limit_while_the_store_comes_and_goes(turns, workers):
    fleet = Fleet(100.0, 1.0, 20.0, workers)
    fleet.run(0.5)
    for away, seconds in turns:
        if fleet.away and not away:
            for each in fleet.workers:
                each.came_back(fleet.now)
        fleet.away = away
        fleet.run(seconds, step=0.002)
    # each worker that is alone has a time-line of its own: they may meet at one time
    assert fleet.most_over(depth_of(fleet.workers[0])) <= workers + 1e-6


@pytest.mark.parametrize("workers", [1, 4, 8])
def test_busy_workers_use_the_whole_limit_and_equal_parts_of_it(workers):
    fleet = Fleet(500.0, 1.0, 24.0, workers)
    fleet.run(1.0)
    before, began = [each.used for each in fleet.workers], len(fleet.used)
    fleet.run(4.0)
    shares = [each.used - was for each, was in zip(fleet.workers, before, strict=True)]
    assert sum(shares) == pytest.approx(2000, rel=0.01)
    assert min(shares) >= 0.95 * sum(shares) / workers
    trips = sum(each.leases for each in fleet.workers) / len(fleet.used)
    assert trips < (0.2 if workers == 8 else 0.1)
    assert len(fleet.used) > began


def test_what_idle_workers_do_not_use_the_busy_one_gets():
    fleet = Fleet(500.0, 1.0, 24.0, 4)
    fleet.run(1.0)
    fleet.wait(2.1)
    began = len(fleet.used)
    fleet.run(2.0, workers=[0])
    assert len(fleet.used) - began == pytest.approx(1000, rel=0.05)


def test_after_a_stall_the_slots_of_the_time_have_lapsed():
    fleet = Fleet(500.0, 1.0, 24.0, 4)
    fleet.run(1.0)
    fleet.run(1.0, workers=[1, 2, 3])  # worker 0 is frozen
    began = len(fleet.used)
    while fleet.take(0):
        pass
    assert len(fleet.used) == began
    assert fleet.workers[0].lapsed > 0


def test_one_worker_alone_makes_no_trip_for_a_call():
    fleet = Fleet(500.0, 1.0, 500.0, 1)
    fleet.run(2.0)
    assert fleet.workers[0].leases / len(fleet.used) < 0.05


def test_a_worker_that_makes_few_calls_books_for_each_and_keeps_none():
    fleet = Fleet(10.0, 60.0, 10.0, 2)
    for _ in range(3):
        fleet.take(0)
        fleet.wait(0.01)
        assert fleet.take(0)
        fleet.wait(5.0)
    slots = fleet.workers[0]
    assert slots.available(fleet.now) == 0
    assert slots.used == 3
    assert fleet.store.next <= fleet.now


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_without_the_store_each_keeps_to_its_share_evenly_spaced(workers):
    fleet = Fleet(80.0, 1.0, 40.0, workers)
    fleet.away = True
    fleet.run(0.01)
    assert len(fleet.used) <= workers  # no burst
    fleet.run(5.0)
    assert len(fleet.used) == pytest.approx(400, rel=0.05)
    assert len(fleet.used) <= 80 * 5.01 + workers


def test_without_the_store_more_workers_count_than_were_told_if_they_were_seen():
    fleet = Fleet(80.0, 1.0, 10.0, 4, told=1)
    fleet.run(1.0)
    fleet.away = True
    began = len(fleet.used)
    fleet.run(5.0)
    assert len(fleet.used) - began <= 400 + 14


def test_a_store_that_comes_back_empty_gives_nobody_a_second_burst():
    fleet = Fleet(100.0, 1.0, 100.0, 2)
    fleet.run(3.0)
    began = len(fleet.used)
    fleet.store.next, fleet.store.seen = None, {}
    fleet.run(1.0)
    assert len(fleet.used) - began <= 101 + 10


def test_a_new_quota_starts_without_its_burst_where_that_comes_back_within_a_second():
    fleet = Fleet(500.0, 1.0, 500.0, 1)
    fleet.run(0.1)
    assert len(fleet.used) <= 51


def test_a_new_quota_of_a_day_starts_whole():
    fleet = Fleet(10_000.0, 86_400.0, 10_000.0, 1)
    fleet.run(1.0)
    assert len(fleet.used) > 900


def test_a_weight_above_the_burst_is_late_but_never_stuck():
    fleet = Fleet(100.0, 1.0, 10.0, 1)
    end = fleet.now + 2.0
    while not fleet.take(0, 50.0):
        fleet.wait(max(0.001, fleet.workers[0].delay(fleet.now, 50.0)))
        assert fleet.now < end


@pytest.mark.parametrize("weight", [5.0, 10.0, 12.0, 24.0])
def test_a_weight_of_much_of_the_burst_is_not_stuck_beside_busy_workers(weight):
    fleet = Fleet(500.0, 1.0, 24.0, 3)
    fleet.run(1.0)
    end = fleet.now + 2.0
    while not fleet.take(0, weight):
        fleet.run(0.003, workers=[1, 2])
        assert fleet.now < end


def test_slots_that_were_given_back_are_used_again():
    fleet = Fleet(100.0, 1.0, 100.0, 1)
    fleet.take(0)
    fleet.wait(0.5)
    slots = fleet.workers[0]
    fleet.run(1.0)
    fleet.wait(0.05)
    before = slots.available(fleet.now)
    assert before >= 1
    assert slots.try_take(fleet.now)
    slots.give_back()
    assert slots.available(fleet.now) == pytest.approx(before, abs=1)


def test_a_forecast_counts_no_round_trip_and_a_delay_does():
    slots = Slots(100.0, 1.0, 10.0)
    assert slots.forecast(5.0) == 0.0
    assert slots.delay(5.0) > 0.01
    assert slots.asking


def test_a_forecast_counts_the_burst_as_far_as_it_is_known():
    slots = Slots(10.0, 1.0, 101.0)
    assert slots.forecast(0.0, 1.0, 50.0) == 0.0  # of a quota that takes long to come back, a new one is whole
    slots.granted(0.0, 0.0, -5.0, 5.0, 1)
    assert slots.forecast(0.0, 1.0, 30.0) == 0.0
    assert slots.forecast(0.0, 1.0, 100.0) == pytest.approx(5.0, abs=0.2)
    assert Slots(500.0, 1.0, 500.0).forecast(0.0, 1.0, 50.0) == pytest.approx(0.1)


def test_a_reply_that_is_later_than_its_slots_is_of_no_use():
    slots = Slots(500.0, 1.0, 24.0)
    slots.asking = True
    slots.granted(10.0, 15.0, 0.0, 5.0, 1)
    assert not slots.asking
    assert slots.available(15.0) == 0


@pytest.mark.parametrize("burst", [1.0, 24.0])
def test_slots_are_never_used_before_their_time(burst):
    slots = Slots(10.0, 1.0, burst)
    slots.asking = True
    slots.granted(0.0, 0.0, 0.5, 3.0, 1)
    assert not slots.try_take(0.499)
    assert slots.delay(0.0) == pytest.approx(0.5)
    assert slots.try_take(0.5)
    assert not slots.try_take(0.55)
    assert slots.try_take(0.6)


def test_the_interval_of_a_limit_that_is_used_up_is_that_of_this_workers_share():
    slots = Slots(100.0, 1.0, 10.0)
    assert slots.interval == pytest.approx(0.01)
    slots.granted(0.0, 0.0, 0.05, 3.0, 4)
    assert slots.interval == pytest.approx(0.04)
    slots.granted(1.0, 1.0, -0.05, 3.0, 4)
    assert slots.interval == pytest.approx(0.01)
