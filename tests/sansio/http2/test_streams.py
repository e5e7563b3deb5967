"""A response goes from heads over its body to its end, and no other way."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2.events import ConnectionFault
from asyncapi.sansio.http2.responses import Section
from asyncapi.sansio.http2.streams import Stream


def stream(method: str = "GET") -> Stream:
    return Stream(method, 10, 20, sending=False)


def section(status: int = 200, length: int | None = None, why: str = "") -> Section:
    return Section(status, (), length, why)


def test_an_interim_response_is_no_final_one():
    one = stream()
    assert one.head(section(103), end=False) == ""
    assert (one.begun, one.headed) == (True, False)
    assert one.data(1)
    assert one.head(section(200), end=False) == ""
    assert one.headed


@pytest.mark.parametrize(
    ("head", "end"),
    [
        (section(0), False),
        (section(101), False),
        (section(103), True),
        (section(103, length=0), False),
        (section(204, length=1), False),
        (section(200, length=1), True),
        (section(200, why="bad"), False),
    ],
)
def test_a_head_that_cannot_stand(head, end):
    assert stream().head(head, end=end)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_that_has_no_body_ends_with_its_head_whatever_length_it_names(method, status):
    one = stream(method)
    assert one.head(section(status, length=None if status == 204 else 99), end=True) == ""
    assert one.data(0) == ""
    assert one.data(1)


def test_the_server_may_send_as_much_as_the_window_allows():
    one = stream()
    one.take(20)
    with pytest.raises(ConnectionFault):
        one.take(1)


def test_a_body_is_as_long_as_its_head_says():
    one = stream()
    assert one.head(section(length=5), end=False) == ""
    assert one.data(3) == ""
    assert one.complete()
    assert one.data(2) == ""
    assert one.complete() == ""
    assert one.data(1)


def test_trailers_end_the_response_and_have_nothing_of_a_head():
    one = stream()
    one.head(section(), end=False)
    assert one.trailers(section(0), end=True) == ""
    assert one.trailers(section(0), end=False)
    assert one.trailers(section(200), end=True)
    assert one.trailers(section(0, length=0), end=True)
    assert one.trailers(section(0, why="bad"), end=True) == "bad"


def test_trailers_do_not_make_up_for_a_body_that_is_too_short():
    one = stream()
    one.head(section(length=5), end=False)
    assert one.trailers(section(0), end=True)
