"""Which downloads may be resumed, and which response is the rest."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http.ranges import Part, continues_at, part_of, validator

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
        ({"ETag": '"a"', "Accept-Ranges": " None"}, None),
        ({"ETag": '"a"', "Content-Encoding": "identity"}, '"a"'),
        ({"ETag": '"'}, None),
        ({"ETag": '"a"b"'}, None),
        ({"ETag": '"\xe9"'}, None),
        ({"ETag": '""'}, '""'),
        ((("ETag", '"a"'), ("ETag", '"b"')), None),
        ((("Last-Modified", OLD), ("Last-Modified", NOW), ("Date", NOW)), None),
        ({}, None),
    ],
)
def test_what_if_range_may_say(headers, said):
    assert validator(CIMultiDict(headers)) == said


@pytest.mark.parametrize(
    ("status", "headers", "part"),
    [
        (206, {"Content-Range": "bytes 5-9/10"}, Part(5, 10, 10)),
        (206, {"Content-Range": " Bytes  5-9/* "}, Part(5, 10, None)),
        (200, {"Content-Range": "bytes 0-9/10"}, Part(0, 10, 10)),
        (200, {"Content-Length": "10"}, Part(0, 10, 10)),
        (200, {"Content-Length": "10", "Content-Encoding": "gzip"}, Part(0, None, None)),
        (200, {"Content-Length": "10", "Transfer-Encoding": "chunked"}, Part(0, None, None)),
        (200, {"Content-Length": "-1"}, Part(0, None, None)),
        (200, {}, Part(0, None, None)),
        (206, {}, None),
        (206, {"Content-Length": "10"}, None),
        (206, {"Content-Range": "bytes 5-9/10", "Content-Encoding": "gzip"}, None),
        (206, (("Content-Range", "bytes 5-9/10"), ("Content-Range", "bytes 5-8/10")), None),
        *(
            (206, {"Content-Range": value}, None)
            for value in (
                "bytes */10", "items 5-9/10", "bytes 9-5/10", "bytes 5-10/10", "bytes 5-9", "bytes=5-9/10",
                "bytes 5-9/-1", "bytes \u0665-9/10", f"bytes 5-{'9' * 30}/*",
            )
        ),
    ],
)  # fmt: skip
def test_which_bytes_a_response_holds(status, headers, part):
    assert part_of(status, CIMultiDict(headers)) == part


@pytest.mark.parametrize(
    ("part", "total", "tag", "right"),
    [
        (Part(5, 10, 10), 10, '"a"', True),
        (Part(5, 7, 10), 10, '"a"', True),
        (Part(3, 6, 10), 10, '"a"', True),
        (Part(5, 10, None), 10, '"a"', True),
        (Part(5, 10, 10), None, '"a"', True),
        (Part(5, 10, 10), 10, '"b"', False),
        (Part(5, 10, 10), 10, 'W/"a"', False),
        (Part(5, 10, 10), 11, '"a"', False),
        (Part(5, 11, None), 10, '"a"', False),
        (Part(6, 10, 10), 10, '"a"', False),
        (Part(0, 5, 10), 10, '"a"', False),
        (Part(0, None, None), 10, '"a"', False),
        (None, 10, '"a"', False),
    ],
)
def test_what_can_be_joined_to_five_bytes(part, total, tag, right):
    assert continues_at(part, CIMultiDict(ETag=tag), at=5, total=total, known='"a"') is right


def test_a_date_is_compared_as_it_was_sent():
    part = Part(5, 10, 10)
    assert continues_at(part, CIMultiDict({"Last-Modified": OLD, "ETag": '"n"'}), at=5, total=10, known=OLD)
    assert not continues_at(part, CIMultiDict({"Last-Modified": NOW}), at=5, total=10, known=OLD)
    assert not continues_at(part, CIMultiDict({"ETag": '"n"'}), at=5, total=10, known=OLD)
