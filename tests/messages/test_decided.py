"""Records whose texts are made when somebody reads them: no reader can tell, and no copy takes the decision along."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import fields, replace

import pytest

from asyncapi.messages.call import Attempt
from asyncapi.messages.decided import followed_by, retried, sent_for
from asyncapi.messages.target import Target


class Decision:
    """A decision that counts how often it is asked."""

    wait = 0.25

    def __init__(self) -> None:
        self.asked = 0

    @property
    def reason(self) -> str:
        self.asked += 1
        return "3 of 4 ended well"

    def as_dict(self):
        return {"wait": self.wait, "reason": self.reason}

    def __reduce__(self):
        raise AssertionError("it must not leave the record")


def record(decision: Decision) -> Attempt:
    """A record of an attempt that was decided on, and is retried."""
    why = "retry: 503, learned 0.25 s"
    found = Attempt(2, "GET", Target.of("https://h/a"), f"{why} (probe: h is down)", 0.0, 0.0, state={"budget": 3})
    sent_for(found, why, decision)
    followed_by(found, decision)
    retried(found)
    return found


def test_texts_are_made_once_when_they_are_read():
    decision = Decision()
    found = record(decision)
    assert decision.asked == 0
    for _ in range(2):
        assert found.why == "retry: 503, learned 0.25 s (3 of 4 ended well) (probe: h is down)"
        assert found.then == "retried after 0.25 s (learned: 3 of 4 ended well)"
        assert found.state == {"budget": 3, "learned": {"wait": 0.25, "reason": "3 of 4 ended well"}}
    assert decision.asked == 3
    assert found.state is found.state


@pytest.mark.parametrize("order", [("then", "state"), ("state", "then"), ("why", "state", "then")])
def test_the_order_of_reading_does_not_matter(order):
    found, other = record(Decision()), record(Decision())
    for name in order:
        getattr(found, name)
    assert repr(found) == repr(other)
    assert found.state == other.state


@pytest.mark.parametrize("read", [lambda found: None, repr])
@pytest.mark.parametrize("twin", [copy, replace, lambda found: pickle.loads(pickle.dumps(found))])
def test_a_copy_is_whole_and_takes_only_texts_along(twin, read):
    found = record(Decision())
    read(found)
    made = twin(found)
    assert (made.why, made.then, made.state) == (found.why, found.then, found.state)
    assert pickle.dumps(made)


def test_what_is_written_later_stays():
    found = record(Decision())
    found.then = "gave up: the retry budget of h is spent"
    assert found.state["learned"]["wait"] == 0.25
    assert found.then == "gave up: the retry budget of h is spent"


def test_a_record_that_was_read_too_early_says_what_follows_all_the_same():
    found = Attempt(1, "GET", Target.of("https://h/a"), "first", 0.0, 0.0)
    followed_by(found, Decision())
    assert (found.then, set(found.state)) == ("", {"learned"})
    retried(found)
    assert found.then == "retried after 0.25 s (learned: 3 of 4 ended well)"


def test_another_name_is_an_error_that_names_it():
    with pytest.raises(AttributeError, match="'Attempt' object has no attribute 'thn'"):
        record(Decision()).thn  # noqa: B018


def test_what_layers_need_is_no_part_of_a_record():
    """`if attempt.retried:` would always be true."""
    public = {name for name in dir(Attempt) if not name.startswith("_")}
    assert public == {field.name for field in fields(Attempt)} | {"effective_status", "url"}
