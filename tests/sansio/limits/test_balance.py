"""The choice of an endpoint: what holds for every choice, and the figures of open loops in virtual time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asyncapi.sansio.limits.balance import Balancer
from asyncapi.sansio.limits.endpoint_health import Health, Rules


def balancer_of(count, *, rules=None, seed=1, weights=None, zones=None, priorities=None):
    rules = rules or Rules()
    balancer = Balancer(rules, random.Random(seed).random)
    balancer.replace(
        Health(
            chr(97 + n), rules, 0.0,
            weight=(weights or [1.0] * count)[n], zone=(zones or [""] * count)[n],
            priority=(priorities or [0] * count)[n],
        )
        for n in range(count)
    )  # fmt: skip
    return balancer


def picked(balancer, now=0.0, count=1000, **how):
    """How often each is picked, when each request ends before the next begins."""
    counts = {member.key: 0 for member in balancer.members}
    for _ in range(count):
        holder = object()
        member = balancer.pick(now, holder, **how)
        counts[member.key] += 1
        balancer.done(member, holder)
    return counts


def fail(balancer, member, now=0.0, times=5):
    for _ in range(times):
        balancer.failed(member, object(), now)


# -- what holds for every choice --------------------------------------------------------------------------------------


class Choices(RuleBasedStateMachine):
    """Requests begin, succeed, fail and are given up in any order."""

    @initialize(count=st.integers(1, 7), seed=st.integers(0, 1000))
    def begin(self, count, seed):
        self.balancer = balancer_of(count, seed=seed)
        self.now = 0.0
        self.under_way = []

    @rule(safe=st.booleans(), tried=st.integers(0, 3))
    def pick(self, safe, tried):
        keys = [member.key for member in self.balancer.members[:tried]]
        states = {member: member.state(self.now) for member in self.balancer.members}
        holder = object()
        member = self.balancer.pick(self.now, holder, tried=keys, may_probe=safe)
        if member.probes is holder:
            assert states[member] == "due" or member.failing
        else:
            assert states[member] == "in", "an ejected one was picked"
        healthy = [m.key for m in states if states[m] == "in" and m.key not in keys]
        assert member.key not in keys or not healthy, "one that was tried, while another was there"
        self.under_way.append((member, holder))

    @rule(data=st.data(), ending=st.sampled_from(["ok", "failed", "out", "left"]))
    def end(self, data, ending):
        if not self.under_way:
            return
        member, holder = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if ending == "ok":
            self.balancer.succeeded(member, holder, self.now)
            member.learn(self.now, 0.01)
        elif ending == "left":
            self.balancer.left(member, self.now, 0.5)
        else:
            self.balancer.failed(member, holder, self.now, wants_out=ending == "out")
        self.balancer.done(member, holder)

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def at_most_half_are_out(self):
        if hasattr(self, "balancer"):
            assert sum(member.out for member in self.balancer.members) <= len(self.balancer.members) // 2

    @invariant()
    def in_flight_is_what_is_under_way(self):
        if hasattr(self, "balancer"):
            for member in self.balancer.members:
                assert member.in_flight == sum(which is member for which, _ in self.under_way)

    @invariant()
    def a_probe_has_one_holder_that_is_under_way(self):
        if hasattr(self, "balancer"):
            for member in self.balancer.members:
                assert member.probes is None or any(holder is member.probes for _, holder in self.under_way)


TestChoices = Choices.TestCase
TestChoices.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_weights_hold_where_nothing_else_differs(weights, seed):
    counts = picked(balancer_of(len(weights), weights=[float(w) for w in weights], seed=seed), count=4000)
    shares = [count / 4000 for count in counts.values()]
    assert shares == pytest.approx([weight / sum(weights) for weight in weights], abs=0.04)


@given(st.integers(2, 6), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_nobody_starves(count, seed):
    balancer = balancer_of(count, seed=seed)
    slow = balancer.members[0]
    for member in balancer.members:
        for _ in range(10):
            member.learn(0.0, 10.0 if member is slow else 0.01)
    for turn in range(200 * count + 1000):
        holder = object()
        member = balancer.pick(20.0 + turn, holder)
        balancer.done(member, holder)
    assert slow.picks >= 1


# -- who is out, and comes back ---------------------------------------------------------------------------------------


def test_failures_in_a_row_eject_and_one_success_between_them_does_not():
    balancer = balancer_of(3)
    first = balancer.members[0]
    fail(balancer, first, times=4)
    balancer.succeeded(first, object(), 0.0)
    fail(balancer, first, times=4)
    assert not first.out
    fail(balancer, first, times=1)
    assert first.out
    assert picked(balancer)["a"] == 0


def test_one_that_wants_no_more_is_out_at_once():
    balancer = balancer_of(3)
    balancer.failed(balancer.members[1], object(), 0.0, wants_out=True)
    assert balancer.members[1].out


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 1), (3, 1), (4, 2), (7, 3)])
def test_at_most_half_are_out_when_all_fail(count, most):
    balancer = balancer_of(count)
    for member in balancer.members:
        fail(balancer, member)
    assert sum(member.out for member in balancer.members) == most
    assert picked(balancer)  # and somebody is asked all the same


def test_one_probe_brings_it_back():
    balancer = balancer_of(3)
    first = balancer.members[0]
    fail(balancer, first)
    probe = object()
    assert balancer.pick(10.0, probe) is first
    assert picked(balancer, now=10.0)["a"] == 0  # nobody else goes there meanwhile
    balancer.succeeded(first, probe, 10.1)
    balancer.done(first, probe)
    assert not first.out
    assert 0 < picked(balancer, now=10.1)["a"] < 100  # a slow start
    assert 250 < picked(balancer, now=25.0)["a"] < 420


def test_a_probe_that_fails_ejects_for_longer():
    balancer = balancer_of(3)
    first = balancer.members[0]
    fail(balancer, first)
    probe = object()
    balancer.pick(10.0, probe)
    balancer.failed(first, probe, 11.0)
    assert (first.out, first.until) == (True, 31.0)


def test_a_probe_that_is_given_up_leaves_its_turn_to_the_next():
    balancer = balancer_of(3)
    first = balancer.members[0]
    fail(balancer, first)
    probe = object()
    balancer.done(balancer.pick(10.0, probe), probe)
    assert balancer.pick(10.0, object()) is first


def test_what_may_not_be_sent_again_is_no_probe_until_long_after():
    balancer = balancer_of(3)
    fail(balancer, balancer.members[0])
    assert picked(balancer, now=19.9, may_probe=False)["a"] == 0
    assert balancer.pick(20.0, object(), may_probe=False) is balancer.members[0]


def test_requests_from_before_say_nothing_of_one_that_is_out():
    balancer = balancer_of(3)
    first = balancer.members[0]
    fail(balancer, first)
    balancer.succeeded(first, object(), 1.0)
    fail(balancer, first, now=1.0)
    assert (first.out, first.until, first.ejections) == (True, 10.0, 1)


# -- where a request goes first ---------------------------------------------------------------------------------------


def test_a_call_goes_where_it_has_not_been():
    balancer = balancer_of(3)
    assert picked(balancer, tried=["a", "c"])["b"] == 1000


def test_a_call_that_was_everywhere_avoids_the_last_place():
    assert picked(balancer_of(3), tried=["c", "a", "b"])["b"] == 0


def test_one_that_would_hold_it_back_is_passed_over_while_there_is_another():
    balancer = balancer_of(2)
    assert picked(balancer, held={balancer.members[0]}) == {"a": 0, "b": 1000}
    assert sum(picked(balancer, held=set(balancer.members)).values()) == 1000


def test_our_zone_goes_first_while_it_is_well():
    balancer = balancer_of(6, zones=["eu", "eu", "eu", "us", "us", "us"], rules=Rules(zone="eu"))
    counts = picked(balancer)
    assert counts["a"] + counts["b"] + counts["c"] == 1000
    fail(balancer, balancer.members[0])  # two of three are 67 %
    counts = picked(balancer)
    assert counts["d"] + counts["e"] + counts["f"] > 400


def test_a_retry_leaves_the_zone_only_when_it_is_used_up():
    balancer = balancer_of(3, zones=["eu", "eu", "us"], rules=Rules(zone="eu"))
    assert picked(balancer, tried=["a"])["b"] == 1000
    assert picked(balancer, tried=["a", "b"])["c"] == 1000


def test_a_higher_priority_number_waits_until_no_lower_one_is_left():
    balancer = balancer_of(3, priorities=[0, 0, 1])
    assert picked(balancer)["c"] == 0
    assert picked(balancer, tried=["a", "b"])["c"] == 1000
    for member in balancer.members[:2]:
        fail(balancer, member)
    assert picked(balancer)["c"] == 1000


def test_a_new_list_keeps_what_is_known_and_half_of_it_in():
    balancer = balancer_of(4)
    for member in balancer.members[:2]:
        fail(balancer, member)
    balancer.replace(balancer.members[:2])
    assert sum(member.out for member in balancer.members) == 1


# -- open loops in virtual time ---------------------------------------------------------------------------------------


@dataclass
class Loop:
    """What an open loop saw: the sorted latencies, the shares and the errors, each without the first tenth."""

    latencies: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    errors: float = 0.0

    @property
    def p99(self):
        return self.latencies[int(len(self.latencies) * 0.99)]


def open_loop(means, *, rate, count=12_000, dead=(), seed=1, spread="exponential"):
    draw, balancer = random.Random(-1 - seed), balancer_of(len(means), seed=seed)
    places = {member: place for place, member in enumerate(balancer.members)}
    now, ends, result, counts = 0.0, [], Loop(), [0] * len(means)
    for number in range(count):
        now += draw.expovariate(rate)
        while ends and ends[0][0] <= now:
            at, _, member, holder, seconds = heapq.heappop(ends)
            if places[member] in dead:
                balancer.failed(member, holder, at)
            else:
                balancer.succeeded(member, holder, at)
                member.learn(at, seconds)
            balancer.done(member, holder)
        holder = object()
        member = balancer.pick(now, holder)
        place = places[member]
        seconds = means[place] if spread == "even" else draw.expovariate(1 / means[place])
        if place in dead:
            seconds = 0.001
        heapq.heappush(ends, (now + seconds, number, member, holder, seconds))
        if number >= count // 10:
            counts[place] += 1
            result.latencies.append(seconds)
            result.errors += place in dead
    result.latencies.sort()
    result.errors /= sum(counts)
    result.shares = [count / sum(counts) for count in counts]
    return result


RATES = [20, 200, 2000]


@pytest.mark.parametrize("spread", ["even", "exponential"])
@pytest.mark.parametrize("rate", RATES)
def test_a_slow_endpoint_hardly_shows_in_the_tail(rate, spread):
    pair = open_loop([0.01, 0.01], rate=rate, spread=spread)
    three = open_loop([0.01, 0.01, 0.1], rate=rate, spread=spread)
    assert three.p99 <= 1.5 * pair.p99


@pytest.mark.parametrize("rate", RATES)
def test_a_dead_endpoint_costs_at_most_a_hundredth(rate):
    assert open_loop([0.01] * 3, rate=rate, dead={2}).errors <= 0.01


@pytest.mark.parametrize("rate", RATES)
def test_equal_endpoints_get_equal_shares(rate):
    assert open_loop([0.01] * 3, rate=rate).shares == pytest.approx([1 / 3] * 3, rel=0.1)
