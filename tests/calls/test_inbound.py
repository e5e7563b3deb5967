"""Between services: the time left and the attempt's number, told and heard."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi import Client, ConfigError, RequestTimeout, Retry, Timeout, deadline, inbound
from asyncapi.sansio.failures.propagation import TIMEOUT_HEADERS, read_timeout, retried_above, write_timeout
from asyncapi.testing import FakeClock, MockTransport, reply, run


@pytest.mark.parametrize(
    ("name", "seconds", "value"),
    [
        ("Request-Timeout", 1.2345, "1.234"),
        ("Request-Timeout", -1, "0.001"),  # never 0, which many read as no limit
        ("x-envoy-upstream-rq-timeout-ms", 0.0004, "1"),
        ("grpc-timeout", 0.0, "1n"),  # a positive integer
        ("grpc-timeout", 0.099999999, "99999999n"),
        ("grpc-timeout", 0.1, "100000u"),
        ("grpc-timeout", 99_999.9999, "99999999m"),
        ("x-envoy-upstream-rq-timeout-ms", 1.2345, "1234"),
        ("grpc-timeout", 0.05, "50000000n"),
        ("grpc-timeout", 1.5, "1500000u"),
        ("grpc-timeout", 500, "500000m"),
        ("grpc-timeout", 200_000, "200000S"),
        ("grpc-timeout", 1e12, "99999999S"),
    ],
)
def test_the_time_left_is_written_as_the_header_asks_never_rounded_up(name, seconds, value):
    assert write_timeout(name, seconds) == value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Request-Timeout": "2.5"}, 2.5),
        ({"X-Envoy-Expected-Rq-Timeout-Ms": "250"}, 0.25),
        ({"grpc-timeout": "2M"}, 120.0),
        ({"grpc-timeout": "123456789m"}, None),
        ({"grpc-timeout": "2M", "Request-Timeout": "3"}, 3.0),
        ({"Request-Timeout": "soon"}, None),
        ({"Request-Timeout": "-1"}, None),
        ({"Request-Timeout": "nan"}, None),
        ({"Request-Timeout": "inf"}, None),
        ({"Request-Timeout": "1e400"}, None),
        ({"Request-Timeout": "1_0"}, None),
        ({"Request-Timeout": "0x10"}, None),
        ({"Request-Timeout": "3, 5"}, None),
        ({"Request-Timeout": "\u0663"}, None),
        ({"Request-Timeout": "9" * 400}, None),
        ({"Request-Timeout": ""}, None),
        ({"grpc-timeout": "\u0663S"}, None),
        ({"grpc-timeout": "S"}, None),
        ({"grpc-timeout": "-1S"}, None),
        ({"x-envoy-upstream-rq-timeout-ms": "0"}, None),  # Envoy's 0 is no limit
    ],
)
def test_a_callers_time_is_read_in_every_form_and_garbage_is_as_if_not_there(headers, seconds):
    assert read_timeout(CIMultiDict(headers)) == pytest.approx(seconds) if seconds else read_timeout(headers) is None


@pytest.mark.parametrize("name", ["x-envoy-attempt-count", "X-Retry-Attempt", "grpc-previous-rpc-attempts"])
def test_a_retrying_caller_is_known_by_its_header(name):
    assert retried_above(CIMultiDict({name: "1"}))
    assert not retried_above(CIMultiDict({"accept": "*/*"}))


def scenario_of(headers, *, most=None, handler=None, **settings):
    async def scenario():
        clock = FakeClock()
        seen = []

        async def answer(request):
            seen.append(dict(request.headers))
            return (handler or (lambda request: reply(503)))(request)

        settings.setdefault("timeout", 60)
        async with Client("https://h", transport=MockTransport(answer, clock=clock), clock=clock, **settings) as api:
            with inbound(CIMultiDict(headers), most=most, clock=clock):
                response = await api.get("/x", raise_for_status=False)
            outside = await api.get("/y", raise_for_status=False)
        return response, outside, seen

    return run(scenario())


def test_calls_inside_make_one_attempt_where_the_caller_retries():
    """Outside they make the usual attempts."""
    inside, outside, _ = scenario_of({"X-Retry-Attempt": "1"}, retry=Retry(3))
    assert (len(inside.attempts), len(outside.attempts)) == (1, 3)


def test_each_attempt_tells_its_number_and_the_time_that_is_left():
    def late(request):
        return reply(503, headers={"Retry-After": "2"})

    settings = {"deadline_header": "Request-Timeout", "attempt_header": "X-Retry-Attempt", "retry": 3}
    _, _, seen = scenario_of({"Request-Timeout": "10"}, handler=late, **settings)
    told = [(headers["Request-Timeout"], headers["X-Retry-Attempt"]) for headers in seen[:3]]
    assert told == [("10.000", "1"), ("8.000", "2"), ("6.000", "3")]


@given(seconds=st.floats(-1, 1e9), name=st.sampled_from(TIMEOUT_HEADERS))
def test_what_is_written_is_read_back_as_no_more_and_hardly_less(seconds, name):
    written = write_timeout(name, seconds)
    read = read_timeout({name: written})
    assert read is not None
    assert read <= max(seconds, 1e-3) + 1e-9
    assert read >= min(seconds, 99_999_999) * (1 - 1e-4) - 1e-3
    if name == "grpc-timeout":
        assert re.fullmatch(r"[1-9][0-9]{0,7}[HMSmun]", written)


def test_the_peer_is_told_the_attempts_limit_where_that_comes_first():
    """Nobody waits for the answer any longer: work beyond it would be for nothing."""
    settings = {"deadline_header": "Request-Timeout", "retry": None}
    _, _, seen = scenario_of({}, timeout=Timeout(30, attempt=2), **settings)
    assert seen[0]["Request-Timeout"] == "2.000"
    _, _, seen = scenario_of({}, timeout=Timeout(1, attempt=2), **settings)
    assert seen[0]["Request-Timeout"] == "1.000"
    _, _, seen = scenario_of({}, timeout=Timeout(None, attempt=2), **settings)
    assert seen[0]["Request-Timeout"] == "2.000"


def test_a_deadline_without_end_is_not_told():
    with deadline(float("inf")):
        _, _, seen = scenario_of({}, deadline_header="grpc-timeout", timeout=None, retry=None)
    assert seen[0].get("grpc-timeout") in {None, "99999999S"}


def test_a_call_without_a_deadline_tells_none():
    _, _, seen = scenario_of({}, deadline_header="Request-Timeout", timeout=None, retry=None)
    assert "Request-Timeout" not in seen[0]


def test_the_callers_time_and_ours_the_smaller_holds():
    async def scenario(told, most):
        clock = FakeClock()

        async def hangs(request):
            await clock.sleep(100)

        async with Client("https://h", transport=MockTransport(hangs, clock=clock), clock=clock, timeout=50) as api:
            with inbound({"request-timeout": told}, most=most, clock=clock), pytest.raises(RequestTimeout):
                await api.get("/x")
        return clock.now()

    assert run(scenario("2", 10)) == pytest.approx(2)
    assert run(scenario("20", 10)) == pytest.approx(10)
    assert run(scenario("0", 10)) == pytest.approx(0, abs=1e-3)


def test_services_in_a_row_retry_in_one_place_only():
    async def scenario():
        clock = FakeClock()
        made = []

        def last(request):
            made.append(1)
            return reply(503)

        def service(below):
            async def serve(request):
                with inbound(request.headers, clock=clock):
                    response = await below.get("/x", raise_for_status=False)
                return reply(response.status)

            return serve

        def made_client(handler):
            transport = MockTransport(handler, clock=clock)
            return Client("https://h", transport=transport, clock=clock, attempt_header="X-Retry-Attempt", retry=3)

        third = made_client(last)
        second = made_client(service(third))
        first = made_client(service(second))
        await first.get("/x", raise_for_status=False)
        return len(made)

    assert run(scenario()) == 3


def test_deadline_scopes_still_hold_inside():
    with deadline(5) as outer, inbound({"request-timeout": "60"}):
        assert outer.left <= 5


@pytest.mark.parametrize("most", [0, -1, float("nan"), "5"])
def test_what_is_no_length_of_time_is_refused(most):
    with pytest.raises(ConfigError, match="most="), inbound({}, most=most):
        pass
