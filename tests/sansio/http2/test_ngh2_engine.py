"""What the engine over libnghttp2 alone promises; the rest is in test_engine.py and test_limits.py, for both engines."""

from __future__ import annotations

import pytest

pytest.importorskip("ngh2")

from asyncapi.sansio.http2 import events as ev
from http2_peer import GOAWAY, START, asked, data, frames_in, goaway, head, made, number


def test_a_fault_is_told_in_words_and_written_once():
    one = made("ngh2")
    asked(one)
    one.receive(START)
    one.outgoing()
    (fault,) = one.receive(data(9, b"x"))
    assert fault.why == "the server breaks the rules of HTTP/2: DATA: stream in idle"
    assert [kind for kind, *_ in frames_in(one.outgoing())] == [GOAWAY]


def test_the_window_of_a_connection_makes_up_for_what_refused_responses_took():
    one = made("ngh2")
    one.receive(START)
    for _ in range(100):
        stream = asked(one)
        one.outgoing()
        one.receive(head(stream, (b"content-length", b"9999")))
        (refused,) = one.receive(data(stream, b"x" * 2_000, end=True))
        assert refused.ours
        one.outgoing()
    stream = asked(one)
    one.outgoing()
    one.receive(head(stream))
    for _ in range(4):
        assert len(one.receive(data(stream, bytes(16_000)))) == 1
    assert len(one.receive(data(stream, bytes(1_535)))) == 1
    assert one.receive(data(stream, b"x"))[-1].code == ev.FLOW_CONTROL_ERROR


def test_a_request_that_was_given_up_before_it_was_written_is_never_written():
    one = made("ngh2")
    stream = asked(one)
    one.reset(stream)
    assert one.outgoing() == b""
    assert one.streams == 0
    assert asked(one) == stream + 2


def test_equal_heads_share_their_fields():
    one = made("ngh2")
    for _ in range(2):
        asked(one)
    first, second = one.receive(START + head(1, (b"a", b"b"), end=True) + head(3, (b"a", b"b"), end=True))[1:]
    assert first.fields is second.fields


def test_after_goaway_and_the_last_response_nothing_fails():
    one = made("ngh2")
    stream = asked(one)
    one.receive(START + goaway(stream) + head(stream) + data(stream, b"x", end=True))
    one.acknowledge(stream, 1)
    one.ping(b"12345678")
    one.reset(stream)
    one.close()
    assert one.receive(number(8, 0, 1)) == []
    assert one.free == 0
    one.outgoing()
