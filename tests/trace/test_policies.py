"""Retry policies by name or settings: what they are, and how likely each wait is."""

import pytest

from asyncapi import ConfigError
from asyncapi.trace.policies import Spec, policy_of


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("none", Spec(attempts=1)), ("default", Spec()), ("Learned", None), ("attempts=6,base=1,cap=10", Spec(6, 1.0, 10.0)),
        ("wait=0.5", Spec(wait=0.5)), (" wait = 2 , attempts = 3 ", Spec(3, wait=2.0)), ("base=0", Spec(base=0.0)),
    ],
)  # fmt: skip
def test_a_policy_is_read(text, policy):
    assert policy_of(text) == policy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("defualt", "did you mean 'default'?"), ("", "Give none, default"), ("attemps=3", "did you mean 'attempts'?"),
        ("attempts=0", "at least 1"), ("attempts=2.5", "a whole number"), ("wait=-1", "at least 0"), ("wait=nan", "give seconds"),
        ("base=inf", "give seconds"), ("wait=x", "give seconds"), ("wait=1,base=2", "give one kind"), ("wait=1,wait=2", "there twice"),
        ("attempts=3,", "there is no setting ''"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text, says):
    with pytest.raises(ConfigError) as caught:
        policy_of(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "policy", [Spec(), Spec(9, 1.0, 60.0), Spec(wait=0.0), Spec(wait=0.5), Spec(wait=99.0), Spec(base=0.0)], ids=str
)
@pytest.mark.parametrize("retry", [1, 2, 8, 5000])
def test_all_waits_together_are_certain(policy, retry):
    chances, longer = policy.chances(retry)
    assert len(chances) == 9
    assert sum(chances) + longer == pytest.approx(1.0)
    assert all(0 <= each <= 1 for each in (*chances, longer))


def test_a_fixed_wait_is_the_nearest_recorded_one():
    assert Spec(wait=0.5).chances(1)[0].index(1.0) == 4
    assert Spec(wait=0.0).chances(3)[0].index(1.0) == 0
    assert Spec(wait=10.0).chances(1) == ((0.0,) * 9, 1.0)
