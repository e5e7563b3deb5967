"""A recorded trace says what other policies would have led to, and plainly where it can't tell."""

import asyncio
import random

import pytest

from asyncapi import ConfigError, ConnectError, Learned, Retry
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.trace import Recorder, Trace, what_if


def recorded(calls=200, *, retry=None, fails=0.4, headers=None):
    """A trace of calls to a host that fails at random."""

    async def storm():
        clock, draw = FakeClock(seed=4), random.Random(9).random

        async def handler(request):
            await clock.sleep(0.05)
            return reply(503, headers=headers) if draw() < fails else reply(200)

        recorder = Recorder(MockTransport(handler, clock=clock), clock=clock)
        settings = {"retry": retry or Retry(policy=Learned(explore=0.5)), "timeout": 30, "raise_for_status": False}
        async with recorder.client("https://h", **settings) as api:

            async def one(number):
                await clock.sleep(number * 0.5)
                await api.get(f"/users/{number}")

            await asyncio.gather(*(one(number) for number in range(calls)))
        return recorder.trace

    return run(storm())


@pytest.fixture(scope="module")
def storm():
    return recorded(900)


def test_the_recorded_policy_comes_first_and_is_what_learned_means(storm):
    first, learned, none = what_if(storm, "learned", "none")
    assert (first.policy, first.calls) == ("recorded", 900)
    assert learned.evaluation == first.evaluation
    assert none.evaluation.failed.mean == pytest.approx(first.failing / 900)
    assert none.evaluation.attempts.mean == 1.0


def test_one_retry_after_any_wait_fails_as_often_as_two_attempts(storm):
    _, found = what_if(storm, "attempts=2")
    figure = found.evaluation.failed
    assert figure.low <= 0.4 * 0.4 <= figure.high
    assert figure.high - figure.low < 0.15
    assert 1.3 < found.evaluation.attempts.mean <= 1.0 + found.failing / 900  # some were stopped by the budget


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("wait=60", "waits longer than the 9.6 s that were tried"),
        ("wait=0.5,attempts=6", "too few calls did what the policy does"),
    ],
)
def test_a_policy_that_the_trace_can_say_nothing_of(storm, policy, says):
    _, found = what_if(storm, policy)
    assert found.evaluation is None
    assert says in found.why_not
    assert found.as_dict()["tells"] is False


def test_a_trace_of_another_policy_tells_of_no_retries_alone():
    trace = recorded(60, retry=Retry(4))
    _, none, default = what_if(trace, "none", "default")
    assert none.evaluation.failed.mean > 0.2
    assert "record with Retry(policy=Learned())" in default.why_not


def test_a_trace_that_never_explored_says_so(storm):
    for steps in storm.decisions:
        assert steps
    trace = Trace(decisions=[_certain(steps) for steps in storm.decisions])
    _, found = what_if(trace, "default")
    assert "never tries another wait" in found.why_not


def _certain(steps):
    made = []
    for step in steps:
        if isinstance(step, list) and len(step) > 6 and "learned" in step[6]:
            told = {**step[6]["learned"], "propensity": 1.0}
            told["best"] = told["arm"]
            step = [*step[:6], {"learned": told}]
        made.append(step)
    return made


def test_waits_that_servers_ask_for_are_the_same_under_any_policy():
    trace = recorded(100, headers={"Retry-After": "2"})
    first, other = what_if(trace, "attempts=6,base=0.1")
    assert other.evaluation.wait.mean == pytest.approx(first.evaluation.wait.mean)
    assert other.evaluation.failed.mean == first.evaluation.failed.mean


def test_attempts_after_a_redirect_are_no_retries():
    hop = [1, "first", "", "redirected", 0.0, 0.1]
    first, other = what_if(Trace(decisions=[[hop, [2, "redirect", "", "", 0.1, 0.1], "200"]] * 3), "default")
    assert (first.failing, first.evaluation.attempts.mean) == (0, 2.0)
    assert (other.evaluation.failed.mean, other.evaluation.attempts.mean) == (0.0, 2.0)


