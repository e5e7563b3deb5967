"""Frames are counted before libnghttp2 sees them, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http2.gate import Gate
from asyncapi.sansio.http2.limits import Limits, Meter
from http2_peer import ACK, DATA, GOAWAY, PING, PRIORITY, PUSH_PROMISE, data, frame, settings


class Counted(Meter):
    def __init__(self) -> None:
        super().__init__(Limits())
        self.frames: list[tuple[int, int, int]] = []

    def frame(self, kind: int, flags: int, size: int) -> None:
        self.frames.append((kind, flags, size))
        super().frame(kind, flags, size)


FRAMES = [
    settings(streams=5),
    ACK,
    data(1, b"x" * 50, pad=7, end=True),
    frame(PING, 0, 0, b"12345678"),
    frame(GOAWAY, 0, 0),
]


@given(st.lists(st.integers(1, 40)))
def test_every_frame_is_counted_once_however_it_is_cut(sizes):
    meter = Counted()
    gate, sent = Gate(meter, {1: None}), b"".join(FRAMES)
    for size in [*sizes, len(sent)]:
        assert gate.walk(sent[:size]) == (min(size, len(sent)), None)
        sent = sent[size:]
    assert meter.frames == [(each[3], each[4], len(each) - 9) for each in FRAMES if each[3] != DATA]
    assert gate.ends == {1: 50}


@pytest.mark.parametrize("bad", [frame(PUSH_PROMISE, 4, 1, b"abcd"), frame(PRIORITY, 0, 0, bytes(5))])
def test_libnghttp2_reads_up_to_the_frame_that_may_not_come(bad):
    good = settings() + data(1, b"x")
    gate = Gate(Counted(), {})
    at, fault = gate.walk(good + bad)
    assert (at, fault.code) == (len(good), 1)
    gate = Gate(Counted(), {})
    assert gate.walk(good + bad[:4]) == (len(good) + 4, None)
    at, fault = gate.walk(bad[4:])
    assert (at, fault.code) == (0, 1)


@pytest.mark.parametrize("first", [ACK, data(1), b"HTTP/1.1 400 Bad Request\r\n"])
def test_the_first_frame_is_settings(first):
    assert "begins without SETTINGS" in Gate(Counted(), {}).walk(first)[1].why


def test_only_the_last_parts_of_open_streams_are_remembered_and_the_first_of_them():
    gate = Gate(Counted(), {1: None, 3: None})
    gate.walk(settings() + data(1, b"ab") + data(1, b"abc", end=True) + data(1, b"abcd", end=True))
    gate.walk(data(3, end=True) + data(5, b"a", end=True) + frame(DATA, 9, 3, b"\x01abc\0"))
    assert gate.ends == {1: 3, 3: 3}
