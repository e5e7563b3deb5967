"""Windows give room back by halves, and hold the server to what it has."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2.events import FLOW_CONTROL_ERROR, ConnectionFault
from asyncapi.sansio.http2.frames import WINDOW_UPDATE, number
from asyncapi.sansio.http2.streams import Stream
from asyncapi.sansio.http2.windows import Windows


def made(window: int = 100_000, whole: int = 0) -> tuple[Windows, list[bytes]]:
    out: list[bytes] = []
    return Windows(window, whole, out), out


def test_room_is_given_back_half_a_window_at_a_time():
    windows, out = made()
    windows.give_back(49_999)
    assert out == []
    windows.give_back(1)
    assert out == [number(WINDOW_UPDATE, 0, 50_000)]
    windows.give_back(1)
    assert len(out) == 1


def test_the_server_has_what_was_given_back():
    windows, _ = made()
    windows.receive(100_000)
    windows.give_back(60_000)
    windows.receive(60_000)
    with pytest.raises(ConnectionFault) as raised:
        windows.receive(1)
    assert raised.value.code == FLOW_CONTROL_ERROR


def test_a_stream_has_its_own_window():
    windows, out = made()
    stream = Stream("GET", windows.first_room, windows.first_left, sending=True)
    windows.give_back_to(7, stream, 50_000)
    assert out == [number(WINDOW_UPDATE, 7, 50_000)]
    assert (stream.left, stream.unread) == (150_000, 0)


def test_a_window_smaller_than_the_first_one_counts_once_the_server_has_taken_it_in():
    windows, _ = made(1_000)
    assert (windows.whole, windows.first_left) == (65_535, 65_535)
    stream = Stream("GET", windows.first_room, windows.first_left, sending=True)
    windows.settle([stream])
    assert (windows.first_left, stream.left) == (1_000, 1_000)
    windows.settle([stream])
    assert stream.left == 1_000


def test_a_setting_moves_the_windows_of_open_streams():
    windows, _ = made()
    stream = Stream("PUT", windows.first_room, windows.first_left, sending=True)
    stream.room -= 65_000
    windows.begin_with(500, [stream])
    assert (windows.first_room, stream.room) == (500, 500 - 65_000)
    windows.begin_with(70_000, [stream])
    assert (windows.first_room, stream.room) == (70_000, 5_000)
    for room in (2**31, 2**32 - 1):
        with pytest.raises(ConnectionFault):
            windows.begin_with(room, [])
    stream.room = 2**31 - 1
    with pytest.raises(ConnectionFault):
        windows.begin_with(70_001, [stream])


def test_the_connection_widens_up_to_the_largest_window():
    windows, _ = made()
    windows.widen(2**31 - 1 - 65_535)
    assert windows.room == 2**31 - 1
    with pytest.raises(ConnectionFault):
        windows.widen(1)


def test_the_connection_may_have_a_larger_window_of_its_own():
    windows, out = made(70_000, whole=200_000)
    assert (windows.whole, windows.first_left) == (200_000, 70_000)
    windows.receive(200_000)
    windows.give_back(99_999)
    assert out == []
    windows.give_back(1)
    assert out == [number(WINDOW_UPDATE, 0, 100_000)]
    assert made(70_000, whole=5)[0].whole == 70_000