def test_a_host_without_failures_is_the_same_for_all(storm):
    first, other = what_if(recorded(40, fails=0.0), "attempts=6")
    assert (first.failing, other.evaluation.failed.mean) == (0, 0.0)


def test_it_survives_being_saved(storm, tmp_path):
    storm.save(tmp_path / "t.jsonl")
    again = Trace.load(tmp_path / "t.jsonl")
    assert [each.as_dict() for each in what_if(again, "none")] == [each.as_dict() for each in what_if(storm, "none")]


@pytest.mark.parametrize(
    "steps",
    [
        [[1, "first"], "200"], [5, "200"], [[1, "first", "", "", 0, 0, 7], "200"],
        [[1, "first", "", "", 0, 0, {"learned": {"arm": 1}}], "200"],
        [[1, "f", "", "", 0, 0, {"learned": {"arm": 99, "arms": 9, "best": 0, "propensity": 0.5, "wait": 1, "route": "", "kind": "",
                                             "overruled": ""}}], "200"],
        [[1, "f", "", "", 0, 0, {"learned": {"arm": 0, "arms": 9, "best": 0, "propensity": 0, "wait": 1, "route": "", "kind": "",
                                             "overruled": ""}}], "200"],
    ],
    ids=str,
)  # fmt: skip
def test_decisions_that_cant_be_read_are_one_clear_error(steps):
    with pytest.raises(ConfigError, match="the decisions of call 1 can't be read"):
        what_if(Trace(decisions=[steps]))


def test_a_trace_without_calls_is_refused():
    for decisions in ([], [["cancelled"]], [[[1, "first", "", "", 0.0, 0.0], "cancelled"]]):
        with pytest.raises(ConfigError, match="has no calls that ended"):
            what_if(Trace(decisions=decisions))


def refusing(retry):
    """The share of failed calls to a host that is down for 2 s of 20, and the trace."""

    async def storm():
        clock = FakeClock(seed=2)

        async def handler(request):
            if clock.now() % 20 >= 18:
                raise ConnectError("refused", request=request)
            await clock.sleep(0.1)
            return reply(200)

        recorder = Recorder(MockTransport(handler, clock=clock), clock=clock)
        failed = 0
        async with recorder.client("https://h", retry=retry, timeout=10) as api:

            async def one(number):
                nonlocal failed
                await clock.sleep(number * 0.05)
                try:
                    await api.get(f"/users/{number}")
                except ConnectError:
                    failed += 1

            await asyncio.gather(*(one(number) for number in range(800)))
        return failed / 800, recorder.trace

    return run(storm())


def test_calls_that_waited_for_their_host_would_have_failed_without_retries():
    truth, _ = refusing(None)
    failed, trace = refusing(Retry(policy=Learned()))
    first, none, default = what_if(trace, "none", "default")
    assert (failed, first.evaluation.failed.mean) == (0.0, 0.0)
    assert first.held > 50
    figure = none.evaluation.failed
    assert figure.low <= truth <= figure.high
    assert figure.mean == pytest.approx(truth, abs=0.04)
    assert none.evaluation.attempts.mean == 1.0
    assert "record with Learned(hold=False)" in default.why_not


def test_calls_that_were_never_sent_count():
    unsent = ["ConnectError: h has refused connections for 9 s (refused); the call was held back for 9 s"]
    first, none = what_if(
        Trace(decisions=[[[1, "first", "", "", 0.0, 0.1], "200"], unsent, ["200, from cache: hit"]]), "none"
    )
    assert (first.calls, first.held) == (3, 1)
    assert first.evaluation.failed.mean == pytest.approx(1 / 3)
    assert first.evaluation.attempts.mean == pytest.approx(1 / 3)
    assert none.evaluation.attempts.mean == pytest.approx(2 / 3)
