"""Reading a body to its end: aiohttp's own read where its length fits, else piece by piece within `max_body`."""

from __future__ import annotations

import gzip
import inspect

import pytest
from multidict import CIMultiDict

from asyncapi.errors import ProtocolError
from asyncapi.transports.aiohttp_bodies import decoded_body, whole_body
from asyncapi.types import Request


class Content:
    def __init__(self, pieces):
        self._pieces = list(pieces)

    async def readany(self):
        return self._pieces.pop(0) if self._pieces else b""


class Answer:
    """What of an `aiohttp.ClientResponse` is used."""

    def __init__(self, headers, *pieces, status=200, connected=True):
        self.headers = CIMultiDict(headers)
        self.status = status
        self.content = Content(pieces)
        self.ended = ""
        self.read_at_once = False
        self._protocol = object() if connected else None
        self._pieces = pieces

    async def read(self):
        self.read_at_once = True
        return b"".join(self._pieces)

    def close(self):
        self.ended = "closed"

    def release(self):
        self.ended = "released"


async def read(answer, *, method="GET", max_body=10, raw=False):
    return await whole_body(answer, Request(method, "https://h/"), max_body, raw=raw)


@pytest.mark.parametrize("max_body", [4, 10, None])
async def test_a_body_whose_length_fits_is_read_by_aiohttp_itself(max_body):
    answer = Answer({"Content-Length": "4"}, b"body")
    awaitable = whole_body(answer, Request("GET", "https://h/"), max_body, raw=False)
    assert inspect.unwrap(awaitable.cr_code).co_name == "read"
    assert await awaitable == b"body"


async def test_a_length_over_the_bound_is_refused_before_anything_is_read():
    answer = Answer({"Content-Length": "1000"}, b"body")
    with pytest.raises(ProtocolError, match=r"larger than max_body=10 bytes \(Content-Length is 1,000\)") as caught:
        await read(answer)
    assert caught.value.final
    assert (answer.ended, answer.read_at_once) == ("closed", False)


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "no number"}])
async def test_a_body_of_unknown_length_is_bounded_while_it_is_read(headers):
    answer = Answer(headers, b"12345", b"67890")
    assert await read(answer) == b"1234567890"
    assert answer.ended == "released"
    answer = Answer(headers, b"12345", b"67890", b"1", b"never read")
    with pytest.raises(ProtocolError, match=r"larger than max_body=10 bytes \(decoded\)"):
        await read(answer)
    assert answer.ended == "closed"
    assert answer.content._pieces == [b"never read"]


async def test_a_body_of_unknown_length_without_a_bound_is_read_by_aiohttp_itself():
    answer = Answer({}, b"body")
    assert await read(answer, max_body=None) == b"body"
    assert answer.read_at_once


async def test_a_coded_body_is_bounded_on_its_decoded_bytes():
    packed = gzip.compress(b"a" * 1000)
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    assert await read(Answer(headers, packed), max_body=1000) == b"a" * 1000
    with pytest.raises(ProtocolError, match="larger than max_body=999 bytes"):
        await read(Answer(headers, packed), max_body=999)


async def test_a_coded_body_that_is_wanted_raw_is_bounded_as_it_came():
    headers = {"Content-Encoding": "gzip", "Content-Length": "4"}
    assert await read(Answer(headers, b"\x1f\x8b", b"ab"), raw=True) == b"\x1f\x8bab"
    with pytest.raises(ProtocolError, match="Content-Length is 4"):
        await read(Answer(headers, b"\x1f\x8bab"), raw=True, max_body=3)


async def test_the_length_of_a_response_to_head_is_that_of_no_body():
    answer = Answer({"Content-Length": "1000"})
    assert await read(answer, method="HEAD") == b""
    assert answer.read_at_once


async def test_a_body_that_breaks_off_closes_its_connection():
    answer = Answer({}, b"123")

    async def broken():
        raise OSError("reset")

    answer.content.readany = broken
    with pytest.raises(OSError, match="reset"):
        await read(answer)
    assert answer.ended == "closed"


@pytest.mark.parametrize(
    ("answer", "method", "raw"),
    [
        (Answer({"Content-Encoding": "gzip"}), "GET", True),
        (Answer({"Content-Encoding": "gzip"}), "HEAD", False),
        (Answer({"Content-Encoding": "gzip"}, status=204), "GET", False),
        (Answer({"Content-Encoding": "gzip"}, status=304), "GET", False),
        (Answer({"Content-Encoding": "gzip"}, connected=False), "GET", False),  # made up by a test's mock
        (Answer({"Content-Encoding": "identity"}), "GET", False),
        (Answer({"Transfer-Encoding": "chunked"}), "GET", False),
        (Answer({}), "GET", False),
    ],
)
def test_nothing_is_decoded_where_nothing_was_coded(answer, method, raw):
    assert decoded_body(answer, Request(method, "https://h/"), raw=raw) is None


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Transfer-Encoding": "gzip, chunked"}])
def test_a_content_coding_and_a_transfer_coding_are_both_decoded(headers):
    assert decoded_body(Answer(headers), Request("GET", "https://h/"), raw=False) is not None
