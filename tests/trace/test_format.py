"""The trace and its file: what was written by any release can be read, and what is no trace is refused."""

from __future__ import annotations

import gzip
import json

import pytest

import asyncapi.trace
from asyncapi import ConfigError, Retry
from asyncapi.trace import RecordedCall, RecordedExchange, Trace, replay
from asyncapi.trace.format import decisions_of

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


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_trace_may_be_compressed_and_its_decisions_are_read_alone(tmp_path, pack):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(pack(OLD.encode()))
    assert list(decisions_of(path)) == Trace.load(path).decisions == [json.loads(OLD.splitlines()[-1])[1]]


def test_decisions_are_found_however_the_lines_are_written(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(json.dumps(json.loads(line), separators=(",", ":")) + "\n" for line in OLD.splitlines()))
    assert len(list(decisions_of(path))) == 1


def test_a_file_that_is_cut_off_anywhere_is_no_smaller_trace(tmp_path):
    whole, path = OLD.encode(), tmp_path / "cut.jsonl"
    for length in range(len(whole) - 2):
        path.write_bytes(whole[:length])
        if whole[:length].count(b"call") and length > whole.index(b'["met"'):
            with pytest.raises(ConfigError, match="cut off"):
                list(decisions_of(path))
    for length in (1, 20, 100, len(gzip.compress(whole)) - 1):
        path.write_bytes(gzip.compress(whole)[:length])
        with pytest.raises(ConfigError, match=r"cut\.jsonl"):
            list(decisions_of(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "the file is empty"), (b"\xff\xfe\x00\n", "no UTF-8 text"), (b'["dream", 1]\n', ":1: not a line"),
     (b"[" * 100_000 + b"\n", ":1: not a line"), (b'{"a": 1}\n', ":1: not a line")],
    ids=["empty", "bytes", "another kind", "nested", "an object"],
)  # fmt: skip
def test_decisions_of_a_file_that_is_no_trace_are_refused(tmp_path, content, says):
    path = tmp_path / "no.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        list(decisions_of(path))
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="the file of a friend"):
        list(decisions_of(path, name="the file of a friend"))
