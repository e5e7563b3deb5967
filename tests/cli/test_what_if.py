"""`asyncapi trace what-if` prints what another policy would have led to, for people and as JSON."""

import gzip
import json
import os

import pytest

from asyncapi.trace import Trace


@pytest.fixture
def storm(tmp_path):
    """A trace of 400 calls, half of which failed once and got a response after a wait drawn evenly."""
    trace = Trace()
    for number in range(400):
        arm = number // 2 % 9
        told = {
            "route": "GET /a", "kind": "503", "arm": arm, "wait": 0.1 * arm, "value": 0.5, "propensity": 1 / 9, "arms": 9,
            "best": 0, "explored": True, "left": None, "reason": "", "overruled": "",
        }  # fmt: skip
        if arm == 0:
            told["propensity"] = 0.2 + 0.8 / 9
        first = [1, "first", "", "retried after 0.1 s (learned: x)", 0.0, 0.1, {"learned": told}]
        well = [1, "first", "", "", 0.0, 0.1]
        trace.decisions.append([well, "200"] if number % 2 else [first, [2, "retry", "", "", 0.2, 0.1], "200"])
    trace.save(tmp_path / "storm.jsonl")
    return "storm.jsonl"


async def test_it_prints_a_line_for_each_policy(asyncapi, storm):
    code, out, err = await asyncapi("trace", "what-if", storm, "--policy", "none", "-p", "attempts=2")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "400 calls, 200 with a failed attempt"
    assert lines[1].split() == ["policy", "failed", "attempts", "per", "call", "mean", "wait"]
    assert lines[2].startswith("recorded    0.00% (0.00%..0.75%)    1.500 (1.4")
    assert lines[3].startswith("none        50.00% (4")
    assert lines[4].startswith("attempts=2  ")


async def test_json_has_the_same(asyncapi, storm):
    code, out, _ = await asyncapi("trace", "what-if", storm, "-p", "none", "--json")
    told = json.loads(out)
    assert code == 0
    assert [each["policy"] for each in told["policies"]] == ["recorded", "none"]
    assert told["policies"][1]["failed"]["mean"] == 0.5
    assert told["policies"][1]["tells"] is True


async def test_where_the_trace_cant_tell_it_says_why_and_ends_with_1(asyncapi, storm):
    code, out, err = await asyncapi("trace", "what-if", storm, "-p", "wait=60")
    assert (code, err) == (1, "")
    assert "wait=60   can't tell: in 100% of the calls with a failure the policy waits longer than the 9.6 s" in out


async def test_bad_input_is_one_clear_error(asyncapi, storm, tmp_path):
    (tmp_path / "text.jsonl").write_text("hello\n")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.jsonl").write_text("")
    for arguments, says in (
        (["missing.jsonl"], "missing.jsonl: No such file"), (["text.jsonl"], "text.jsonl:1: not a line of a trace"),
        (["bytes.jsonl"], "it is no UTF-8 text"), (["empty.jsonl"], "empty.jsonl: the file is empty"), (["."], "directory"),
        ([storm, "-p", "defualt"], "did you mean 'default'?"), ([], "Missing argument 'TRACE'"),
    ):  # fmt: skip
        code, out, err = await asyncapi("trace", "what-if", *arguments)
        assert (code, out) == (2, "")
        assert says in err
        assert "Traceback" not in err


async def test_a_trace_comes_from_a_pipe_or_compressed(asyncapi, storm, tmp_path):
    _, plain, _ = await asyncapi("trace", "what-if", storm, "-p", "none")
    text = (tmp_path / storm).read_text()
    (tmp_path / "storm.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert await asyncapi("trace", "what-if", "storm.jsonl.gz", "-p", "none") == (0, plain, "")
    assert await asyncapi("trace", "what-if", "-", "-p", "none", stdin=text) == (0, plain, "")


async def test_a_trace_that_is_cut_off_is_one_clear_error(asyncapi, storm, tmp_path):
    whole = (tmp_path / storm).read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[:-20])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(whole)[:-20])
    for name, says in (
        ("cut.jsonl", ":401: the file is cut off in this line"),
        ("cut.gz", "the gzip file is not whole"),
    ):
        code, out, err = await asyncapi("trace", "what-if", name)
        assert (code, out) == (2, "")
        assert says in err


async def test_a_wrong_policy_is_told_before_the_trace_is_read(asyncapi, tmp_path):
    os.mkfifo(tmp_path / "never.jsonl")  # whoever reads it waits
    code, _, err = await asyncapi("trace", "what-if", "never.jsonl", "-p", "defualt")
    assert code == 2
    assert "did you mean 'default'?" in err


async def test_calls_that_waited_for_their_host_are_named(asyncapi, tmp_path):
    probe = [1, "first", "hold 0.5 s", "", 0.5, 0.1]
    Trace(decisions=[[[1, "first", "", "", 0, 0.1], "200"], [probe, "200"]] * 100).save(tmp_path / "held.jsonl")
    code, out, _ = await asyncapi("trace", "what-if", "held.jsonl", "-p", "none", "-p", "default")
    lines = out.splitlines()
    assert code == 1
    assert lines[0] == "200 calls, 0 with a failed attempt, 100 held until their host accepted connections"
    assert lines[3].startswith("none      50.00% (0.00%..57")
    assert "can't tell: 100 calls waited until their host accepted connections" in lines[4]
