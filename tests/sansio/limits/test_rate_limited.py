"""Which responses are a rate limit's, and how long they ask to wait."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.limits.rate_limited import is_rate_limited, wait_asked

WALL = 1_700_000_000.0
USED_UP = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Used": "60",
           "X-RateLimit-Resource": "core", "X-RateLimit-Reset": str(int(WALL) + 30)}  # fmt: skip
SOME_LEFT = USED_UP | {"X-RateLimit-Remaining": "20", "X-RateLimit-Used": "40"}


@pytest.mark.parametrize(
    ("status", "headers", "limited", "wait"),
    [
        (429, {}, True, None),
        (429, {"Retry-After": "7"}, True, 7.0),
        (429, {"Retry-After": "0"}, True, 0.0),
        (429, USED_UP, True, 30.0),
        (429, SOME_LEFT, True, None),
        (403, {}, False, None),
        (403, SOME_LEFT, False, None),
        (403, USED_UP, True, 30.0),  # GitHub's primary limit
        (403, {"Retry-After": "60"} | SOME_LEFT, True, 60.0),  # its secondary one
        (403, {"Retry-After": "60"} | USED_UP, True, 60.0),
        (403, {"Retry-After": "soon"}, False, None),
        (403, {"Retry-After": "-5"}, False, None),
        (403, {"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, True, 12.0),  # GitLab's
        (403, {"RateLimit-Policy": '"default";q=10;w=60', "RateLimit": '"default";r=0;t=5'}, True, 5.0),
        (403, {"X-RateLimit-Remaining": "0"}, True, None),
        (200, USED_UP, False, None),
        (401, {"Retry-After": "7"}, False, 7.0),
        (503, {"Retry-After": "7"}, False, 7.0),
        (503, USED_UP, False, None),
    ],
)
def test_a_rate_limit_is_distinguished_from_other_refusals(status, headers, limited, wait):
    assert is_rate_limited(status, CIMultiDict(headers)) is limited
    assert wait_asked(status, CIMultiDict(headers), WALL) == wait


def test_a_reset_by_a_clock_that_is_off_is_read_by_the_responses_own_date():
    headers = CIMultiDict(USED_UP | {"Date": formatdate(WALL + 10, usegmt=True)})
    assert wait_asked(403, headers, WALL + 500) == 20.0
