"""The codes of errors mean a fresh token, a pause or a failure, in the words of each server."""

from __future__ import annotations

import pytest

from asyncapi.sansio.graphql.codes import DEFAULT, meaning_of, plain
from asyncapi.sansio.graphql.results import result_of

NOW = 1_700_000_000.0


def meaning(*bodies, trusted=True, codes=DEFAULT, status=200):
    return meaning_of([result_of(body) for body in bodies], codes, status=status, trusted=trusted, wall=NOW)


def coded(code, /, **extensions):
    return {"errors": [{"message": "no", "extensions": {"code": code, **extensions}}]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (coded("UNAUTHENTICATED"), 401),
        (coded("unauthenticated"), 401),
        (coded("invalid-jwt"), 401),
        (coded("AUTH_NOT_AUTHENTICATED"), 401),
        ({"errors": [{"message": "no", "errorType": "UnauthorizedException"}]}, 401),
        (coded(401), 401),
        (coded("RATELIMITED"), 429),
        (coded("RATE_LIMITED"), 429),
        (coded("rate-limited"), 429),
        (coded("THROTTLED"), 429),
        (coded("TOO_MANY_REQUESTS"), 429),
        (coded("429"), 429),
        ({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, 429),
        (coded("SERVICE_UNAVAILABLE"), 503),
        (coded("GATEWAY_TIMEOUT"), 504),
    ],
)
def test_a_code_gets_the_treatment_of_a_status(body, status):
    assert meaning(body).status == status


@pytest.mark.parametrize("code", ["FORBIDDEN", "UNAUTHORIZED", "BAD_USER_INPUT", "INTERNAL_SERVER_ERROR", "", 400, 1e3])
def test_other_codes_mean_nothing_here(code):
    assert meaning(coded(code)) is None


def test_the_users_own_codes_count():
    assert meaning(coded("EXPIRED"), codes={**DEFAULT, plain("expired"): 401}).status == 401


def test_a_token_comes_before_a_limit_and_a_limit_before_a_failure():
    several = {"errors": [coded(code)["errors"][0] for code in ("SERVICE_UNAVAILABLE", "THROTTLED", "UNAUTHENTICATED")]}
    assert meaning(several).status == 401
    several["errors"].pop()
    assert (meaning(several).status, meaning(several).text) == (429, "GraphQLError: THROTTLED")
    assert meaning({"data": {}}, coded("THROTTLED"), coded("SERVICE_UNAVAILABLE")).status == 429


def test_a_failure_beside_partial_data_is_the_callers_to_judge():
    assert meaning({**coded("SERVICE_UNAVAILABLE"), "data": {"a": 1, "b": None}}) is None
    assert meaning({**coded("SERVICE_UNAVAILABLE"), "data": None}).status == 503


def test_only_what_was_not_executed_is_proof_that_nothing_was_done():
    assert meaning(coded("THROTTLED")).unprocessed is None
    assert meaning({**coded("THROTTLED"), "data": None}).unprocessed is False
    assert meaning(coded("UNAUTHENTICATED"), trusted=False, status=400).unprocessed is False
    assert meaning(coded("UNAUTHENTICATED"), trusted=False, status=401).unprocessed is None
    assert meaning({**coded("UNAUTHENTICATED"), "data": {}}, trusted=False, status=401).unprocessed is False
    assert meaning({"data": {"a": 1}}, coded("THROTTLED")).unprocessed is False


SHOPIFY = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 101, "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 1, "restoreRate": 50.0},
        }
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        (coded("THROTTLED"), None),
        (coded("THROTTLED", retryAfter=3), 3.0),
        (coded("THROTTLED", retry_after="2.5"), 2.5),
        (coded("TOO_MANY_REQUESTS", retryAfterSeconds=1), 1.0),
        (coded("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60), 60.0),
        (coded("THROTTLED", retryAfterMs=1500), 1.5),
        (coded("RATE_LIMITED", resetAt="2023-11-14T22:13:30Z"), 10.0),
        (coded("RATE_LIMITED", resetAt=NOW + 5), 5.0),
        (coded("RATE_LIMITED", resetAt=(NOW + 5) * 1000), 5.0),
        (coded("RATE_LIMITED", resetAt=NOW - 5), 0.0),
        (SHOPIFY, 2.0),
        ({**coded("THROTTLED"), "extensions": {"retryAfter": 4}}, 4.0),
        ({"errors": [*coded("THROTTLED", retryAfter=1)["errors"], *coded("THROTTLED", retryAfter=9)["errors"]]}, 9.0),
    ],
)
def test_the_wait_is_read_in_the_words_of_each_server(body, wait):
    assert meaning(body).wait == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    "value", ["soon", None, True, [], {}, float("nan"), "inf", "2023-11-14", 10**400, {"a": 1}, "99999-01-01T00:00:00Z"]
)
def test_a_wait_that_cant_be_read_is_none(value):
    for key in ("retryAfter", "retryAfterMs", "resetAt", "cost"):
        assert meaning(coded("THROTTLED", **{key: value})).wait is None


def test_a_bucket_that_is_never_filled_names_no_wait():
    for rate in (0, -1, None, "x"):
        cost = {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 1, "restoreRate": rate}}
        assert meaning({**coded("THROTTLED"), "extensions": {"cost": cost}}).wait is None


def test_a_code_is_shown_in_one_short_line():
    assert meaning(coded("rate\nlimited")).text == "GraphQLError: rate limited"
