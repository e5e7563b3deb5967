"""What a mesh says in the headers of responses, and what it is asked in those of requests."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.messages.meaning import Meaning
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.mesh import asked_of, attempts_behind, behind_a_mesh, failing

EVERYWHERE = pytest.mark.parametrize("read", [failing, behind_a_mesh])
UNSENT = "upstream connect error or disconnect/reset before headers. reset reason: "
COUNTED = {"x-envoy-attempt-count": "1"}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("1", 1), ("4", 4), (" 4 ", 4), ("0", 0), ("007", 7), ("100", 100), ("101", 100), ("999999999", 100),
        ("", 0), ("-4", 0), ("4.0", 0), ("four", 0), ("1e3", 0), ("4, 4", 0), ("٤", 0), ("²", 0), ("0x4", 0),
        ("9" * 5000, 0),
    ],
)  # fmt: skip
def test_a_count_of_attempts_is_read_within_bounds_or_not_at_all(value, count):
    assert attempts_behind({"x-envoy-attempt-count": value}) == count


@EVERYWHERE
@given(st.text(max_size=30), st.sampled_from([200, 204, 302, 404, 429, 500, 503, 599]))
def test_no_value_of_any_header_breaks_the_reading(read, value, status):
    names = (
        "x-envoy-attempt-count", "x-envoy-overloaded", "x-envoy-ratelimited", "x-envoy-immediate-health-check-fail",
        "grpc-status", "grpc-message", "x-envoy-degraded",
    )  # fmt: skip
    for name in names:
        meaning = read(Response(status, {name: value}), None)
        assert meaning is None or (1 <= meaning.attempts <= 100 and 200 <= meaning.status < 600)


@EVERYWHERE
def test_a_plain_failure_means_what_its_status_says(read):
    assert read(Response(503, {"Server": "envoy", "x-envoy-upstream-service-time": "3"}), None) is None
    assert read(Response(503, COUNTED), None) is None


@EVERYWHERE
@pytest.mark.parametrize("status", [400, 429, 500, 503, 504])
def test_attempts_behind_a_failure_count(read, status):
    meaning = read(Response(status, {"X-Envoy-Attempt-Count": "4"}), None)
    assert (meaning.status, meaning.attempts, meaning.failed, meaning.retry) == (status, 4, None, None)
    assert meaning.unprocessed is False


@EVERYWHERE
def test_attempts_behind_a_success_say_nothing(read):
    assert read(Response(200, {"x-envoy-attempt-count": "4"}), None) is None


@EVERYWHERE
@pytest.mark.parametrize("value", ["true", "", "false"])
def test_an_overloaded_proxy_is_throttled_and_no_failure_of_the_host(read, value):
    meaning = read(Response(503, {"x-envoy-overloaded": value}), None)
    assert (meaning.status, meaning.failed, meaning.unprocessed, meaning.more) == (429, False, True, 1)
    assert meaning.text == "503: overloaded (x-envoy-overloaded)"


@EVERYWHERE
def test_an_overloaded_proxy_proves_nothing_once_it_has_sent_the_request_on(read):
    meaning = read(Response(503, {"x-envoy-overloaded": "true", "x-envoy-attempt-count": "2"}), None)
    assert (meaning.status, meaning.unprocessed, meaning.attempts) == (429, False, 2)


@EVERYWHERE
def test_a_rate_limit_of_the_mesh_is_a_429_whatever_its_status(read):
    meaning = read(Response(503, {"x-envoy-ratelimited": "true"}), None)
    assert (meaning.status, meaning.failed, meaning.unprocessed) == (429, False, None)
    assert meaning.text == "503: rate limited (x-envoy-ratelimited)"
    assert read(Response(429, {"x-envoy-ratelimited": "true"}), None).text == ""


def test_an_endpoint_that_fails_its_health_check_is_out_be_the_response_good_or_bad():
    header = {"x-envoy-immediate-health-check-fail": "true"}
    assert failing(Response(503, header), None).out
    assert behind_a_mesh(Response(503, header), None).out
    well = behind_a_mesh(Response(200, header), None)
    assert (well.out, well.status) == (True, 200)
    assert failing(Response(200, header), None) is None


@EVERYWHERE
def test_what_the_protocol_of_a_call_says_is_refined_and_left_as_it_was(read):
    spoken = Meaning(503, "RPCError: UNAVAILABLE: overflow", retry=False, wait=7.0)
    headers = {"x-envoy-overloaded": "true", "x-envoy-attempt-count": "3"}
    meaning = read(Response(200, headers), spoken)
    assert (meaning.status, meaning.text, meaning.attempts) == (429, "RPCError: UNAVAILABLE: overflow", 3)
    assert (meaning.retry, meaning.wait) == (False, 7.0)
    assert (spoken.status, spoken.attempts, spoken.failed) == (503, 1, None)


@EVERYWHERE
def test_a_success_of_the_protocol_stays_one(read):
    spoken = Meaning(200)
    assert read(Response(503, {"x-envoy-overloaded": "true"}), spoken) is spoken


@pytest.mark.parametrize(
    ("status", "treated"), [("14", 503), ("8", 429), ("16", 401), ("5", 404), ("4", 504), (" 13 ", 500), ("x", 500)]
)
def test_the_grpc_status_of_a_200_is_the_outcome(status, treated):
    fields = {"grpc-status": status, "grpc-message": "no%20backend"}
    for response in (Response(200, fields), Response(200, trailers=fields)):
        meaning = behind_a_mesh(response, None)
        assert (meaning.status, meaning.text.partition(": ")[0]) == (treated, "RPCError")
        assert meaning.text.endswith(": no backend")
        assert failing(response, None) is None


def test_a_grpc_status_of_ok_is_none():
    assert behind_a_mesh(Response(200, {"grpc-status": "0"}), None) is None


@pytest.mark.parametrize(
    "text",
    [
        "no healthy upstream", UNSENT + "connection failure", UNSENT + "remote connection failure",
        UNSENT + "local connection failure, transport failure reason: refused", UNSENT + "connection timeout",
    ],
)  # fmt: skip
def test_a_connection_that_never_was_proves_that_nothing_was_sent(text):
    assert behind_a_mesh(Response(503, COUNTED, text.encode()), None).unprocessed is True
    said = behind_a_mesh(Response(200, COUNTED | {"grpc-status": "14", "grpc-message": text}), None)
    assert (said.unprocessed, said.status) == (True, 503)
    assert failing(Response(503, COUNTED, text.encode()), None) is None


@pytest.mark.parametrize(
    ("status", "headers", "text"),
    [
        (503, COUNTED, UNSENT + "connection termination"),
        (503, COUNTED, UNSENT + "protocol error"),
        (503, COUNTED, "the backend said: no healthy upstream"),
        (503, {}, "no healthy upstream"),
        (503, {"x-envoy-attempt-count": "2"}, UNSENT + "connection failure"),
        (503, COUNTED | {"x-envoy-upstream-service-time": "1"}, "no healthy upstream"),
        (500, COUNTED, "no healthy upstream"),
        (404, COUNTED, "no healthy upstream"),
    ],
)
def test_what_may_have_been_sent_or_said_by_a_server_proves_nothing(status, headers, text):
    meaning = behind_a_mesh(Response(status, headers, text.encode()), None)
    assert meaning is None or meaning.unprocessed is not True


@pytest.mark.parametrize(
    ("proxy", "ours", "total", "each", "asked"),
    [
        ("envoy", True, inf, inf, {"x-envoy-max-retries": "0"}),
        ("envoy", False, inf, inf, {}),
        (
            "envoy", False, 30.0, 2.5,
            {"x-envoy-upstream-rq-timeout-ms": "30000", "x-envoy-upstream-rq-per-try-timeout-ms": "2500"},
        ),
        (
            "envoy", True, 0.0004, 10.0,
            {
                "x-envoy-max-retries": "0", "x-envoy-upstream-rq-timeout-ms": "1",
                "x-envoy-upstream-rq-per-try-timeout-ms": "1",
            },
        ),
        ("envoy", False, inf, 2.0, {"x-envoy-upstream-rq-per-try-timeout-ms": "2000"}),
        ("linkerd", True, 1.5, 9.0, {"l5d-retry-limit": "0", "l5d-timeout": "1500ms", "l5d-retry-timeout": "1500ms"}),
        ("linkerd", False, -1.0, inf, {"l5d-timeout": "1ms", "l5d-retry-timeout": "1ms"}),
    ],
)  # fmt: skip
def test_a_proxy_is_asked_to_leave_retries_and_to_keep_our_limits(proxy, ours, total, each, asked):
    assert dict(asked_of(proxy, ours=ours, total=total, each=each)) == asked
