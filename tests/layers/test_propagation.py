"""Every attempt tells the server how much time is left and which attempt it is, where that is switched on."""

from __future__ import annotations

import pytest

from asyncapi.layers.propagation import propagation
from asyncapi.messages.call import Call, CallSettings
from asyncapi.testing import FakeClock, run
from asyncapi.types import Attempt, Request, Response


async def sent(*, left=None, limit=None, attempts=0, deadline_header=None, attempt_header=None):
    """The headers of one attempt, and the request that it was made of."""
    clock, seen = FakeClock(), []
    request = Request("GET", "https://h/", headers={"X-A": "1"})
    request.call = Call(clock.now(), "h", CallSettings(attempt=limit))
    request.call.attempts = [Attempt(1, "GET", request.url, "first", 0.0, 0.0)] * attempts
    request.deadline = None if left is None else clock.now() + left

    async def inner(sent: Request) -> Response:
        seen.append(sent.headers)
        return Response(200)

    layer = propagation(clock, deadline_header=deadline_header, attempt_header=attempt_header)
    await layer(inner)(request)
    return seen[0], request


def headers_of(**given):
    return run(sent(**given))


@pytest.mark.parametrize(
    ("left", "limit", "told"),
    [(10.0, None, "10.000"), (10.0, 2.0, "2.000"), (1.0, 2.0, "1.000"), (None, 2.0, "2.000"), (-5.0, None, "0.001")],
)
def test_the_time_left_is_the_nearer_of_the_deadline_and_the_attempt_s_limit(left, limit, told):
    headers, _ = headers_of(left=left, limit=limit, deadline_header="Request-Timeout")
    assert headers["Request-Timeout"] == told


def test_an_attempt_without_any_limit_says_nothing():
    headers, _ = headers_of(deadline_header="Request-Timeout")
    assert "Request-Timeout" not in headers


@pytest.mark.parametrize(
    ("name", "told"), [("Request-Timeout", "2.500"), ("X-Envoy-Upstream-Rq-Timeout-Ms", "2500"), ("grpc-timeout", "2")]
)
def test_the_name_of_the_header_says_its_form(name, told):
    headers, _ = headers_of(left=2.5, deadline_header=name)
    assert headers[name].startswith(told)


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_the_first_attempt_is_number_one(attempts):
    headers, _ = headers_of(attempts=attempts, attempt_header="X-Retry-Attempt")
    assert headers["X-Retry-Attempt"] == str(attempts + 1)


def test_the_request_itself_is_left_as_it_is():
    headers, request = headers_of(left=1, deadline_header="Request-Timeout", attempt_header="X-Retry-Attempt")
    assert dict(request.headers) == {"X-A": "1"}
    assert headers["X-A"] == "1"
