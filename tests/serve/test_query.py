"""Values from paths, queries and bodies: read whole, or refused with what would be right."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.serve.query import header_value, json_object, seconds, seconds_in, whole, whole_in
from asyncapi.serve.replies import Refusal


def refusal(caught) -> tuple[int, str]:
    return caught.value.reply.status, json.loads(caught.value.reply.body)["error"]


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("7", 7), ("-3", -3), ("007", 7), ("100", 100)])
def test_a_whole_number_within_its_bounds_is_read(text, value):
    assert whole(text, "n", -5, 100) == value


@pytest.mark.parametrize("text", ["", "-", "1.0", "1e3", " 1", "+1", "٣", "101", "-6", "9" * 5000, "0x1", "None"])
def test_anything_else_is_a_400_that_names_the_bounds(text):
    with pytest.raises(Refusal) as caught:
        whole(text, "n", -5, 100)
    status, message = refusal(caught)
    assert status == 400
    assert message.startswith("n is a whole number from -5 to 100, not ")


@given(st.text())
def test_no_text_breaks_the_readers(text):
    for read in (lambda: whole(text, "n", 0, 9), lambda: seconds(text, "s")):
        with suppress(Refusal):
            assert read() >= 0


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "3600.1", "soon", ""])
def test_seconds_out_of_bounds_are_refused(text):
    with pytest.raises(Refusal) as caught:
        seconds(text, "pause")
    assert refusal(caught)[1].startswith("pause is seconds from 0 to 3600, not ")


def test_what_a_query_leaves_out_has_its_default():
    assert (whole_in({}, "n", 5, 0, 9), seconds_in({}, "s", 1.5)) == (5, 1.5)
    assert (whole_in({"n": "3"}, "n", 5, 0, 9), seconds_in({"s": "0.25"}, "s", 1.5)) == (3, 0.25)


class Body:
    def __init__(self, content: bytes) -> None:
        self.content = content

    async def read(self) -> bytes:
        return self.content


async def test_a_body_that_is_a_json_object_is_read():
    assert await json_object(Body(b'{"a": [1]}'), "the order") == {"a": [1]}


@pytest.mark.parametrize("content", [b"", b"[1]", b'"text"', b"{", b"\xff"])
async def test_any_other_body_is_a_400(content):
    with pytest.raises(Refusal) as caught:
        await json_object(Body(content), "the order")
    assert refusal(caught)[1].startswith("the order is a JSON object")


def test_text_that_would_break_out_of_a_header_is_refused():
    assert header_value("a b;c", "name") == "a b;c"
    for text in ("a\r\nB: c", "é", "\x00"):
        with pytest.raises(Refusal):
            header_value(text, "name")
