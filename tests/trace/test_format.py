"""The trace and its file: what was written by any release can be read, and what is no trace is refused."""

from __future__ import annotations

import json

import pytest

import asyncapi.trace
from asyncapi import ConfigError, Retry
from asyncapi.trace import RecordedCall, RecordedExchange, Trace, replay

# As 0.1 wrote it: a call that was answered 503, and then 200.
OLD = """\
["epoch", 1700000000.0]
["call", {"at": 0.0, "method": "GET", "url": "https://h/x", "headers": {"User-Agent": "asyncapi-sdk/0.1.0"}, "key": null, "body": "", "route": "/x", "scope": null, "limits": [5, 5.0, null], "retry": null, "wait": null, "priority": 0, "tenant": "", "left": null, "streamed": false, "closed": null}]
["met", {"call": 0, "target": "GET https://h/x", "at": 0.0, "until": 0.0, "status": 503, "headers": {}, "content": "", "error": "", "message": "", "phase": "", "stale": false, "final": false}]
["met", {"call": 0, "target": "GET https://h/x", "at": 0.06718212205620061, "until": 0.06718212205620061, "status": 200, "headers": {}, "content": "", "error": "", "message": "", "phase": "", "stale": false, "final": false}]
["draw", 0.13436424411240122]
["decided", [[1, "first", "", "retried after 0.0672 s (backoff)", 0.0, 0.0], [2, "retry: 503, backoff 0.0672 s", "", "", 0.06718212205620061, 0.0], "200"]]
"""


def test_a_trace_of_an_earlier_release_is_read_and_replayed(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text(OLD)
    trace = Trace.load(path)
    assert [exchange.status for exchange in trace.exchanges] == [503, 200]
    assert (trace.calls[0].route, trace.calls[0].limits) == ("/x", [5, 5.0, None])
    [steps] = replay(trace, base_url="https://h", retry=Retry(2)).decisions
    assert [step[0] for step in steps[:-1]] == [1, 2]
    assert steps[-1] == "200"


def test_a_saved_trace_has_the_keys_of_earlier_releases(tmp_path):
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(OLD)
    Trace.load(old).save(new)
    assert [json.loads(line) for line in new.read_text().splitlines()] == [
        json.loads(line) for line in OLD.splitlines()
    ]


def test_events_are_in_the_order_in_which_callers_acted():
    """A caller that leaves at the moment of the next call has left before it."""
    calls = [RecordedCall(0.0, "GET", "/a", {}, left=(1.0, 1)), RecordedCall(1.0, "GET", "/b", {}, closed=(2.0, 2))]
    happened = [(at, number, event) for at, _, number, event in Trace(calls=calls).events]
    assert happened == [(0.0, 0, "started"), (1.0, 0, "cancelled"), (1.0, 1, "started"), (2.0, 1, "closed")]


def test_an_outline_has_no_durations():
    assert Trace(decisions=[[[1, "first", "", "backoff 0.25 s", 0.0, 0.1], "503"]]).outline == [
        [[1, "first", "", "backoff # s", None, None], "#"]
    ]


def test_a_file_that_is_no_trace_is_refused_with_its_line(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text('["draw", 0.5]\n["dream", 1]\n')
    with pytest.raises(ConfigError, match=r"trace\.jsonl:2"):
        Trace.load(path)


@pytest.mark.parametrize(("old", "new"), [("Came", RecordedCall), ("Met", RecordedExchange)])
def test_an_old_name_still_works_and_says_the_new_one(old, new):
    with pytest.warns(DeprecationWarning, match=f"asyncapi.trace.{old} is now {new.__name__}"):
        assert getattr(asyncapi.trace, old) is new


def test_the_exchanges_of_a_trace_have_their_old_name_too():
    trace = Trace(exchanges=[RecordedExchange(0, "GET https://h/", 0.0)])
    with pytest.warns(DeprecationWarning, match=r"Trace\.met is now Trace\.exchanges"):
        assert trace.met is trace.exchanges


def test_a_name_that_never_was_is_no_attribute():
    with pytest.raises(AttributeError, match="Gone"):
        asyncapi.trace.Gone  # noqa: B018
