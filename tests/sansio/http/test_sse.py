"""Server-sent events, by the examples and the rules of WHATWG HTML section 9.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asyncapi import DecodeError, ProtocolError, SchemaError
from asyncapi.sansio.http.sse import EventParser, ServerSentEvent


def events_of(*pieces: bytes, **settings) -> list[ServerSentEvent]:
    parser = EventParser(**settings)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def one(data: str, event: str = "message", id: str = "", retry: float | None = None) -> ServerSentEvent:  # noqa: A002
    return ServerSentEvent(data, event, id, retry)


CASES = {
    "nothing": ("", []),
    "one": ("data: a\n\n", [one("a")]),
    "lines of data": ("data: YHOO\ndata: +2\ndata: 10\n\n", [one("YHOO\n+2\n10")]),
    "the standard's four blocks": (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [one("first event", id="1"), one("second event"), one(" third event")],
    ),
    "empty data": ("data\n\ndata\ndata\n\ndata:", [one(""), one("\n")]),
    "with and without a space": ("data:test\n\ndata: test\n\n", [one("test"), one("test")]),
    "a type": ("event: add\ndata: 73857293\n\ndata: x\n\n", [one("73857293", "add"), one("x")]),
    "an empty type": ("event:\ndata: x\n\n", [one("x")]),
    "a type without data is forgotten": ("event: add\n\ndata: x\n\n", [one("x")]),
    "an id stays": ("id: 7\ndata: a\n\ndata: b\n\n", [one("a", id="7"), one("b", id="7")]),
    "an id without data counts": ("id: 7\n\ndata: b\n\n", [one("b", id="7")]),
    "an id with a NUL is none": ("id: 7\n\nid: 8\0\ndata: b\n\n", [one("b", id="7")]),
    "a retry": ("retry: 1500\ndata: a\n\ndata: b\n\n", [one("a", retry=1.5), one("b")]),
    "a retry with zeros before it": ("retry: 00000000001500\ndata: a\n\n", [one("a", retry=1.5)]),
    "a retry beyond all sense": (f"retry: {'9' * 5000}\nretry: 12345678901\ndata: a\n\n", [one("a")]),
    "a retry that is none": ("retry: 1.5\nretry: -1\nretry: \u0663\nretry:\ndata: a\n\n", [one("a")]),
    "unknown fields and comments": ("datas: x\n:data: x\nData: x\ndata: a\n\n", [one("a")]),
    "a byte order mark": ("\ufeffdata: a\n\n\ufeffdata: b\n\n", [one("a")]),
    "CR": ("data: a\r\rdata: b\r\r", [one("a"), one("b")]),
    "CRLF": ("data: a\r\n\r\ndata: b\r\n\r\n", [one("a"), one("b")]),
    "all ends": ("data: a\rdata: b\r\ndata: c\n\r\n\n", [one("a\nb\nc")]),
    "cut off": ("data: a\n\ndata: b\n", [one("a")]),
    "a colon in the value": ('data: {"a": 1}\n\n', [one('{"a": 1}')]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "events"), CASES.values(), ids=CASES)
def test_events(text, events):
    data = text.encode()
    assert events_of(data) == events
    assert events_of(*bytewise(data)) == events


@given(st.lists(st.text(alphabet="dat:i \r\n\0é1", max_size=8)))
def test_events_do_not_depend_on_the_pieces(parts):
    pieces = [part.encode() for part in parts]
    whole = b"".join(pieces)
    assert events_of(*pieces) == events_of(whole) == events_of(*bytewise(whole))


LINE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=10)


@given(st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=5), st.sampled_from(["\n", "\r", "\r\n"]))
def test_what_is_written_is_read(events, end):
    text = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in events)
    assert [event.data for event in events_of(*bytewise(text.encode()))] == ["\n".join(lines) for lines in events]


def test_bytes_that_are_not_utf8_are_replaced():
    assert events_of(b"data: \xff\xc3\n\n") == [one("\ufffd\ufffd")]


def test_an_event_comes_with_the_cr_that_ends_it():
    parser = EventParser()
    assert parser.feed(b"data: a\r\r") == [one("a")]
    assert parser.feed(b"\n") == []
    assert parser.feed(b"data: b\n\n") == [one("b")]


def test_where_to_go_on_from_is_known():
    parser = EventParser(last_id="5")
    assert parser.feed(b"data: a\n\n") == [one("a", id="5")]
    parser.feed(b"id: 6\nretry: 200\n")
    assert (parser.last_id, parser.retry) == ("5", 0.2)  # the block of id 6 has not ended
    parser.feed(b"\n")
    assert parser.last_id == "6"


@pytest.mark.parametrize("text", ["data: " + "a" * 60, "data: aaaaaaa\n" * 5, "x" * 51 + "\n\n"])
@pytest.mark.parametrize("split", [lambda data: [data], bytewise])
def test_an_event_that_does_not_end_is_refused_and_says_what_to_do(text, split):
    with pytest.raises(ProtocolError, match="one event is longer than max_event=50 bytes: raise max_event") as caught:
        events_of(*split(text.encode()), max_bytes=50)
    assert caught.value.final


def test_comments_without_end_are_no_event():
    assert events_of(*[b": keep alive\n"] * 100, b"data: a\n\n", max_bytes=50) == [one("a")]


class Price(BaseModel):
    cents: int


def test_the_data_may_be_json():
    event = one('{"cents": 5}')
    assert event.json() == {"cents": 5}
    assert event.parse(Price) == Price(cents=5)
    with pytest.raises(SchemaError, match="doesn't match Price"):
        one('{"cents": "x"}').parse(Price)
    with pytest.raises(DecodeError, match="valid JSON"):
        one("[DONE]").json()


@pytest.mark.parametrize(
    ("body", "found"),
    [(b"event: complete\n\n", [("complete", "")]), (b"event: complete\ndata:\n\n", [("complete", "")]), (b"id: 1\n\n", []),
     (b": a comment\n\n", [])],
)  # fmt: skip
def test_where_that_is_asked_an_event_without_data_is_one_if_it_has_a_type(body, found):
    assert [(event.event, event.data) for event in EventParser(bare=True).feed(body)] == found
