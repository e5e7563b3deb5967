"""RFC 9111 section 4.2, RFC 5861 and RFC 8246: how long a response is fresh, and when a stale one may be used."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http import caching, freshness
from asyncapi.sansio.http.stored_response import Fetched

NOW = 1_700_000_000.0
LAST = "Sat, 04 Nov 2023 22:13:20 GMT"  # ten days before
CONTROL = "Cache-Control"


def stored(control, status=200):
    headers = CIMultiDict({CONTROL: control, "ETag": '"1"'})
    return caching.made(status, headers, b"", Fetched(NOW, NOW, {}), version="1.1", identity="")


@pytest.mark.parametrize(
    ("status", "control", "seconds"),
    [
        *((status, "", 86400.0) for status in (200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501)),
        *((status, "", 0.0) for status in (201, 202, 302, 403, 500, 502, 503, 504, 599)),
        (599, "public", 86400.0),
        (200, "max-age=5", 5.0),
    ],
)
def test_a_lifetime_is_guessed_only_where_the_status_or_the_response_allows_it(status, control, seconds):
    headers = CIMultiDict({"Last-Modified": LAST})
    if control:
        headers[CONTROL] = control
    own = caching.directives(headers)
    assert freshness.lifetime(status, headers, own, NOW, 0.1) == pytest.approx(seconds)
    assert freshness.lifetime(status, headers, own, NOW, 0.0) == (5.0 if "max-age" in control else 0.0)


def test_what_came_in_the_future_was_stored_by_a_wrong_clock_and_is_not_fresh():
    found = stored("max-age=2147483648, stale-while-revalidate=9999999, stale-if-error=9999999")
    for behind, fresh in ((0, True), (59, True), (61, False), (1e9, False)):
        assert freshness.usable(found, CIMultiDict(), NOW - behind) is fresh
    assert not freshness.usable_meanwhile(found, CIMultiDict(), NOW - 61)
    assert not freshness.usable_on_error(found, CIMultiDict(), NOW - 61)
    assert freshness.with_age(found, NOW - 61)["Age"] == "2147483648"


@pytest.mark.parametrize(
    ("control", "request_control", "old", "used"),
    [
        ("max-age=60, immutable", "max-age=0", 30, True),  # a reload
        ("max-age=60, immutable", "no-cache", 30, False),  # a forced reload
        ("max-age=60, immutable", "max-age=0", 61, False),
        ("max-age=60, immutable", "max-age=0, min-fresh=5", 30, False),
        ("max-age=60", "max-age=0", 30, False),
    ],
)
def test_what_is_immutable_is_not_revalidated_while_it_is_fresh(control, request_control, old, used):
    assert freshness.usable(stored(control), {CONTROL: request_control}, NOW + old) == used


@pytest.mark.parametrize(
    ("control", "request_control", "old", "used"),
    [
        ("max-age=10, stale-while-revalidate=60", "", 70, True),
        ("max-age=10, stale-while-revalidate=60", "", 71, False),
        ("max-age=10", "", 11, False),
        ("max-age=10, stale-while-revalidate", "", 11, False),
        ("max-age=10, stale-while-revalidate=soon", "", 11, False),
        ("max-age=10, stale-while-revalidate=60, no-cache", "", 11, False),
        ("max-age=10, stale-while-revalidate=60, must-revalidate", "", 11, False),
        ("max-age=10, stale-while-revalidate=60", "no-cache", 11, False),
        ("max-age=10, stale-while-revalidate=60", "max-age=5", 11, False),
        ("max-age=10, stale-while-revalidate=60", "min-fresh=0", 11, False),
        ("max-age=10, stale-while-revalidate=60", "max-stale=1", 15, True),
    ],
)
def test_when_a_stale_response_is_used_while_it_is_revalidated(control, request_control, old, used):
    assert freshness.usable_meanwhile(stored(control), {CONTROL: request_control}, NOW + old) == used


def test_a_failure_is_never_used_stale():
    failure = stored("max-age=10, stale-while-revalidate=60, stale-if-error=60", status=503)
    assert freshness.usable(failure, {}, NOW + 9)
    assert not freshness.usable_meanwhile(failure, {}, NOW + 11)
    assert not freshness.usable_on_error(failure, {}, NOW + 11, 100)
