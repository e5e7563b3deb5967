"""Which answers may be gone on with, and which answer is the rest."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.ranges import goes_on, validator

OLD, NOW = "Sun, 06 Nov 1994 08:48:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"etag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({"ETag": 'W/"a"', "Last-Modified": OLD, "Date": NOW}, None),
        ({"Last-Modified": OLD, "Date": NOW}, OLD),
        ({"Last-Modified": NOW, "Date": NOW}, None),
        ({"Last-Modified": OLD}, None),
        ({"Last-Modified": "yesterday", "Date": NOW}, None),
        ({"Last-Modified": OLD, "Date": "Sun, 06 Nov 1994 08:49:37"}, None),
        ({"ETag": '"a"', "Content-Encoding": "gzip"}, None),
        ({"ETag": '"a"', "Accept-Ranges": "none"}, None),
        ({"ETag": '"a"', "Accept-Ranges": "bytes"}, '"a"'),
        ({}, None),
    ],
)
def test_what_if_range_may_say(headers, said):
    assert validator(CIMultiDict(headers)) == said


@pytest.mark.parametrize(
    ("status", "value", "right"),
    [
        (206, "bytes 5-9/10", True),
        (206, "bytes 5-9/*", True),
        (200, "bytes 5-9/10", False),
        (206, "bytes 4-9/10", False),
        (206, "bytes */10", False),
        (206, "items 5-9/10", False),
        (206, "", False),
    ],
)
def test_what_is_the_rest(status, value, right):
    assert goes_on(status, CIMultiDict({"Content-Range": value}), 5) is right
