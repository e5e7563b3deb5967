"""What is promised of learned retries, in the simulator: small seeds here, all of them with `make test-all`."""

from dataclasses import replace

import pytest
from simulator.contenders import WAITS
from simulator.degrading import POLICIES, SCENARIOS, VALUE
from simulator.learning import measure
from simulator.troubles import TROUBLES

from asyncapi import Learned, Retry

LEARNED = {"retry": Retry(policy=Learned())}
TUNED = "hand-tuned, attempts of 1 s"
LOST = {"slow ramp", "long locks"}  # as docs/learned-retries.md says
BARS = {
    "restarts": (0.02, 1.15), "brownouts": (0.01, 1.3), "poison": (0.001, 1.06), "locks": (0.001, 1.3),
    "broken": (1.0, 1.05), "outage": (0.12, 0.95), "five of forty": (0.01, 1.02),
}  # fmt: skip


@pytest.mark.parametrize("name", BARS)
def test_it_keeps_what_it_promises(name):
    failed, sent = BARS[name]
    row = measure(TROUBLES[name], LEARNED, (1,))
    assert row["failed"] <= failed
    assert row["sent"] <= sent
    assert row["late"] == 0


def test_a_healthy_host_sees_no_difference():
    assert measure(TROUBLES["healthy"], LEARNED, (1,)) == measure(TROUBLES["healthy"], {}, (1,))


@pytest.mark.soak
@pytest.mark.parametrize("name", TROUBLES)
def test_in_no_trouble_is_it_worse_than_the_default(name):
    seeds = (11, 12, 13)
    learned, default = measure(TROUBLES[name], LEARNED, seeds), measure(TROUBLES[name], {}, seeds)
    assert learned["failed"] <= default["failed"] + 0.003
    assert learned["late"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("name", TROUBLES)
def test_in_no_trouble_is_hold_worse_than_its_absence(name):
    seeds = (11, 12, 13)
    off = measure(TROUBLES[name], {"retry": Retry(policy=Learned(hold=False))}, seeds)
    held = measure(TROUBLES[name], LEARNED, seeds)
    assert held["failed"] <= off["failed"] + 0.003
    assert held["sent"] <= off["sent"] + 0.02


def degraded(name, policy, seeds):
    """The share of calls that got the default value; none fails, and none is late."""
    settings, attempt = POLICIES[policy]
    limited = SCENARIOS[name] if attempt is None else replace(SCENARIOS[name], attempt=attempt)
    row = measure(limited, {**settings, "fallback": VALUE}, seeds)
    assert (row["failed"], row["late"]) == (0, 0)
    return row["degraded"]


@pytest.mark.parametrize("name", ["some hang", "spikes"])
def test_where_attempts_hang_a_learned_fallback_is_not_worse_than_a_tuned_one(name):
    assert degraded(name, "learned", (1,)) <= degraded(name, TUNED, (1,)) + 0.01


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("policy", ["learned", "learned, attempts of 1 s"])
def test_a_learned_fallback_is_not_worse_than_the_default_or_a_tuned_one(name, policy):
    seeds = (1, 2)
    mine = degraded(name, policy, seeds)
    if policy == "learned":
        assert mine <= degraded(name, "default", seeds) + 0.01
    if name not in LOST:
        assert mine <= degraded(name, TUNED, seeds) + 0.01


@pytest.mark.parametrize("name", WAITS)
def test_the_same_seed_gives_the_same_figures(name):
    trouble = TROUBLES["quiet restarts"]
    assert measure(trouble, name, (3,)) == measure(trouble, name, (3,))
