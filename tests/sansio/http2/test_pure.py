"""What the engine in Python alone promises; the rest is in test_engine.py and test_limits.py, for both engines."""

from __future__ import annotations

import pytest

pytest.importorskip("hpack")

from http2_peer import START, WINDOW_UPDATE, asked, frame, head, made, number


def test_an_end_without_data_needs_no_window():
    one = made("pure")
    first, second = asked(one, "POST", end=False), asked(one, "POST", end=False)
    assert one.send(first, bytes(70_000), end=True) == 65_535
    one.outgoing()
    assert one.send(second, b"", end=True) == 0
    assert one.outgoing() == frame(0, 1, second)


def test_equal_heads_share_their_fields():
    one = made("pure")
    for _ in range(2):
        asked(one)
    first, second = one.receive(START + head(1, (b"a", b"b"), end=True) + head(3, (b"a", b"b"), end=True))[1:]
    assert first.fields is second.fields


def test_padding_of_a_forgotten_stream_is_not_looked_at():
    one = made("pure")
    asked(one)
    one.receive(START)
    one.reset(1)
    assert one.receive(frame(0, 8, 1, b"\xffx") + frame(0, 8, 1)) == []


def test_a_refusal_says_what_is_wrong():
    one = made("pure")
    for _ in range(3):
        asked(one)
    sent = head(1, (b"Upper", b"x")) + head(3, (b"content-length", b"1"), end=True) + head(5, status=b"101")
    whys = [event.why for event in one.receive(START + sent)[1:]]
    assert "name of a header" in whys[0]
    assert "shorter" in whys[1]
    assert "101" in whys[2]


def test_a_window_update_for_a_stream_that_is_no_more_is_not_looked_at():
    one = made("pure")
    for _ in range(2):
        asked(one)
    one.receive(START)
    one.reset(1)
    assert one.receive(number(WINDOW_UPDATE, 1, 0)) == []
